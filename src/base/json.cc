#include "base/json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/json_text.h"

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

}  // namespace

Result<Json> parse_json(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.bytes_max) {
    return fail(Code::kExhausted,
                fmt::format("JSON of {} bytes is over the limit of {}", text.size(), limits.bytes_max));
  }
  if (Json value; read_json(text, limits.depth_max, value)) return value;
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
  append_json(out, value);
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
