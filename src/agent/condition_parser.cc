#include "agent/condition_parser.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include <charconv>
#include <cmath>
#include <optional>

#include "base/text.h"

namespace tsukai::agent {
namespace {

using Node = Condition::Node;
using Op = Node::Op;
using Tree = std::shared_ptr<const Node>;

constexpr std::size_t kItemsMax = 256;  // Of one list.
constexpr std::int64_t kPatternMemoryBytesMax = 1 << 20;

bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

// Recursive descent, one function a level of binding: or, and, not, comparison, value.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Tree> whole() {
    TSUKAI_TRY(Tree tree, any());
    skip();
    if (at_ < text_.size()) return wrong("expected the end, and, or or a comparison");
    return tree;
  }

 private:
  struct Deeper {
    explicit Deeper(int& depth) : depth_(depth) { ++depth_; }
    ~Deeper() { --depth_; }
    int& depth_;
  };

  tl::unexpected<Error> wrong(std::string_view what) const {
    const std::string_view rest = text_.substr(std::min(at_, text_.size()));
    const std::string here = rest.empty() ? "the end" : fmt::format("\"{}\"", shortened(rest, 12));
    return fail(Code::kInvalidArgument, fmt::format("column {}: {}, not {}", at_ + 1, what, here));
  }

  void skip() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r'))
      ++at_;
  }
  bool symbol(std::string_view wanted) {
    skip();
    if (!text_.substr(at_).starts_with(wanted)) return false;
    at_ += wanted.size();
    return true;
  }
  bool word(std::string_view wanted) {
    skip();
    const auto rest = text_.substr(at_);
    if (!rest.starts_with(wanted)) return false;
    if (rest.size() > wanted.size() && (letter(rest[wanted.size()]) || digit(rest[wanted.size()])))
      return false;
    at_ += wanted.size();
    return true;
  }
  static Tree node(Op op, std::vector<Tree> children) {
    auto made = std::make_shared<Node>();
    made->op = op;
    made->children = std::move(children);
    return made;
  }
  static Tree constant(Json value) {
    auto made = std::make_shared<Node>();
    made->constant = std::move(value);
    return made;
  }

  Result<Tree> any() {
    const Deeper deeper(depth_);
    if (depth_ > kConditionDepthMax)
      return fail(Code::kInvalidArgument, fmt::format("nested deeper than {}", kConditionDepthMax));
    TSUKAI_TRY(Tree left, all());
    // Left-deep chains make the tree as deep as they are long: counted like nesting.
    for (int length = 0; word("or"); ++length) {
      if (length > kConditionDepthMax)
        return wrong(fmt::format("expected at most {} ors", kConditionDepthMax));
      TSUKAI_TRY(Tree right, all());
      left = node(Op::kOr, {left, right});
    }
    return left;
  }

  Result<Tree> all() {
    TSUKAI_TRY(Tree left, negation());
    for (int length = 0; word("and"); ++length) {
      if (length > kConditionDepthMax)
        return wrong(fmt::format("expected at most {} ands", kConditionDepthMax));
      TSUKAI_TRY(Tree right, negation());
      left = node(Op::kAnd, {left, right});
    }
    return left;
  }

  Result<Tree> negation() {
    const Deeper deeper(depth_);
    if (depth_ > kConditionDepthMax)
      return fail(Code::kInvalidArgument, fmt::format("nested deeper than {}", kConditionDepthMax));
    if (word("not")) {
      TSUKAI_TRY(Tree inner, negation());
      return node(Op::kNot, {inner});
    }
    return comparison();
  }

  Result<Tree> comparison() {
    TSUKAI_TRY(Tree left, value());
    // Longer symbols first.
    static constexpr std::pair<std::string_view, Op> kSymbols[] = {
        {"==", Op::kEqual},        {"!=", Op::kNotEqual}, {"<=", Op::kLessEqual},
        {">=", Op::kGreaterEqual}, {"<", Op::kLess},      {">", Op::kGreater}};
    for (const auto& [text, op] : kSymbols) {
      if (!symbol(text)) continue;
      TSUKAI_TRY(Tree right, value());
      return node(op, {left, right});
    }
    if (word("in")) {
      TSUKAI_TRY(Tree right, value());
      return node(Op::kIn, {left, right});
    }
    if (word("matches")) return match(left);
    skip();
    if (at_ < text_.size() && text_[at_] == '=') return wrong("expected == (two equals signs)");
    return left;
  }

  Result<Tree> match(Tree left) {
    skip();
    const std::size_t from = at_;
    TSUKAI_TRY(auto pattern, quoted());
    if (!pattern) return wrong("expected a quoted pattern after matches");
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(kPatternMemoryBytesMax);
    auto compiled = std::make_shared<RE2>(*pattern, options);
    if (!compiled->ok()) {
      return fail(Code::kInvalidArgument,
                  fmt::format("column {}: not a pattern: {}", from + 1, compiled->error()));
    }
    auto made = std::make_shared<Node>();
    made->op = Op::kMatches;
    made->children = {std::move(left)};
    made->pattern = std::move(compiled);
    return Tree(std::move(made));
  }

  // Nothing when no quote stands here. A backslash escapes the quote and itself, and is a backslash before
  // all else.
  Result<std::optional<std::string>> quoted() {
    skip();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) return std::optional<std::string>();
    const char quote = text_[at_];
    std::string out;
    for (std::size_t i = at_ + 1; i < text_.size(); ++i) {
      const char c = text_[i];
      if (c == quote) {
        at_ = i + 1;
        return std::optional(std::move(out));
      }
      if (c == '\\' && i + 1 < text_.size() && (text_[i + 1] == quote || text_[i + 1] == '\\'))
        out += text_[++i];
      else
        out += c;
    }
    return wrong("a text without its closing quote");
  }

  Result<Tree> value() {
    TSUKAI_TRY(auto text, quoted());
    if (text) return constant(std::move(*text));
    if (symbol("(")) {
      TSUKAI_TRY(Tree inner, any());
      if (!symbol(")")) return wrong("expected )");
      return inner;
    }
    if (symbol("[")) return list();
    if (word("true")) return constant(true);
    if (word("false")) return constant(false);
    if (word("null")) return constant(nullptr);
    skip();
    if (at_ < text_.size() && (digit(text_[at_]) || text_[at_] == '-')) return number();
    if (at_ < text_.size() && letter(text_[at_])) return name();
    return wrong("expected a value");
  }

  Result<Tree> list() {
    std::vector<Tree> items;
    if (symbol("]")) return node(Op::kList, {});
    for (;;) {
      // A list within lists is a value of its own level.
      const Deeper deeper(depth_);
      if (depth_ > kConditionDepthMax)
        return fail(Code::kInvalidArgument, fmt::format("nested deeper than {}", kConditionDepthMax));
      TSUKAI_TRY(Tree item, value());
      items.push_back(std::move(item));
      if (symbol("]")) return node(Op::kList, std::move(items));
      if (items.size() >= kItemsMax) return wrong(fmt::format("expected at most {} items", kItemsMax));
      if (!symbol(",")) return wrong("expected , or ]");
    }
  }

  Result<Tree> number() {
    const char* begin = text_.data() + at_;
    const char* end = text_.data() + text_.size();
    std::int64_t whole = 0;
    const auto as_whole = std::from_chars(begin, end, whole);
    double real = 0;
    const auto as_real = std::from_chars(begin, end, real);
    if (as_real.ec != std::errc() || !std::isfinite(real)) return wrong("expected a number");
    const bool is_whole = as_whole.ec == std::errc() && as_whole.ptr == as_real.ptr;
    at_ = static_cast<std::size_t>(as_real.ptr - text_.data());
    if (at_ < text_.size() && letter(text_[at_])) return wrong("expected a number");
    return constant(is_whole ? Json(whole) : Json(real));
  }

  std::string identifier() {
    const std::size_t from = at_;
    while (at_ < text_.size() && (letter(text_[at_]) || digit(text_[at_]))) ++at_;
    return std::string(text_.substr(from, at_ - from));
  }

  Result<Tree> name() {
    const std::size_t from = at_;
    const std::string first = identifier();
    static constexpr std::string_view kReserved[] = {"and", "or", "not", "in", "matches"};
    for (const auto reserved : kReserved) {
      if (first == reserved) {
        at_ = from;
        return wrong("expected a value");
      }
    }
    if (symbol("(")) {
      if (first != "len" && first != "exists") {
        at_ = from;
        return wrong("there are the functions len and exists");
      }
      TSUKAI_TRY(Tree inner, any());
      if (!symbol(")")) return wrong("expected )");
      return node(first == "len" ? Op::kLength : Op::kExists, {inner});
    }
    auto made = std::make_shared<Node>();
    made->op = Op::kPath;
    made->path.push_back({first});
    while (at_ < text_.size() && (text_[at_] == '.' || text_[at_] == '[')) {
      if (text_[at_++] == '.') {
        if (at_ >= text_.size() || !letter(text_[at_])) return wrong("expected a name after .");
        made->path.push_back({identifier()});
        continue;
      }
      std::int64_t index = 0;
      const auto read = std::from_chars(text_.data() + at_, text_.data() + text_.size(), index);
      if (read.ec != std::errc() || index < 0) return wrong("expected an index from 0");
      at_ = static_cast<std::size_t>(read.ptr - text_.data());
      if (!symbol("]")) return wrong("expected ]");
      made->path.push_back({"", index});
    }
    return Tree(std::move(made));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Condition::Node>> parse_condition(std::string_view text) {
  if (text.size() > kConditionBytesMax) {
    return fail(Code::kInvalidArgument,
                fmt::format("a condition may have at most {} bytes", kConditionBytesMax));
  }
  if (!valid_utf8(text)) return fail(Code::kInvalidArgument, "the condition is not UTF-8");
  return Parser(text).whole();
}

}  // namespace tsukai::agent
