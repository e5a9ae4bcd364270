#include "infer/grammar/regex.h"

#include <fmt/format.h>

#include <vector>

namespace tsukai::infer::grammar {
namespace {

constexpr std::uint32_t kUnbounded = ~std::uint32_t{0};

struct Part {
  enum Kind { kClass, kConcat, kAlternatives, kRepeat, kBegin, kEnd } kind = kConcat;
  CodePoints set;
  std::vector<Part> parts;
  std::uint32_t min = 0, max = 0;
};

const CodePoints kDigits{{'0', '9'}};
const CodePoints kWord{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const CodePoints kSpace{{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                        {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                        {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
const CodePoints kLineEnds{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Part> parse() {
    TSUKAI_TRY(auto part, alternatives(0));
    if (at_ < text_.size()) return mistake("has a ) that closes nothing");
    return part;
  }

 private:
  tl::unexpected<Error> mistake(std::string_view what) {
    return fail(Code::kInvalidArgument,
                fmt::format("regular expression \"{}\" {} at byte {}", text_, what, at_));
  }
  tl::unexpected<Error> foreign(std::string_view what) {
    return fail(Code::kUnsupported, fmt::format("regular expression \"{}\" uses {}", text_, what));
  }
  bool more() const { return at_ < text_.size(); }
  bool take(char c) { return more() && text_[at_] == c ? (++at_, true) : false; }

  Result<Part> alternatives(int depth) {
    if (depth > kRegexDepthMax)
      return fail(Code::kExhausted, "a regular expression is nested deeper than 64 levels");
    Part out{Part::kAlternatives};
    do {
      TSUKAI_TRY(auto branch, sequence(depth));
      out.parts.push_back(std::move(branch));
    } while (take('|'));
    if (out.parts.size() == 1) return std::move(out.parts.front());
    return out;
  }

  Result<Part> sequence(int depth) {
    Part out{Part::kConcat};
    while (more() && text_[at_] != '|' && text_[at_] != ')') {
      TSUKAI_TRY(auto atom, one(depth));
      const bool anchor = atom.kind == Part::kBegin || atom.kind == Part::kEnd;
      TSUKAI_TRY(auto repeated, quantified(std::move(atom), anchor));
      out.parts.push_back(std::move(repeated));
    }
    return out;
  }

  Result<Part> quantified(Part atom, bool anchor) {
    std::uint32_t min = 1, max = 1;
    const auto before = at_;
    if (take('*'))
      min = 0, max = kUnbounded;
    else if (take('+'))
      min = 1, max = kUnbounded;
    else if (take('?'))
      min = 0, max = 1;
    else if (take('{')) {
      auto number = [&](std::uint32_t& out) {
        const auto start = at_;
        out = 0;
        while (more() && text_[at_] >= '0' && text_[at_] <= '9') {
          out = std::min<std::uint32_t>(out * 10 + static_cast<std::uint32_t>(text_[at_++] - '0'), 1'000'000);
        }
        return at_ > start;
      };
      if (!number(min)) {
        at_ = before;
        return mistake("has a { that is no repetition (write \\{)");
      }
      max = min;
      if (take(',') && !number(max)) max = kUnbounded;
      if (!take('}')) return mistake("lacks a }");
      if (min > kRegexRepeatMax || (max != kUnbounded && max > kRegexRepeatMax)) {
        return fail(Code::kExhausted, fmt::format("regular expression \"{}\" repeats more than {} times",
                                                  text_, kRegexRepeatMax));
      }
      if (max < min) return mistake("has a repetition whose end is before its start");
    } else {
      return atom;
    }
    if (anchor) return mistake("repeats an anchor");
    take('?');  // Lazy or greedy is the same set of texts.
    if (more() && (text_[at_] == '*' || text_[at_] == '+' || text_[at_] == '{'))
      return mistake("repeats a repetition");
    Part out{Part::kRepeat};
    out.min = min, out.max = max;
    out.parts.push_back(std::move(atom));
    return out;
  }

  Result<Part> one(int depth) {
    switch (text_[at_]) {
      case '^':
        ++at_;
        return Part{Part::kBegin};
      case '$':
        ++at_;
        return Part{Part::kEnd};
      case '.':
        ++at_;
        return cls(complement(kLineEnds));
      case '[':
        ++at_;
        return bracket();
      case '(': {
        ++at_;
        if (take('?')) {
          if (take('=') || take('!')) return foreign("a lookahead");
          if (take('<')) {
            if (take('=') || take('!')) return foreign("a lookbehind");
            while (more() && text_[at_] != '>') ++at_;  // A named group.
            if (!take('>')) return mistake("lacks a >");
          } else if (!take(':')) {
            return foreign("a group with flags");
          }
        }
        TSUKAI_TRY(auto inner, alternatives(depth + 1));
        if (!take(')')) return mistake("lacks a )");
        return inner;
      }
      case '*':
      case '+':
      case '?':
        return mistake("repeats nothing");
      case '{':
        return mistake("has a { that repeats nothing (write \\{)");
      case '\\': {
        ++at_;
        TSUKAI_TRY(auto set, escape(false));
        return cls(std::move(set));
      }
      default: {
        TSUKAI_TRY(auto c, character());
        return cls({{c, c}});
      }
    }
  }

  static Part cls(CodePoints set) {
    Part out{Part::kClass};
    out.set = std::move(set);
    return out;
  }

  Result<std::uint32_t> character() {
    const auto lead = static_cast<unsigned char>(text_[at_]);
    const int extra = lead < 0x80 ? 0 : lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : -1;
    if (extra < 0 || at_ + static_cast<std::size_t>(extra) >= text_.size()) return mistake("is not UTF-8");
    std::uint32_t c = extra == 0 ? lead : lead & (0x3Fu >> extra);
    for (int i = 1; i <= extra; ++i) {
      const auto next = static_cast<unsigned char>(text_[at_ + static_cast<std::size_t>(i)]);
      if ((next & 0xC0) != 0x80) return mistake("is not UTF-8");
      c = c << 6 | (next & 63);
    }
    at_ += 1 + static_cast<std::size_t>(extra);
    if (c > 0x10FFFF) return mistake("is not UTF-8");
    return c;
  }

  Result<std::uint32_t> hex(int digits) {
    std::uint32_t out = 0;
    for (int i = 0; i < digits; ++i) {
      if (!more()) return mistake("lacks a hexadecimal digit");
      const char c = text_[at_];
      const int v = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
      if (v < 0) return mistake("lacks a hexadecimal digit");
      out = out << 4 | static_cast<std::uint32_t>(v);
      ++at_;
    }
    return out;
  }

  // After the backslash.
  Result<CodePoints> escape(bool in_class) {
    if (!more()) return mistake("ends in a backslash");
    const char c = text_[at_++];
    auto just = [](std::uint32_t p) { return CodePoints{{p, p}}; };
    switch (c) {
      case 'd':
        return kDigits;
      case 'D':
        return complement(kDigits);
      case 'w':
        return kWord;
      case 'W':
        return complement(kWord);
      case 's':
        return kSpace;
      case 'S':
        return complement(kSpace);
      case 't':
        return just('\t');
      case 'n':
        return just('\n');
      case 'v':
        return just('\v');
      case 'f':
        return just('\f');
      case 'r':
        return just('\r');
      case '0':
        if (more() && text_[at_] >= '0' && text_[at_] <= '9') return foreign("an octal escape");
        return just(0);
      case 'x': {
        TSUKAI_TRY(auto p, hex(2));
        return just(p);
      }
      case 'u': {
        TSUKAI_TRY(auto p, hex(4));
        if (p >= 0xD800 && p <= 0xDBFF && text_.substr(at_, 2) == "\\u") {
          at_ += 2;
          TSUKAI_TRY(auto low, hex(4));
          if (low < 0xDC00 || low > 0xDFFF) return mistake("has half of a surrogate pair");
          return just(0x10000 + ((p - 0xD800) << 10) + (low - 0xDC00));
        }
        if (p >= 0xD800 && p <= 0xDFFF) return mistake("has half of a surrogate pair");
        return just(p);
      }
      case 'c':
        if (!more() ||
            !((text_[at_] >= 'a' && text_[at_] <= 'z') || (text_[at_] >= 'A' && text_[at_] <= 'Z'))) {
          return mistake("lacks the letter of a control character");
        }
        return just(static_cast<std::uint32_t>(text_[at_++] & 31));
      case 'b':
        if (in_class) return just('\b');
        return foreign("a word boundary (\\b)");
      case 'B':
        return foreign("a word boundary (\\B)");
      case 'p':
      case 'P':
        return foreign("a Unicode property (\\p)");
      case 'k':
        return foreign("a back-reference");
      default:
        break;
    }
    if (c >= '1' && c <= '9') return foreign("a back-reference");
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return foreign(fmt::format("the escape \\{}", c));
    --at_;
    TSUKAI_TRY(auto p, character());
    return just(p);
  }

  Result<Part> bracket() {
    const bool negated = take('^');
    CodePoints set;
    while (true) {
      if (!more()) return mistake("lacks a ]");
      if (take(']')) break;
      auto item = [&]() -> Result<CodePoints> {
        if (take('\\')) return escape(true);
        TSUKAI_TRY(auto c, character());
        return CodePoints{{c, c}};
      };
      TSUKAI_TRY(auto low, item());
      if (more() && text_[at_] == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']') {
        ++at_;
        TSUKAI_TRY(auto high, item());
        const bool single = low.size() == 1 && low[0].first == low[0].second && high.size() == 1 &&
                            high[0].first == high[0].second;
        if (!single) return mistake("has a range between classes");
        if (high[0].first < low[0].first) return mistake("has a range that runs backwards");
        set.emplace_back(low[0].first, high[0].first);
      } else {
        set.insert(set.end(), low.begin(), low.end());
      }
    }
    set = normalise(std::move(set));
    return cls(negated ? complement(set) : set);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

class RegexBuilder {
 public:
  explicit RegexBuilder(Spelling spelling) : spelling_(spelling) {}
  Nfa nfa;

  Result<std::uint32_t> build(const Part& part, std::uint32_t from) {
    if (nfa.size() > kNfaStatesMax) {
      return fail(Code::kExhausted, "the expression has more than 60,000 states",
                  "use smaller repetition counts");
    }
    switch (part.kind) {
      case Part::kClass: {
        const auto to = nfa.add();
        nfa.character(from, part.set, spelling_, to);
        return to;
      }
      case Part::kBegin:
      case Part::kEnd: {
        const auto to = nfa.add();
        nfa.epsilon(from, to, part.kind == Part::kBegin ? Nfa::Epsilon::kAtBegin : Nfa::Epsilon::kAtEnd);
        return to;
      }
      case Part::kConcat: {
        for (const auto& p : part.parts) {
          TSUKAI_TRY(from, build(p, from));
        }
        return from;
      }
      case Part::kAlternatives: {
        const auto to = nfa.add();
        for (const auto& p : part.parts) {
          const auto start = nfa.add();
          nfa.epsilon(from, start);
          TSUKAI_TRY(const auto end, build(p, start));
          nfa.epsilon(end, to);
        }
        return to;
      }
      case Part::kRepeat: {
        for (std::uint32_t i = 0; i < part.min; ++i) {
          TSUKAI_TRY(from, build(part.parts[0], from));
        }
        if (part.max == kUnbounded) {
          const auto loop = nfa.add();
          nfa.epsilon(from, loop);
          TSUKAI_TRY(const auto end, build(part.parts[0], loop));
          nfa.epsilon(end, loop);
          return loop;
        }
        const auto to = nfa.add();
        for (std::uint32_t i = part.min; i < part.max; ++i) {
          nfa.epsilon(from, to);
          TSUKAI_TRY(from, build(part.parts[0], from));
        }
        nfa.epsilon(from, to);
        return to;
      }
    }
    return from;
  }

 private:
  Spelling spelling_;
};

}  // namespace

Result<std::shared_ptr<const Dfa>> compile_regex(std::string_view pattern, RegexOptions options) {
  if (pattern.size() > kRegexBytesMax) {
    return fail(Code::kExhausted,
                fmt::format("a regular expression is longer than {} bytes", kRegexBytesMax));
  }
  TSUKAI_TRY(const auto part, Parser(pattern).parse());
  const auto spelling = options.quoted ? Spelling::kJson : Spelling::kRaw;
  RegexBuilder builder(spelling);
  auto start = builder.nfa.add();
  const auto first = start;
  if (options.search) {
    const auto any = builder.nfa.add();
    builder.nfa.character(start, complement({}), spelling, any);
    builder.nfa.epsilon(any, start);
    // ^ must hold at the very beginning only, which kAtBegin sees to.
  }
  TSUKAI_TRY(auto end, builder.build(part, start));
  if (options.search) {
    const auto rest = builder.nfa.add();
    builder.nfa.epsilon(end, rest);
    const auto any = builder.nfa.add();
    builder.nfa.character(rest, complement({}), spelling, any);
    builder.nfa.epsilon(any, rest);
    end = rest;
  }
  return builder.nfa.determinise(first, end, options.quoted);
}

}  // namespace tsukai::infer::grammar
