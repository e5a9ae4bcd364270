#include "tools/tsukai/mcp_command.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/json_schema.h"
#include "base/text.h"
#include "infer/grammar/grammar.h"
#include "tools/tsukai/call_arguments.h"
#include "tools/tsukai/mcp_connection.h"

namespace tsukai::cli {
namespace {

std::vector<std::string> names_of(const std::vector<mcp::Tool>& tools) {
  std::vector<std::string> names;
  for (const mcp::Tool& tool : tools) names.push_back(tool.name);
  return names;
}

// "keywords, city?, page?": what is required and what is not.
std::string parameters_text(const mcp::Tool& tool) {
  const Json* properties = find(*tool.input_schema, "properties");
  const Json* required = find(*tool.input_schema, "required");
  if (properties == nullptr || !properties->is_object()) return {};
  std::string first, then;
  for (const auto& [key, schema] : properties->items()) {
    bool needed = false;
    if (required != nullptr && required->is_array()) {
      for (const Json& one : *required) needed = needed || one == key;
    }
    std::string& text = needed ? first : then;
    text += (text.empty() ? "" : ", ") + key + (needed ? "" : "?");
  }
  return first + (first.empty() || then.empty() ? "" : ", ") + then;
}

void show_tools(const std::vector<mcp::Tool>& tools, Output& output) {
  Table table({{"TOOL"}, {"ARGUMENTS", Align::kLeft, true}, {"DESCRIPTION", Align::kLeft, true}});
  for (const mcp::Tool& tool : tools) table.add({tool.name, parameters_text(tool), tool.description});
  if (!table.empty()) output.table(table);
  for (const mcp::Tool& tool : tools) {
    for (const std::string& place : infer::Grammar::unsupported(*tool.input_schema)) {
      output.note(printable(fmt::format("note: {}: a local model can't be held to {}", tool.name, place)));
    }
  }
}

Task<int> list_tools(mcp::Client& client, Output& output, const McpArguments& arguments) {
  output.busy("asking " + client.config().name);
  TSUKAI_CO_TRY(const auto tools, co_await client.list_tools());
  if (output.json()) {
    Json list = Json::array(), unsupported = Json::object();
    for (const mcp::Tool& tool : tools) {
      list.push_back(*tool.whole);
      const auto places = infer::Grammar::unsupported(*tool.input_schema);
      if (!places.empty()) unsupported[tool.name] = places;
    }
    output.document({{"server", implementation_json(client.server())},
                     {"protocol", client.protocol_version()},
                     {"tools", std::move(list)},
                     {"unsupported", std::move(unsupported)}});
    co_return 0;
  }
  if (output.quiet()) {
    for (const mcp::Tool& tool : tools) output.line(printable(tool.name));
    co_return 0;
  }
  output.note(output.paint_note(
      Style::kDim,
      printable(fmt::format("{} · protocol {} · {}", implementation_text(client.server()),
                            revision_text(client.protocol_version()),
                            counted(static_cast<std::int64_t>(tools.size()), "tool", "tools")))));
  show_tools(tools, output);
  co_return 0;
}

tl::unexpected<Error> no_such_tool(const std::string& name, const std::vector<mcp::Tool>& tools,
                                   const std::string& server) {
  const std::string nearest = nearest_name(name, names_of(tools));
  return fail(
      Code::kNotFound, fmt::format("{}: has no tool \"{}\"", server, name),
      nearest.empty() ? "tsukai mcp tools lists what it has" : fmt::format("did you mean {}?", nearest));
}

const mcp::Tool* tool_named(const std::string& name, const std::vector<mcp::Tool>& tools) {
  for (const mcp::Tool& tool : tools) {
    if (tool.name == name) return &tool;
  }
  return nullptr;
}

// What the tool promised and did not keep; empty: nothing.
std::vector<std::string> broken_promises(const mcp::Tool* tool, const mcp::ToolResult& result) {
  if (tool == nullptr || !tool->output_schema || result.is_error) return {};
  auto schema = JsonSchema::compile(**tool->output_schema);
  if (!schema) return {"its outputSchema is malformed: " + schema.error().message()};
  if (!result.structured_content) return {"there is no structuredContent, which its outputSchema promises"};
  return schema->check(**result.structured_content);
}

int show_result(const mcp::ToolResult& result, const McpArguments& arguments, std::int64_t took_ms,
                Output& output) {
  if (output.json()) {
    output.document(*result.whole);
  } else if (result.is_error) {
    output.idle();
    output.fail(Error(Code::kInvalidArgument,
                      fmt::format("{} answered with an error: {}", arguments.name, result.text())));
  } else {
    output.line(printable(result.text()));
    output.note(output.paint_note(Style::kDim, duration_text(took_ms)));
  }
  return result.is_error ? kExitToolError : 0;
}

Task<int> call_tool(mcp::Client& client, Output& output, const McpArguments& arguments) {
  output.busy("asking " + client.config().name);
  TSUKAI_CO_TRY(const auto tools, co_await client.list_tools());
  const mcp::Tool* tool = tool_named(arguments.name, tools);
  if (tool == nullptr && needs_schema(arguments.values))
    co_return no_such_tool(arguments.name, tools, client.config().name);
  // A tool that is not listed may be there all the same: the server shall say.
  const Json schema = tool == nullptr ? Json::object() : *tool->input_schema;
  TSUKAI_CO_TRY(Json values, call_arguments(arguments.values, schema));
  output.busy(arguments.name);
  const std::int64_t started_ms = system_clock().steady_ms();
  auto result =
      co_await client.call_tool(arguments.name, std::move(values), [&output](const mcp::Progress& progress) {
        output.note(progress.message.empty() ? fmt::format("{} of {}", progress.done, progress.total)
                                             : printable(progress.message));
      });
  if (!result && result.error().code() == Code::kNotFound)
    co_return no_such_tool(arguments.name, tools, client.config().name);
  if (!result) co_return fail(std::move(result).error());
  const int exit = show_result(*result, arguments, system_clock().steady_ms() - started_ms, output);
  const auto broken = broken_promises(tool, *result);
  if (broken.empty()) co_return exit;
  for (const std::string& one : broken) {
    const Error error(Code::kProtocol, fmt::format("{} broke its outputSchema: {}", arguments.name, one));
    if (!output.json()) output.fail(error);
  }
  co_return kExitBrokenResult;
}

Task<int> ping(mcp::Client& client, Output& output, const McpArguments& arguments) {
  output.busy("pinging " + client.config().name);
  const auto started = std::chrono::steady_clock::now();
  TSUKAI_CO_TRY_VOID(co_await client.ping());
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started).count();
  if (output.json()) {
    output.document({{"server", implementation_json(client.server())},
                     {"protocol", client.protocol_version()},
                     {"round_trip_ms", ms}});
  } else {
    output.line(printable(fmt::format("{} answered in {:.1f} ms (protocol {})",
                                      implementation_text(client.server()), ms, client.protocol_version())));
  }
  co_return 0;
}

}  // namespace

int mcp_tools_command(Output& output, const McpArguments& arguments) {
  return with_server(output, arguments, list_tools);
}
int mcp_call_command(Output& output, const McpArguments& arguments) {
  return with_server(output, arguments, call_tool);
}
int mcp_ping_command(Output& output, const McpArguments& arguments) {
  return with_server(output, arguments, ping);
}

}  // namespace tsukai::cli
