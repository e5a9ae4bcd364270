#include "base/json.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_print.h"

// The one full set of a value's functions, which base/precompiled.h declares.
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

std::string dumped(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace

Result<Json> parse_json(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.bytes_max) {
    return fail(Code::kExhausted,
                fmt::format("JSON of {} bytes is over the limit of {}", text.size(), limits.bytes_max));
  }
  // Most texts do not open as many brackets as they might nest.
  const auto opened = std::count_if(text.begin(), text.end(), [](char c) { return c == '[' || c == '{'; });
  if (opened > limits.depth_max && nesting(text) > limits.depth_max) {
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
  if (value.is_structured()) out.reserve(240);
  append_json(out, value);
  return out;
}

void append_json(std::string& out, const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      out += "null";
      break;
    case Json::value_t::boolean:
      out += *value.get_ptr<const bool*>() ? "true" : "false";
      break;
    case Json::value_t::number_integer: {
      const fmt::format_int digits(*value.get_ptr<const std::int64_t*>());
      out.append(digits.data(), digits.size());
      break;
    }
    case Json::value_t::number_unsigned: {
      const fmt::format_int digits(*value.get_ptr<const std::uint64_t*>());
      out.append(digits.data(), digits.size());
      break;
    }
    case Json::value_t::string:
      append_json_string(out, *value.get_ptr<const std::string*>());
      break;
    case Json::value_t::array: {
      char before = '[';
      for (const auto& element : *value.get_ptr<const Json::array_t*>()) {
        out += before;
        append_json(out, element);
        before = ',';
      }
      out += before == '[' ? "[]" : "]";
      break;
    }
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
      break;
    }
    default:
      out += dumped(value);
  }
}

void append_json_string(std::string& out, std::string_view text) {
  // nlohmann's serializer, made anew for each value, costs more than most strings are long.
  const bool plain = std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\';
  });
  if (!plain) {
    out += dumped(Json(text));
    return;
  }
  out += '"';
  out += text;
  out += '"';
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
