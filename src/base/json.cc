#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"

// The one full set of a value's functions, for code that is compiled without optimisation
// (tests/support/precompiled.h).
template class nlohmann::basic_json<>;

namespace tsukai {
namespace {

// The deepest nesting in `text`, counted without building anything.
int nesting(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

// Finds out where and why parsing fails; only run once it has failed.
class ErrorFinder : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    byte = position;
    why = error.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while ..." -> the last
    // part.
    if (auto at = why.find("column "); at != std::string::npos) {
      if (auto colon = why.find(": ", at); colon != std::string::npos) why = why.substr(colon + 2);
    }
    return false;
  }
  std::size_t byte = 0;
  std::string why;
};

// Printing and parsing are a third of a loop's step and of taking up a run again. The two below do what
// nlohmann's own do, to the byte and to the type of every number, for the text that JSON mostly is, several
// times as fast; whatever is rarer (fractions, \u escapes, malformed UTF-8, mistakes) they leave to
// nlohmann's.

// Whether a byte stands for itself between quotes and is ASCII.
constexpr bool plain(unsigned char c) { return c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; }

void print_text(const std::string& text, std::string& out) {
  const auto escaped = [](const char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
  };
  const auto first =
      std::find_if_not(text.begin(), text.end(), [](char c) { return plain(static_cast<unsigned char>(c)); });
  if (first != text.end() && !valid_utf8(text)) {
    out += Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
    return;
  }
  out += '"';
  for (auto from = text.begin(); from != text.end();) {
    const auto to = std::find_if(from, text.end(), escaped);
    out.append(from, to);
    from = to;
    if (to == text.end()) break;
    ++from;
    switch (*to) {
      case '\b':
        out += "\\b";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\r':
        out += "\\r";
        break;
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        out += fmt::format("\\u{:04x}", static_cast<unsigned>(*to));
    }
  }
  out += '"';
}

void print_value(const Json& value, std::string& out) {
  switch (value.type()) {
    case Json::value_t::object: {
      char before = '{';
      for (const auto& [key, member] : value.get_ref<const Json::object_t&>()) {
        out += before;
        before = ',';
        print_text(key, out);
        out += ':';
        print_value(member, out);
      }
      out += before == '{' ? "{}" : "}";
      return;
    }
    case Json::value_t::array: {
      char before = '[';
      for (const auto& element : value.get_ref<const Json::array_t&>()) {
        out += before;
        before = ',';
        print_value(element, out);
      }
      out += before == '[' ? "[]" : "]";
      return;
    }
    case Json::value_t::string:
      return print_text(value.get_ref<const Json::string_t&>(), out);
    case Json::value_t::boolean:
      out += value.get<bool>() ? "true" : "false";
      return;
    case Json::value_t::number_integer: {
      const fmt::format_int digits(value.get<std::int64_t>());
      out.append(digits.data(), digits.size());
      return;
    }
    case Json::value_t::number_unsigned: {
      const fmt::format_int digits(value.get<std::uint64_t>());
      out.append(digits.data(), digits.size());
      return;
    }
    case Json::value_t::number_float:
      // Whole ones are written without an exponent up to here.
      if (const auto number = value.get<double>();
          number == std::trunc(number) && number > 0 && number < 1e15) {
        out += fmt::format_int(static_cast<std::int64_t>(number)).c_str();
        out += ".0";
        return;
      }
      [[fallthrough]];
    default:
      out += value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
}

// Gives up (false) on whatever it does not know.
class PlainParser {
 public:
  PlainParser(std::string_view text, int depth_max)
      : at_(text.data()), end_(text.data() + text.size()), depth_left_(depth_max) {}

  bool document(Json& out) {
    if (!value(out)) return false;
    space();
    return at_ == end_;
  }

 private:
  void space() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
  }
  bool next_is(char c) {
    space();
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  bool word(std::string_view text) {
    if (static_cast<std::size_t>(end_ - at_) < text.size() || std::string_view(at_, text.size()) != text)
      return false;
    at_ += text.size();
    return true;
  }

  bool value(Json& out) {
    space();
    if (at_ == end_) return false;
    switch (*at_) {
      case '{':
        return object(out);
      case '[':
        return array(out);
      case '"':
        out = std::string();
        return text(out.get_ref<std::string&>());
      case 't':
        out = true;
        return word("true");
      case 'f':
        out = false;
        return word("false");
      case 'n':
        out = nullptr;
        return word("null");
      default:
        return number(out);
    }
  }

  bool object(Json& out) {
    if (depth_left_-- == 0) return false;
    ++at_;
    out = Json::object();
    auto& members = out.get_ref<Json::object_t&>();
    std::string key;
    for (bool more = !next_is('}'); more;) {
      space();
      key.clear();
      if (at_ == end_ || *at_ != '"' || !text(key) || !next_is(':')) return false;
      // Canonical text has its keys sorted. Of two equal ones the last counts.
      const bool sorted = members.empty() || members.rbegin()->first < key;
      auto& member = sorted ? members.emplace_hint(members.end(), std::move(key), nullptr)->second
                            : members[std::move(key)];
      if (!value(member)) return false;
      more = next_is(',');
      if (!more && !next_is('}')) return false;
    }
    ++depth_left_;
    return true;
  }

  bool array(Json& out) {
    if (depth_left_-- == 0) return false;
    ++at_;
    out = Json::array();
    auto& elements = out.get_ref<Json::array_t&>();
    for (bool more = !next_is(']'); more;) {
      if (!value(elements.emplace_back())) return false;
      more = next_is(',');
      if (!more && !next_is(']')) return false;
    }
    ++depth_left_;
    return true;
  }

  // REQUIRES: at a quote.
  bool text(std::string& out) {
    const char* const begin = ++at_;
    unsigned char high = 0;
    for (;; ++at_) {
      if (at_ == end_ || static_cast<unsigned char>(*at_) < 0x20) return false;
      if (*at_ == '"' || *at_ == '\\') break;
      high |= static_cast<unsigned char>(*at_);
    }
    if (*at_ == '\\') return escaped_text(begin, out);
    out.assign(begin, at_++);
    return high < 0x80 || valid_utf8(out);
  }
  bool escaped_text(const char* begin, std::string& out) {
    while (at_ != end_ && *at_ != '"') at_ += *at_ == '\\' && end_ - at_ > 1 ? 2 : 1;
    if (at_ == end_) return false;
    ++at_;
    auto parsed = Json::parse(begin - 1, at_, nullptr, false);
    if (!parsed.is_string()) return false;
    out = std::move(parsed.get_ref<std::string&>());
    return true;
  }

  bool number(Json& out) {
    constexpr std::ptrdiff_t kDigitsMax = 18;  // Fit any integer.
    const char* const begin = at_;
    const bool negative = *at_ == '-';
    if (negative) ++at_;
    const char* const digits = at_;
    std::int64_t number = 0;
    while (at_ != end_ && *at_ >= '0' && *at_ <= '9' && at_ - digits < kDigitsMax)
      number = number * 10 + (*at_++ - '0');
    const auto more = [&] {
      return at_ != end_ && ((*at_ >= '0' && *at_ <= '9') || *at_ == '.' || *at_ == 'e' || *at_ == 'E' ||
                             *at_ == '+' || *at_ == '-');
    };
    const bool zero_first = digits != end_ && *digits == '0' && at_ - digits > 1;
    if (at_ != digits && !zero_first && !more()) {
      if (negative)
        out = -number;
      else
        out = static_cast<std::uint64_t>(number);
      return true;
    }
    while (more()) ++at_;
    out = Json::parse(begin, at_, nullptr, false);
    return out.is_number();
  }

  const char* at_;
  const char* const end_;
  int depth_left_;
};

}  // namespace

Result<Json> parse_json(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.bytes_max) {
    return fail(Code::kExhausted,
                fmt::format("JSON of {} bytes is over the limit of {}", text.size(), limits.bytes_max));
  }
  if (Json plainly; PlainParser(text, limits.depth_max).document(plainly)) return plainly;
  if (nesting(text) > limits.depth_max) {
    return fail(Code::kExhausted, fmt::format("JSON is nested deeper than {} levels", limits.depth_max));
  }
  Json value = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!value.is_discarded()) return value;
  ErrorFinder finder;
  Json::sax_parse(text.begin(), text.end(), &finder);
  return fail(Code::kInvalidArgument, fmt::format("not JSON at byte {}: {}", finder.byte, finder.why));
}

