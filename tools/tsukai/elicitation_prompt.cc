#include "tools/tsukai/elicitation_prompt.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_schema.h"
#include "base/text.h"
#include "tools/tsukai/approval_prompt.h"

namespace tsukai::cli {
namespace {

constexpr int kFieldAsksMax = 20;       // Of one field, for an answer that fits.
constexpr std::size_t kFieldsMax = 64;  // Of one form.

// The choices of a field, as texts.
std::vector<std::string> choices_of(const Json& schema) {
  std::vector<std::string> choices;
  if (const Json* values = find(schema, "enum"); values != nullptr && values->is_array()) {
    for (const Json& value : *values)
      choices.push_back(value.is_string() ? value.get<std::string>() : value.dump());
  }
  for (const char* key : {"oneOf", "anyOf"}) {
    const Json* options = find(schema, key);
    if (options == nullptr || !options->is_array()) continue;
    for (const Json& option : *options) choices.push_back(string_at(option, "const"));
  }
  return choices;
}

std::string question_of(const std::string& name, const Json& schema, bool required) {
  std::string text = string_at(schema, "title", name);
  if (const std::string about = string_at(schema, "description"); !about.empty()) text += " - " + about;
  const Json* items = find(schema, "items");
  if (const auto choices = choices_of(items == nullptr ? schema : *items); !choices.empty())
    text += fmt::format(" ({}{})", fmt::join(choices, ", "), items == nullptr ? "" : "; several with commas");
  if (string_at(schema, "type") == "boolean") text += " (yes or no)";
  if (const Json* value = find(schema, "default")) text += fmt::format(" [{}]", print_json(*value));
  if (!required) text += " (may be empty)";
  return text;
}

Task<std::optional<std::string>> ask_for(Output* output, std::string question) {
  output->idle();
  output->note_write("  " + printable(question) + ": ");
  co_return co_await read_terminal_line();
}

Task<JsonValue> ask_address(Output* output, JsonValue params) {
  output->note("  it asks you to visit " + printable(string_at(*params, "url")));
  TSUKAI_CO_TRY(const auto line, co_await ask_for(output, "done there? [y]es, [n]o"));
  const bool yes = line && (*line == "y" || *line == "yes");
  co_return JsonValue(Json{{"action", yes ? "accept" : line ? "decline" : "cancel"}});
}

Task<JsonValue> ask_form(Output* output, std::string server, JsonValue params) {
  output->note(fmt::format("{} {}: {}", output->paint_note(Style::kYellow, "?"), printable(server),
                           printable(string_at(*params, "message"))));
  if (string_at(*params, "mode") == "url") co_return co_await ask_address(output, std::move(params));
  const Json declined = {{"action", "decline"}};
  const Json* schema = find(*params, "requestedSchema");
  const Json* fields = schema == nullptr ? nullptr : find(*schema, "properties");
  const Json none = Json::array();
  const Json* required = schema == nullptr ? nullptr : find(*schema, "required");
  if (required == nullptr) required = &none;
  TSUKAI_CO_TRY(const auto willing, co_await ask_for(output, "answer it? [y]es, [n]o"));
  if (!willing) co_return JsonValue(Json{{"action", "cancel"}});
  if (*willing != "y" && *willing != "yes") co_return JsonValue(declined);
  Json content = Json::object();
  if (fields == nullptr || !fields->is_object() || fields->size() > kFieldsMax)
    co_return JsonValue(Json{{"action", "accept"}, {"content", content}});
  for (const auto& [name, field] : fields->items()) {
    const bool must = std::find(required->begin(), required->end(), Json(name)) != required->end();
    bool given = false;
    for (int asks = 0; asks < kFieldAsksMax && !given; ++asks) {
      TSUKAI_CO_TRY(const auto line, co_await ask_for(output, question_of(name, field, must)));
      if (!line) co_return JsonValue(Json{{"action", "cancel"}});
      const std::string typed(trimmed(*line));
      if (typed.empty() && (!must || find(field, "default") != nullptr)) {
        given = true;  // Its default is filled in by the client.
        continue;
      }
      auto value = field_value(field, typed);
      given = value.has_value();
      if (value)
        content[name] = *std::move(value);
      else
        output->note("  " + printable(value.error().message()));
    }
    if (!given) co_return JsonValue(declined);
  }
  co_return JsonValue(Json{{"action", "accept"}, {"content", std::move(content)}});
}

}  // namespace

Result<Json> field_value(const Json& schema, const std::string& typed) {
  const std::string type = string_at(schema, "type", "string");
  Json value = typed;
  if (type == "boolean") {
    if (typed != "yes" && typed != "y" && typed != "true" && typed != "no" && typed != "n" &&
        typed != "false")
      return fail(Code::kInvalidArgument, "please say yes or no");
    value = typed.front() == 'y' || typed == "true";
  } else if (type == "array") {
    value = Json::array();
    for (const std::string& part : split(typed, ',')) value.push_back(std::string(trimmed(part)));
  } else if (type != "string") {
    auto number = parse_json(typed);
    if (!number || !number->is_number()) return fail(Code::kInvalidArgument, "please give a number");
    value = *std::move(number);
  }
  TSUKAI_TRY(const auto compiled, JsonSchema::compile(schema));
  if (const auto wrong = compiled.check(value, 1); !wrong.empty())
    return fail(Code::kInvalidArgument, wrong.front());
  return value;
}

agent::Elicit elicit_at_terminal(Output& output) {
  return [out = &output](std::string server, JsonValue params) {
    return ask_form(out, std::move(server), std::move(params));
  };
}

}  // namespace tsukai::cli
