#include "base/json_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <nlohmann/json.hpp>

namespace tsukai {
namespace {

constexpr int kRecursionMax = 512;  // Frames of a reader on the stack, whatever depth_max says.

// Bytes that stand for themselves in a string, both ways: ASCII but no control, quote or backslash.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (int c = 0x20; c < 0x80; ++c) plain[static_cast<std::size_t>(c)] = c != '"' && c != '\\';
  return plain;
}();

// Past the plain bytes from `at` on. Eight at a time: a byte is special when one of these tests sets its top
// bit; a byte above a special one may be taken for special as well, so the last eight are looked at singly.
const char* past_plain(const char* at, const char* end) {
  constexpr std::uint64_t kOnes = 0x0101010101010101, kTops = 0x8080808080808080;
  while (end - at >= 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    const std::uint64_t quote = word ^ (kOnes * '"'), slash = word ^ (kOnes * '\\');
    if (((word | (word - kOnes * 0x20) | (quote - kOnes) | (slash - kOnes)) & kTops) != 0) break;
    at += 8;
  }
  while (at != end && kPlain[static_cast<unsigned char>(*at)]) ++at;
  return at;
}

// The length of the well-formed UTF-8 sequence at `at` (RFC 3629: no overlong forms, no surrogates); 0: none.
int utf8_length(const char* at, const char* end) {
  const auto byte = [at](int i) { return static_cast<unsigned char>(at[i]); };
  const auto follows = [&](int i, int low = 0x80, int high = 0xbf) {
    return at + i < end && byte(i) >= low && byte(i) <= high;
  };
  const int first = byte(0);
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;
  if (first < 0xe0) return follows(1) ? 2 : 0;
  if (first < 0xf0) {
    return follows(1, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf) && follows(2) ? 3 : 0;
  }
  if (first > 0xf4) return 0;
  return follows(1, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf) && follows(2) && follows(3) ? 4
                                                                                                          : 0;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Recursive descent (RFC 8259); every function leaves `at_` behind what it read and says whether that was
// well formed.
class Reader {
 public:
  Reader(std::string_view text, int depth_max)
      : at_(text.data()), end_(text.data() + text.size()), depth_left_(std::min(depth_max, kRecursionMax)) {}

  bool whole(Json& out) {
    if (!value(out)) return false;
    skip_space();
    return at_ == end_;
  }

 private:
  void skip_space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  bool literal(std::string_view word) {
    if (!std::string_view(at_, static_cast<std::size_t>(end_ - at_)).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  bool value(Json& out) {
    skip_space();
    if (at_ == end_) return false;
    switch (*at_) {
      case '{':
        return object(out);
      case '[':
        return array(out);
      case '"':
        out = Json(Json::value_t::string);
        return string(*out.get_ptr<std::string*>());
      case 't':
        out = true;
        return literal("true");
      case 'f':
        out = false;
        return literal("false");
      case 'n':
        out = nullptr;
        return literal("null");
      default:
        return number(out);
    }
  }

  bool object(Json& out) {
    if (depth_left_-- <= 0) return false;
    ++at_;
    out = Json(Json::value_t::object);
    auto& members = *out.get_ptr<Json::object_t*>();
    if (!take('}')) {
      do {
        std::string key;
        skip_space();
        if (at_ == end_ || *at_ != '"' || !string(key) || !take(':')) return false;
        // Keys mostly come sorted; of two equal ones the later value counts.
        if (!value(members.try_emplace(members.end(), std::move(key))->second)) return false;
      } while (take(','));
      if (!take('}')) return false;
    }
    ++depth_left_;
    return true;
  }

  bool array(Json& out) {
    if (depth_left_-- <= 0) return false;
    ++at_;
    out = Json(Json::value_t::array);
    auto& items = *out.get_ptr<Json::array_t*>();
    if (!take(']')) {
      do {
        if (!value(items.emplace_back())) return false;
      } while (take(','));
      if (!take(']')) return false;
    }
    ++depth_left_;
    return true;
  }

  bool string(std::string& out) {
    ++at_;
    while (true) {
      const char* begin = at_;
      at_ = past_plain(at_, end_);
      while (at_ != end_ && static_cast<unsigned char>(*at_) >= 0x80) {
        const int length = utf8_length(at_, end_);
        if (length == 0) return false;
        at_ = past_plain(at_ + length, end_);
      }
      out.append(begin, at_);
      if (at_ == end_) return false;
      if (*at_ == '"') {
        ++at_;
        return true;
      }
      if (*at_ != '\\' || !escape(out)) return false;
    }
  }

  bool escape(std::string& out) {
    if (end_ - at_ < 2) return false;
    const char c = at_[1];
    at_ += 2;
    switch (c) {
      case '"':
      case '\\':
      case '/':
        out += c;
        return true;
      case 'b':
        out += '\b';
        return true;
      case 'f':
        out += '\f';
        return true;
      case 'n':
        out += '\n';
        return true;
      case 'r':
        out += '\r';
        return true;
      case 't':
        out += '\t';
        return true;
      case 'u':
        return code_point(out);
      default:
        return false;
    }
  }

  bool code_point(std::string& out) {
    if (end_ - at_ < 4) return false;
    int code = 0;
    for (int i = 0; i < 4; ++i) {
      const int digit = hex_digit(*at_++);
      if (digit < 0) return false;
      code = code * 16 + digit;
    }
    if (code >= 0xd800 && code < 0xe000) return false;
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xc0 | (code >> 6));
      out += static_cast<char>(0x80 | (code & 0x3f));
    } else {
      out += static_cast<char>(0xe0 | (code >> 12));
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
      out += static_cast<char>(0x80 | (code & 0x3f));
    }
    return true;
  }

  bool digits() {
    const char* begin = at_;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
    return at_ != begin;
  }

  bool number(Json& out) {
    const char* begin = at_;
    const bool negative = *at_ == '-';
    if (negative) ++at_;
    const char* first = at_;
    if (!digits() || (*first == '0' && at_ - first > 1)) return false;
    bool whole = true;
    if (at_ != end_ && *at_ == '.') {
      ++at_;
      whole = false;
      if (!digits()) return false;
    }
    if (at_ != end_ && (*at_ == 'e' || *at_ == 'E')) {
      ++at_;
      whole = false;
      if (at_ != end_ && (*at_ == '+' || *at_ == '-')) ++at_;
      if (!digits()) return false;
    }
    if (!whole) return parsed<double>(begin, out);
    return negative ? parsed<std::int64_t>(begin, out) : parsed<std::uint64_t>(begin, out);
  }
  template <typename Number>
  bool parsed(const char* begin, Json& out) {
    Number number{};
    const auto [end, error] = std::from_chars(begin, at_, number);
    out = number;
    return error == std::errc() && end == at_;
  }

  const char* at_;
  const char* end_;
  int depth_left_;
};

}  // namespace

bool read_json(std::string_view text, int depth_max, Json& out) { return Reader(text, depth_max).whole(out); }

void append_json_string(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  const char* at = text.data();
  const char* end = at + text.size();
  while (true) {
    const char* begin = at;
    at = past_plain(at, end);
    while (at != end && static_cast<unsigned char>(*at) >= 0x80) {
      const int length = utf8_length(at, end);
      if (length == 0) {
        // What is malformed, and how many U+FFFD stand for it, is told by nlohmann's own decoder.
        const auto rest = Json(std::string(at, end)).dump(-1, ' ', false, Json::error_handler_t::replace);
        out.append(begin, at);
        out.append(rest, 1);
        return;
      }
      at = past_plain(at + length, end);
    }
    out.append(begin, at);
    if (at == end) break;
    const char c = *at++;
    out += '\\';
    switch (c) {
      case '"':
      case '\\':
        out += c;
        break;
      case '\b':
        out += 'b';
        break;
      case '\f':
        out += 'f';
        break;
      case '\n':
        out += 'n';
        break;
      case '\r':
        out += 'r';
        break;
      case '\t':
        out += 't';
        break;
      default:
        out += "u00";
        out += kHex[c >> 4];
        out += kHex[c & 15];
    }
  }
  out += '"';
}

namespace {

template <typename Number>
void append_number(std::string& out, Number number) {
  std::array<char, 24> text;
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr);
}

}  // namespace

