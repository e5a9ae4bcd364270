// JSON: nlohmann's values, parsed without exceptions under limits, printed in one canonical way.
#pragma once

#include <cstddef>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tsukai {

// Objects keep their keys sorted, so equal values print equally.
using Json = nlohmann::json;

struct JsonLimits {
  std::size_t bytes_max = 64u << 20;
  int depth_max = 128;
};

// Parses exactly one JSON value (RFC 8259; UTF-8). kInvalidArgument names the byte, kExhausted the limit.
Result<Json> parse_json(std::string_view text, JsonLimits limits = {});

// The canonical text: sorted keys, no white space, invalid UTF-8 replaced by U+FFFD. Never throws.
std::string print_json(const Json& value);
// The same, indented by two spaces, for people.
std::string print_json_pretty(const Json& value);

// Members of an object by type; `otherwise` when the key is absent, null or of another type, or `object` is
// no object.
std::string string_at(const Json& object, std::string_view key, std::string otherwise = {});
double number_at(const Json& object, std::string_view key, double otherwise = 0);
std::int64_t integer_at(const Json& object, std::string_view key, std::int64_t otherwise = 0);
bool bool_at(const Json& object, std::string_view key, bool otherwise = false);
// The member, or nullptr when absent (or `object` is no object).
const Json* find(const Json& object, std::string_view key);

// A JSON value that headers can hold without json.hpp: immutable, shared, cheap to copy, never null (default:
// null JSON).
class JsonValue {
 public:
  JsonValue();
  JsonValue(Json value);  // NOLINT: implicit on purpose
  const Json& operator*() const { return *value_; }
  const Json* operator->() const { return value_.get(); }
  const Json& get() const { return *value_; }
  bool is_null() const;
  std::string print() const { return print_json(*value_); }

 private:
  std::shared_ptr<const Json> value_;
};

}  // namespace tsukai