std::string print_json(const Json& value) {
  std::string out;
  print_value(value, out);
  return out;
}
std::string print_json_pretty(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace);
}

const Json* find(const Json& object, std::string_view key) {
  if (!object.is_object()) return nullptr;
  auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

std::string string_at(const Json& object, std::string_view key, std::string otherwise) {
  const Json* member = find(object, key);
  return member != nullptr && member->is_string() ? member->get<std::string>() : otherwise;
}

double number_at(const Json& object, std::string_view key, double otherwise) {
  const Json* member = find(object, key);
  return member != nullptr && member->is_number() ? member->get<double>() : otherwise;
}

std::int64_t integer_at(const Json& object, std::string_view key, std::int64_t otherwise) {
  const Json* member = find(object, key);
  return member != nullptr && member->is_number_integer() ? member->get<std::int64_t>() : otherwise;
}

bool bool_at(const Json& object, std::string_view key, bool otherwise) {
  const Json* member = find(object, key);
  return member != nullptr && member->is_boolean() ? member->get<bool>() : otherwise;
}

JsonValue::JsonValue() {
  static const std::shared_ptr<const Json> null = std::make_shared<const Json>();
  value_ = null;
}
JsonValue::JsonValue(Json value) : value_(std::make_shared<const Json>(std::move(value))) {}
bool JsonValue::is_null() const { return value_->is_null(); }

}  // namespace tsukai