void append_json(std::string& out, const Json& value) {
  switch (value.type()) {
    case Json::value_t::object: {
      char before = '{';
      for (const auto& [key, member] : *value.get_ptr<const Json::object_t*>()) {
        out += before;
        append_json_string(out, key);
        out += ':';
        append_json(out, member);
        before = ',';
      }
      out += before == '{' ? "{}" : "}";
      return;
    }
    case Json::value_t::array: {
      char before = '[';
      for (const auto& item : *value.get_ptr<const Json::array_t*>()) {
        out += before;
        append_json(out, item);
        before = ',';
      }
      out += before == '[' ? "[]" : "]";
      return;
    }
    case Json::value_t::string:
      append_json_string(out, *value.get_ptr<const std::string*>());
      return;
    case Json::value_t::boolean:
      out += value.get<bool>() ? "true" : "false";
      return;
    case Json::value_t::number_integer:
      append_number(out, value.get<std::int64_t>());
      return;
    case Json::value_t::number_unsigned:
      append_number(out, value.get<std::uint64_t>());
      return;
    case Json::value_t::number_float: {
      const auto number = value.get<double>();
      if (!std::isfinite(number)) {
        out += "null";
        return;
      }
      std::array<char, 64> text;
      out.append(text.data(), nlohmann::detail::to_chars(text.data(), text.data() + text.size(), number));
      return;
    }
    case Json::value_t::null:
      out += "null";
      return;
    default:  // Binary and discarded values: no JSON text gives one.
      out += value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
}

}  // namespace tsukai
