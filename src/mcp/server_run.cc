#include "mcp/server_run.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "base/log.h"

namespace tsukai::mcp {
namespace {

tl::unexpected<RpcError> refused(int code, std::string message, JsonValue data = {}) {
  return tl::unexpected<RpcError>(RpcError{code, std::move(message), std::move(data), false});
}

Json error_result(std::string text) {
  return {{"content", Json::array({{{"type", "text"}, {"text", std::move(text)}}})}, {"isError", true}};
}

Json text_block(std::string text) {
  Json block = Json::object();
  block["type"] = "text";
  block["text"] = std::move(text);
  return block;
}

Json tool_result(const RegisteredTool& tool, const ToolOutput& output, bool modern) {
  const bool structured = !output.structured.is_null();
  if (structured && tool.output) {
    if (const auto wrong = tool.output->check(*output.structured, 1); !wrong.empty()) {
      log_error("tool {} broke its own outputSchema: {}", tool.name, wrong.front());
      return error_result(fmt::format("{} made an invalid result ({}); this is a bug of the server",
                                      tool.name, wrong.front()));
    }
  }
  Json answer = Json::object();
  if (!output.content.is_null()) {
    answer["content"] = *output.content;
  } else {
    auto text = output.text.empty() && structured ? output.structured.print() : output.text;
    answer["content"].push_back(text_block(std::move(text)));
  }
  // Until 2025-11-25 structuredContent is an object; other values stand in the text alone.
  if (structured && (modern || output.structured->is_object()))
    answer["structuredContent"] = *output.structured;
  return answer;
}

asio::awaitable<Answer> run_tool(std::shared_ptr<ServerCall> call) {
  const auto& request = call->request;
  const auto* tool = request.registry->tool(string_at(*request.params, "name"));
  const Json* given = find(*request.params, "arguments");
  Json arguments = given != nullptr ? *given : Json::object();
  if (auto problem = explain_arguments(*tool, arguments); !problem.empty())
    co_return JsonValue(error_result(std::move(problem)));
  auto output = co_await tool->handler(std::move(arguments), *call);
  if (!output) co_return JsonValue(error_result(output.error().text()));
  co_return JsonValue(tool_result(*tool, *output, request.modern));
}

asio::awaitable<Answer> run_resource(std::shared_ptr<ServerCall> call) {
  const auto& request = call->request;
  const auto uri = string_at(*request.params, "uri");
  std::map<std::string, std::string> variables;
  const auto* resource = request.registry->resource(uri, variables);
  const auto missing = [&](const std::string& why) {
    return refused(request.modern ? kInvalidParams : kResourceNotFound, why, Json{{"uri", uri}});
  };
  if (resource == nullptr) co_return missing("resource not found: " + uri);
  auto contents = co_await resource->handler(uri, std::move(variables), *call);
  if (!contents && contents.error().code() == Code::kNotFound) co_return missing(contents.error().text());
  if (!contents) co_return refused(kInternalError, contents.error().text());
  Json list = Json::array();
  for (const auto& content : *contents) {
    Json entry = {{"uri", content.uri}};
    if (!content.mime_type.empty()) entry["mimeType"] = content.mime_type;
    entry[content.binary ? "blob" : "text"] = content.binary ? base64(content.bytes) : content.bytes;
    list.push_back(std::move(entry));
  }
  Json answer = {{"contents", std::move(list)}};
  if (request.modern) {
    answer["ttlMs"] = 0;  // Nobody but the handler knows for how long it holds.
    answer["cacheScope"] = "private";
  }
  co_return JsonValue(std::move(answer));
}

asio::awaitable<Answer> run_prompt(std::shared_ptr<ServerCall> call) {
  const auto& request = call->request;
  const auto* prompt = request.registry->prompt(string_at(*request.params, "name"));
  std::map<std::string, std::string> arguments;
  if (const Json* given = find(*request.params, "arguments"); given != nullptr && given->is_object()) {
    for (const auto& [name, value] : given->items()) {
      if (!value.is_string())
        co_return refused(kInvalidParams, fmt::format("argument {} must be a string", name));
      arguments[name] = value.get<std::string>();
    }
  }
  for (const auto& argument : prompt->prompt.arguments) {
    if (argument.required && !arguments.contains(argument.name)) {
      co_return refused(kInvalidParams,
                        fmt::format("prompt {} needs the argument {}", prompt->prompt.name, argument.name));
    }
  }
  auto output = co_await prompt->handler(std::move(arguments), *call);
  if (!output) co_return refused(kInternalError, output.error().text());
  Json answer = {{"messages", *output->messages}};
  if (!output->description.empty()) answer["description"] = output->description;
  co_return JsonValue(std::move(answer));
}

}  // namespace

asio::awaitable<Answer> run_handler(std::shared_ptr<ServerCall> call) {
  const auto& method = call->request.method;
  try {
    Answer answer;
    if (method == "tools/call")
      answer = co_await run_tool(call);
    else if (method == "resources/read")
      answer = co_await run_resource(call);
    else
      answer = co_await run_prompt(call);
    if (call->instead()) co_return *call->instead();
    co_return answer;
  } catch (const std::exception& error) {
    // What a handler throws stays here: a mistake in one must not end the connection of all.
    if (call->cancelled()) co_return refused(kInternalError, "cancelled");
    log_error("the handler of {} threw: {}", method, error.what());
    auto text =
        fmt::format("{} failed inside: {}", string_at(*call->request.params, "name", method), error.what());
    if (method == "tools/call") co_return JsonValue(error_result(std::move(text)));
    co_return refused(kInternalError, std::move(text));
  }
}

}  // namespace tsukai::mcp
