#include "infer/chat/jinja_lexer.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

#include "infer/tokenizer/unicode_class.h"

namespace tsukai::infer::jinja {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool begins_name(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c & 0x80);
}
bool in_name(char c) { return begins_name(c) || is_digit(c); }

constexpr std::array<std::string_view, 6> kLongOperators = {"==", "!=", "<=", ">=", "//", "**"};
constexpr std::string_view kOperators = "+-*/%~<>=()[]{},.:|";

class Lexer {
 public:
  explicit Lexer(const std::string& source) : source_(source) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) text();
    tokens_.push_back({TokenType::kEnd, "", source_.size()});
    return std::move(tokens_);
  }

 private:
  std::string_view rest() const { return std::string_view(source_).substr(at_); }

  // Text up to the next tag, then the tag.
  void text() {
    const std::size_t begin = at_;
    std::size_t tag = begin;
    for (;; ++tag) {
      tag = source_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= source_.size()) {
        emit_text(begin, source_.size());
        at_ = source_.size();
        return;
      }
      const char c = source_[tag + 1];
      if (c == '%' || c == '{' || c == '#') break;
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    std::size_t end = tag;
    if (sign == '-') {
      while (end > begin && is_space(source_[end - 1])) --end;
    } else if (sign != '+' && kind != '{') {
      // lstrip_blocks: a tag that stands first on its line takes the white space before it along.
      std::size_t line = end;
      while (line > begin && source_[line - 1] != '\n' && is_space(source_[line - 1])) --line;
      if (line == begin ? line_starting_ : source_[line - 1] == '\n') end = line;
    }
    emit_text(begin, end);
    at_ = tag + 2 + (sign == '-' || sign == '+' ? 1 : 0);
    if (kind == '#')
      comment(tag);
    else if (kind == '{')
      expression(tag, TokenType::kVariableBegin, TokenType::kVariableEnd, "}}");
    else if (!raw_block(tag))
      expression(tag, TokenType::kBlockBegin, TokenType::kBlockEnd, "%}");
  }

  void emit_text(std::size_t begin, std::size_t end) {
    if (end > begin) tokens_.push_back({TokenType::kText, source_.substr(begin, end - begin), begin});
  }

  // After a tag: "-" swallows all white space, else a block or comment swallows one line break (trim_blocks).
  void after_tag(char sign, bool trims) {
    const std::size_t begin = at_;
    if (sign == '-') {
      while (at_ < source_.size() && is_space(source_[at_])) ++at_;
    } else if (trims && sign != '+' && at_ < source_.size() && source_[at_] == '\n') {
      ++at_;
    }
    line_starting_ = at_ > begin && source_[at_ - 1] == '\n';
  }

  void comment(std::size_t tag) {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string::npos) fail_at(tag, "a comment {# without #}");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    at_ = end + 2;
    after_tag(sign, true);
  }

  // {% raw %} ... {% endraw %}: false when this is another block.
  bool raw_block(std::size_t tag) {
    std::size_t i = at_;
    auto skip = [&] {
      while (i < source_.size() && is_space(source_[i])) ++i;
    };
    auto word = [&](std::string_view expected) {
      if (source_.compare(i, expected.size(), expected) != 0) return false;
      i += expected.size();
      return true;
    };
    skip();
    if (!word("raw")) return false;
    skip();
    char sign = '\0';
    if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) sign = source_[i++];
    if (!word("%}")) return false;
    at_ = i;
    after_tag(sign, true);
    const std::size_t begin = at_;
    for (std::size_t open = source_.find("{%", at_); open != std::string::npos;
         open = source_.find("{%", open + 2)) {
      i = open + 2;
      const char left = i < source_.size() && (source_[i] == '-' || source_[i] == '+') ? source_[i++] : '\0';
      skip();
      if (!word("endraw")) continue;
      skip();
      const char right = i < source_.size() && (source_[i] == '-' || source_[i] == '+') ? source_[i++] : '\0';
      if (!word("%}")) continue;
      std::size_t end = open;
      if (left == '-') {
        while (end > begin && is_space(source_[end - 1])) --end;
      } else if (left != '+') {
        std::size_t line = end;
        while (line > begin && source_[line - 1] != '\n' && is_space(source_[line - 1])) --line;
        if (line == begin ? line_starting_ : source_[line - 1] == '\n') end = line;
      }
      emit_text(begin, end);
      at_ = i;
      after_tag(right, true);
      return true;
    }
    fail_at(tag, "a block {% raw %} without {% endraw %}");
  }

  void expression(std::size_t tag, TokenType begin, TokenType end, std::string_view closing) {
    tokens_.push_back({begin, "", tag});
    std::string brackets;
    for (;;) {
      while (at_ < source_.size() && is_space(source_[at_])) ++at_;
      if (at_ >= source_.size()) fail_at(tag, fmt::format("a tag without its {}", closing));
      const char c = source_[at_];
      const bool signed_end =
          (c == '-' || (c == '+' && closing == "%}")) && rest().substr(1).starts_with(closing);
      if (brackets.empty() && (signed_end || rest().starts_with(closing))) {
        tokens_.push_back({end, "", at_});
        at_ += closing.size() + (signed_end ? 1 : 0);
        after_tag(signed_end ? c : '\0', closing == "%}");
        return;
      }
      if (begins_name(c)) {
        std::size_t stop = at_;
        while (stop < source_.size() && in_name(source_[stop])) ++stop;
        push(TokenType::kName, stop);
      } else if (is_digit(c)) {
        number();
      } else if (c == '"' || c == '\'') {
        string();
      } else {
        symbol(brackets);
      }
    }
  }

  void push(TokenType type, std::size_t stop) {
    tokens_.push_back({type, source_.substr(at_, stop - at_), at_});
    at_ = stop;
  }

  void number() {
    std::size_t stop = at_;
    auto digits = [&] {
      while (stop < source_.size() && (is_digit(source_[stop]) || source_[stop] == '_')) ++stop;
    };
    auto digit_at = [&](std::size_t i) { return i < source_.size() && is_digit(source_[i]); };
    bool real = false;
    digits();
    if (stop < source_.size() && source_[stop] == '.' && digit_at(stop + 1)) {
      real = true;
      ++stop;
      digits();
    }
    if (stop < source_.size() && (source_[stop] == 'e' || source_[stop] == 'E')) {
      const bool sign = stop + 1 < source_.size() && (source_[stop + 1] == '-' || source_[stop + 1] == '+');
      if (digit_at(stop + (sign ? 2 : 1))) {
        real = true;
        stop += sign ? 2 : 1;
        digits();
      }
    }
    push(real ? TokenType::kFloat : TokenType::kInteger, stop);
    std::erase(tokens_.back().text, '_');
  }

  // Escapes as in Python; an unknown one stays as it is written.
  void string() {
    const std::size_t begin = at_;
    const char quote = source_[at_++];
    std::string out;
    for (;; ++at_) {
      if (at_ >= source_.size()) fail_at(begin, "a string without its closing quote");
      const char c = source_[at_];
      if (c == quote) break;
      if (c != '\\') {
        out += c;
        continue;
      }
      if (++at_ >= source_.size()) fail_at(begin, "a string without its closing quote");
      switch (source_[at_]) {
        case 'n':
          out += '\n';
          break;
        case 't':
          out += '\t';
          break;
        case 'r':
          out += '\r';
          break;
        case 'b':
          out += '\b';
          break;
        case 'f':
          out += '\f';
          break;
        case 'v':
          out += '\v';
          break;
        case 'a':
          out += '\a';
          break;
        case '0':
          out += '\0';
          break;
        case '\\':
        case '\'':
        case '"':
          out += source_[at_];
          break;
        case '\n':
          break;
        case 'x':
          code_point(2, out);
          break;
        case 'u':
          code_point(4, out);
          break;
        case 'U':
          code_point(8, out);
          break;
        default:
          out += '\\';
          out += source_[at_];
      }
    }
    ++at_;
    tokens_.push_back({TokenType::kString, std::move(out), begin});
  }

  void code_point(int digits, std::string& out) {
    std::uint32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = ++at_ < source_.size() ? source_[at_] : '\0';
      const int digit = is_digit(c)            ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0)
        fail_at(at_ < source_.size() ? at_ : source_.size(), "an escape with too few hexadecimal digits");
      value = value << 4 | static_cast<std::uint32_t>(digit);
    }
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
      fail_at(at_, "an escape that is no character");
    append_utf8(out, value);
  }

  void symbol(std::string& brackets) {
    for (const std::string_view op : kLongOperators) {
      if (rest().starts_with(op)) {
        push(TokenType::kOperator, at_ + 2);
        return;
      }
    }
    const char c = source_[at_];
    if (kOperators.find(c) == std::string_view::npos)
      fail_at(at_, fmt::format("unexpected character '{}'", c));
    if (c == '(' || c == '[' || c == '{') brackets += c;
    if (c == ')' || c == ']' || c == '}') {
      const char open = c == ')' ? '(' : c == ']' ? '[' : '{';
      if (brackets.empty() || brackets.back() != open) fail_at(at_, fmt::format("unexpected '{}'", c));
      brackets.pop_back();
    }
    push(TokenType::kOperator, at_ + 1);
  }

  const std::string& source_;
  std::size_t at_ = 0;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

void fail_at(std::size_t offset, std::string message, Code code) {
  throw Failure{code, std::move(message), offset};
}

std::vector<Token> tokenize(const std::string& source) { return Lexer(source).run(); }

std::string normalised_source(std::string source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

std::string place(const std::string& source, std::size_t offset) {
  std::size_t line = 1, begin = 0;
  for (std::size_t i = 0; i < offset && i < source.size(); ++i) {
    if (source[i] == '\n') {
      ++line;
      begin = i + 1;
    }
  }
  return fmt::format("line {}, column {}", line, offset - begin + 1);
}

}  // namespace tsukai::infer::jinja
