#include "mcp/param_headers.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/http.h"
#include "base/text.h"

namespace tsukai::mcp {
namespace {

constexpr std::string_view kOpen = "=?base64?", kClose = "?=";
constexpr int kSchemaDepthMax = 32;

bool token_character(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos;
}

bool mentions(const Json& schema, int depth) {
  if (depth > kSchemaDepthMax) return false;
  if (schema.is_object() && schema.contains("x-mcp-header")) return true;
  if (!schema.is_structured()) return false;
  for (const auto& child : schema) {
    if (mentions(child, depth + 1)) return true;
  }
  return false;
}

Result<void> collect(const Json& schema, std::vector<std::string>& path, std::vector<ParamHeader>& out) {
  if (path.size() > kSchemaDepthMax || !schema.is_object()) return {};
  const auto where = fmt::format("{}", fmt::join(path, "."));
  if (const Json* name = find(schema, "x-mcp-header")) {
    if (!name->is_string() || name->get<std::string>().empty()) {
      return fail(Code::kInvalidArgument,
                  fmt::format("x-mcp-header of {} must be a non-empty string", where));
    }
    const auto text = name->get<std::string>();
    for (unsigned char c : text) {
      if (!token_character(c)) {
        return fail(Code::kInvalidArgument,
                    fmt::format("x-mcp-header \"{}\" of {} is no header name", text, where));
      }
    }
    const auto type = string_at(schema, "type");
    if (path.empty() || (type != "string" && type != "integer" && type != "boolean")) {
      return fail(
          Code::kInvalidArgument,
          fmt::format("x-mcp-header of {} needs a property of type string, integer or boolean", where));
    }
    for (const auto& other : out) {
      if (equal_ignoring_case(other.header, "Mcp-Param-" + text)) {
        return fail(Code::kInvalidArgument, fmt::format("x-mcp-header \"{}\" stands twice", text));
      }
    }
    out.push_back({"Mcp-Param-" + text, path, type});
  }
  for (const auto& [key, child] : schema.items()) {
    if (key == "properties" && child.is_object()) {
      for (const auto& [property, inner] : child.items()) {
        path.push_back(property);
        TSUKAI_TRY_VOID(collect(inner, path, out));
        path.pop_back();
      }
    } else if (key != "x-mcp-header" && key != "default" && key != "const" && key != "enum" &&
               key != "examples" && mentions(child, 0)) {
      return fail(Code::kInvalidArgument,
                  fmt::format("an x-mcp-header under \"{}\" can't be reached by properties alone", key));
    }
  }
  return {};
}

}  // namespace

Result<std::vector<ParamHeader>> param_headers(const Json& input_schema) {
  std::vector<ParamHeader> out;
  std::vector<std::string> path;
  TSUKAI_TRY_VOID(collect(input_schema, path, out));
  return out;
}

std::string header_value(std::string_view text) {
  bool safe = text.empty() ||
              (text.front() != ' ' && text.front() != '\t' && text.back() != ' ' && text.back() != '\t');
  for (unsigned char c : text) safe = safe && (c == '\t' || (c >= 0x20 && c < 0x7f));
  if (text.starts_with(kOpen) && text.ends_with(kClose)) safe = false;
  return safe ? std::string(text) : fmt::format("{}{}{}", kOpen, base64(text), kClose);
}

std::optional<std::string> from_header_value(std::string_view text) {
  text = trimmed(text);
  if (text.size() < kOpen.size() + kClose.size() || !text.starts_with(kOpen) || !text.ends_with(kClose)) {
    return std::string(text);
  }
  text.remove_prefix(kOpen.size());
  text.remove_suffix(kClose.size());
  return from_base64(text);
}

std::optional<std::string> argument_text(const Json& arguments, const ParamHeader& header) {
  const Json* value = &arguments;
  for (const auto& name : header.path) {
    value = find(*value, name);
    if (value == nullptr) return std::nullopt;
  }
  if (value->is_string()) return value->get<std::string>();
  if (value->is_boolean()) return value->get<bool>() ? "true" : "false";
  if (value->is_number()) return value->dump();
  return std::nullopt;
}

bool same_argument(const Json& arguments, const ParamHeader& header, std::string_view text) {
  const auto mine = argument_text(arguments, header);
  if (!mine) return false;
  if (*mine == text) return true;
  if (header.type != "integer") return false;
  double a = 0, b = 0;
  const auto read = [](std::string_view s, double& out) {
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
    return error == std::errc() && end == s.data() + s.size();
  };
  return read(*mine, a) && read(text, b) && a == b;
}

}  // namespace tsukai::mcp
