// Resources, prompts and completion of a server.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/text.h"
#include "tools/tsukai/mcp_command.h"
#include "tools/tsukai/mcp_connection.h"

namespace tsukai::cli {
namespace {

Json array_of(const std::vector<JsonValue>& values) {
  Json list = Json::array();
  for (const JsonValue& value : values) list.push_back(*value);
  return list;
}

// What a server does not offer it has none of.
template <typename T>
Result<std::vector<T>> or_none(Result<std::vector<T>> values) {
  if (!values && values.error().code() == Code::kUnsupported) return std::vector<T>();
  return values;
}

Task<int> list_resources(mcp::Client& client, Output& output, const McpArguments& arguments) {
  output.busy("asking " + client.config().name);
  auto listed = co_await client.list_resources();
  TSUKAI_CO_TRY(const auto resources, or_none(std::move(listed)));
  auto listed_templates = co_await client.list_resource_templates();
  TSUKAI_CO_TRY(const auto templates, or_none(std::move(listed_templates)));
  if (output.json()) {
    output.document({{"server", implementation_json(client.server())},
                     {"resources", array_of(resources)},
                     {"resourceTemplates", array_of(templates)}});
    co_return 0;
  }
  Table table({{"URI"}, {"NAME"}, {"TYPE"}, {"DESCRIPTION", Align::kLeft, true}});
  const auto add = [&](const std::vector<JsonValue>& values, const char* key) {
    for (const JsonValue& value : values) {
      const std::string uri = string_at(*value, key);
      if (output.quiet()) {
        output.line(printable(uri));
      } else {
        table.add({uri, string_at(*value, "name"), string_at(*value, "mimeType"),
                   string_at(*value, "description")});
      }
    }
  };
  add(resources, "uri");
  add(templates, "uriTemplate");
  if (!table.empty()) output.table(table);
  if (resources.empty() && templates.empty())
    output.note(printable(client.config().name + " has no resources"));
  co_return 0;
}

// "city, day?"
std::string arguments_text(const Json& prompt) {
  std::string text;
  const Json* list = find(prompt, "arguments");
  if (list == nullptr || !list->is_array()) return text;
  for (const Json& one : *list) {
    text += (text.empty() ? "" : ", ") + string_at(one, "name") + (bool_at(one, "required") ? "" : "?");
  }
  return text;
}

Task<int> list_prompts(mcp::Client& client, Output& output, const McpArguments& arguments) {
  output.busy("asking " + client.config().name);
  auto listed = co_await client.list_prompts();
  TSUKAI_CO_TRY(const auto prompts, or_none(std::move(listed)));
  if (output.json()) {
    output.document({{"server", implementation_json(client.server())}, {"prompts", array_of(prompts)}});
    co_return 0;
  }
  Table table({{"PROMPT"}, {"ARGUMENTS", Align::kLeft, true}, {"DESCRIPTION", Align::kLeft, true}});
  for (const JsonValue& prompt : prompts) {
    if (output.quiet()) {
      output.line(printable(string_at(*prompt, "name")));
    } else {
      table.add({string_at(*prompt, "name"), arguments_text(*prompt), string_at(*prompt, "description")});
    }
  }
  if (!table.empty()) output.table(table);
  if (prompts.empty()) output.note(printable(client.config().name + " has no prompts"));
  co_return 0;
}

Task<int> read_resource(mcp::Client& client, Output& output, const McpArguments& arguments) {
  output.busy("reading " + arguments.name);
  TSUKAI_CO_TRY(const JsonValue contents, co_await client.read_resource(arguments.name));
  if (output.json()) {
    output.document({{"contents", *contents}});
    co_return 0;
  }
  if (!contents->is_array()) co_return fail(Code::kProtocol, "the contents are no array");
  for (const Json& content : *contents) {
    if (const Json* text = find(content, "text"); text != nullptr && text->is_string()) {
      // As it is to a file or a program; made harmless on a terminal.
      const std::string plain = text->get<std::string>();
      output.write(output.out_is_terminal() ? printable(plain) : plain);
      if (!plain.ends_with('\n')) output.write("\n");
      continue;
    }
    const auto bytes = from_base64(string_at(content, "blob"));
    if (!bytes) co_return fail(Code::kProtocol, "a blob is no base64: " + string_at(content, "uri"));
    if (output.out_is_terminal()) {
      output.line(printable(fmt::format("[{}, {} of {}: redirect standard output to a file]",
                                        string_at(content, "uri"), bytes_text(bytes->size()),
                                        string_at(content, "mimeType", "an unknown type"))));
    } else {
      output.write(*bytes);
    }
  }
  co_return 0;
}

std::string block_text(const Json& content) {
  if (content.is_array()) {
    std::string text;
    for (const Json& one : content) text += (text.empty() ? "" : "\n") + block_text(one);
    return text;
  }
  const std::string type = string_at(content, "type");
  if (type == "text") return string_at(content, "text");
  if (const Json* resource = find(content, "resource");
      resource != nullptr && find(*resource, "text") != nullptr)
    return fmt::format("[{}]\n{}", string_at(*resource, "uri"), string_at(*resource, "text"));
  return fmt::format("[{} {}]", type, string_at(content, "mimeType", string_at(content, "uri")));
}

// key=value pairs.
Result<std::map<std::string, std::string>> pairs_of(const std::vector<std::string>& values) {
  std::map<std::string, std::string> out;
  for (const std::string& pair : values) {
    const auto equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return fail(Code::kInvalidArgument, fmt::format("argument \"{}\" is not key=value", pair));
    }
    if (!out.emplace(pair.substr(0, equals), pair.substr(equals + 1)).second) {
      return fail(Code::kInvalidArgument, fmt::format("argument {} is given twice", pair.substr(0, equals)));
    }
  }
  return out;
}

Task<int> get_prompt(mcp::Client& client, Output& output, const McpArguments& arguments) {
  TSUKAI_CO_TRY(auto values, pairs_of(arguments.values));
  output.busy("asking " + client.config().name);
  TSUKAI_CO_TRY(const JsonValue prompt, co_await client.get_prompt(arguments.name, std::move(values)));
  if (output.json()) {
    output.document(*prompt);
    co_return 0;
  }
  const Json* messages = find(*prompt, "messages");
  if (messages == nullptr || !messages->is_array())
    co_return fail(Code::kProtocol, fmt::format("prompt {} has no messages", arguments.name));
  for (const Json& message : *messages) {
    const Json* content = find(message, "content");
    output.line(printable(fmt::format("{}: {}", string_at(message, "role"),
                                      content == nullptr ? std::string() : block_text(*content))));
  }
  co_return 0;
}

// complete SERVER PROMPT|TEMPLATE ARGUMENT [VALUE] [KEY=VALUE...]
Task<int> complete(mcp::Client& client, Output& output, const McpArguments& arguments) {
  const auto& words = arguments.values;
  if (words.empty()) {
    co_return fail(Code::kInvalidArgument, "which argument of " + arguments.name + " is to be completed?",
                   "write its name behind it, then what is typed already");
  }
  const bool resource = arguments.name.find("://") != std::string::npos;
  const Json reference = resource ? Json{{"type", "ref/resource"}, {"uri", arguments.name}}
                                  : Json{{"type", "ref/prompt"}, {"name", arguments.name}};
  const std::string value = words.size() > 1 ? words[1] : std::string();
  TSUKAI_CO_TRY(auto known,
                pairs_of(words.size() > 2 ? std::vector<std::string>(words.begin() + 2, words.end())
                                          : std::vector<std::string>()));
  output.busy("asking " + client.config().name);
  TSUKAI_CO_TRY(const auto values, co_await client.complete(reference, words[0], value, std::move(known)));
  if (output.json()) {
    output.document({{"values", values}});
    co_return 0;
  }
  for (const std::string& one : values) output.line(printable(one));
  co_return 0;
}

}  // namespace

int mcp_resources_command(Output& output, const McpArguments& arguments) {
  return with_server(output, arguments, list_resources);
}
int mcp_prompts_command(Output& output, const McpArguments& arguments) {
  return with_server(output, arguments, list_prompts);
}
int mcp_read_command(Output& output, const McpArguments& arguments) {
  return with_server(output, arguments, read_resource);
}
int mcp_prompt_command(Output& output, const McpArguments& arguments) {
  return with_server(output, arguments, get_prompt);
}
int mcp_complete_command(Output& output, const McpArguments& arguments) {
  return with_server(output, arguments, complete);
}

}  // namespace tsukai::cli
