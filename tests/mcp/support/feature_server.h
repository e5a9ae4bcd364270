// A server with a little of everything, for tests of the client over every transport.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>

#include "mcp/server.h"

namespace tsukai::mcp {

inline constexpr const char* kFeatureContent = R"([
  {"type": "text", "text": "a dot"}, {"type": "image", "data": "AQI=", "mimeType": "image/png"},
  {"type": "audio", "data": "AwQ=", "mimeType": "audio/wav"},
  {"type": "resource", "resource": {"uri": "note://dot", "mimeType": "text/plain", "text": "inside"}},
  {"type": "resource_link", "uri": "note://today", "name": "today"}])";
// A default of every type, and every way to choose from names.
inline constexpr const char* kFeatureForm = R"({"type": "object", "properties": {
  "name": {"type": "string"}, "town": {"type": "string", "default": "Kyoto"},
  "age": {"type": "integer", "default": 30}, "height": {"type": "number", "default": 1.5},
  "sure": {"type": "boolean", "default": true}, "one": {"type": "string", "enum": ["a", "b"], "default": "b"},
  "old": {"type": "string", "enum": ["a"], "enumNames": ["Alpha"]},
  "titled": {"type": "string", "oneOf": [{"const": "a", "title": "Alpha"}, {"const": "b", "title": "Beta"}]},
  "many": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "default": ["a"]},
  "many_titled": {"type": "array", "items": {"anyOf": [{"const": "a", "title": "Alpha"}]}}},
  "required": ["name"]})";

inline Task<ToolOutput> feature_add(Json arguments, CallContext&) {
  co_return ToolOutput{Json{{"sum", arguments["a"].get<int>() + arguments["b"].get<int>()}}, "", {}};
}
inline Task<ToolOutput> feature_fail(Json, CallContext&) {
  co_return fail(Code::kNotFound, "no such street");
}
inline Task<ToolOutput> feature_steps(Json, CallContext& context) {
  context.progress(1, 2, "half");
  context.log("warning", "steps", Json("careful"));
  TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::milliseconds(1)));
  co_return ToolOutput{{}, "done", {}};
}
inline Task<ToolOutput> feature_stuck(Json, CallContext& context) {
  context.progress(1, 2, "stuck");
  TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::hours(1)));
  co_return ToolOutput{{}, "too late", {}};
}
// Promises structured content and gives none.
inline Task<ToolOutput> feature_lie(Json, CallContext&) {
  co_return ToolOutput{{}, "", Json::array({{{"type", "text"}, {"text", "a lie"}}})};
}
// Every kind of content at once.
inline Task<ToolOutput> feature_show(Json, CallContext&) {
  co_return ToolOutput{{}, "", Json::parse(kFeatureContent)};
}
// Two rounds of questions: a form, then the model and the folders.
inline Task<ToolOutput> feature_ask(Json, CallContext& context) {
  std::map<std::string, InputRequest> first, second;
  first["form"] = {"elicitation/create",
                   Json{{"message", "Who?"}, {"requestedSchema", Json::parse(kFeatureForm)}}};
  TSUKAI_CO_TRY(auto form, co_await context.ask(first));
  second["model"] = {
      "sampling/createMessage",
      Json::parse(R"({"messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}],
                       "maxTokens": 5})")};
  second["folders"] = {"roots/list", Json::object()};
  TSUKAI_CO_TRY(auto rest, co_await context.ask(second));
  const Json& user = *form["form"];
  co_return ToolOutput{{},
                       print_json(user["content"]) + " " +
                           (*rest["model"])["content"]["text"].get<std::string>() + " " +
                           (*rest["folders"])["roots"][0]["uri"].get<std::string>(),
                       {}};
}
inline Task<std::vector<ResourceContent>> feature_note(std::string uri,
                                                       std::map<std::string, std::string> variables,
                                                       CallContext&) {
  std::vector<ResourceContent> out;
  if (!variables.empty() && variables["day"] == "never") co_return out;
  out.push_back({uri, "text/plain", variables.empty() ? "a note" : "note of " + variables["day"], false});
  co_return out;
}
inline Task<PromptOutput> feature_greet(std::map<std::string, std::string> arguments, CallContext&) {
  co_return PromptOutput{
      "A greeting", Json::array({{{"role", "user"},
                                  {"content", {{"type", "text"}, {"text", "Greet " + arguments["who"]}}}}})};
}
inline Task<std::vector<ResourceContent>> feature_dot(std::string uri, std::map<std::string, std::string>,
                                                      CallContext&) {
  co_return std::vector<ResourceContent>{{uri, "image/png", std::string("\x01\x02"), true}};
}
// Asks before it answers, and answers with every kind of content.
inline Task<PromptOutput> feature_consult(std::map<std::string, std::string>, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions["who"] = {"elicitation/create",
                      Json{{"message", "Who?"}, {"requestedSchema", Json::parse(kFeatureForm)}}};
  TSUKAI_CO_TRY(auto answers, co_await context.ask(questions));
  Json messages = Json::array();
  for (const auto& block : Json::parse(kFeatureContent)) {
    messages.push_back({{"role", "user"}, {"content", block}});
  }
  messages[0]["content"]["text"] = (*answers["who"])["content"]["name"];
  co_return PromptOutput{"", JsonValue(std::move(messages))};
}
inline Task<std::vector<std::string>> feature_complete(JsonValue, std::string, std::string value) {
  std::vector<std::string> out;
  for (const char* name : {"anna", "anton", "bert"}) {
    if (std::string(name).starts_with(value)) out.push_back(name);
  }
  co_return out;
}

inline Task<ToolOutput> feature_change(Server& server) {
  for (int i = 0; i < 1000; ++i) server.announce_tools_changed();
  server.announce_resource_updated("note://today");
  co_return ToolOutput{{}, "changed", {}};
}

inline std::unique_ptr<Server> feature_server() {
  ServerOptions options;
  options.implementation = {"features", "", "3"};
  options.instructions = "Use them all.";
  options.page_tools = 2;
  options.logging = options.changes = true;
  auto server = Server::make(options);
  const auto add = [&](const char* name, ToolHandler handler, const char* input, const char* output = "") {
    Tool tool;
    tool.name = name;
    tool.description = name;
    tool.input_schema = Json::parse(input);
    if (*output != 0) tool.output_schema = Json::parse(output);
    server->add_tool(std::move(tool), std::move(handler));
  };
  const char* kAny = R"({"type": "object"})";
  const char* kSum = R"({"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]})";
  add("add", feature_add,
      R"({"type": "object", "properties": {"a": {"type": "integer", "x-mcp-header": "First"},
                              "b": {"type": "integer"}}, "required": ["a", "b"]})",
      kSum);
  add("fail", feature_fail, kAny);
  add("steps", feature_steps, kAny);
  add("stuck", feature_stuck, kAny);
  add("lie", feature_lie, kAny, kSum);
  add("ask", feature_ask, kAny);
  add("show", feature_show, kAny);
  add("change", [raw = server.get()](Json, CallContext&) { return feature_change(*raw); }, kAny);
  server->add_resource({"note://today", "today", "", "", "text/plain"}, feature_note);
  server->add_resource_template({"notes://{day}", "day", "", "", "text/plain"}, feature_note);
  server->add_resource({"note://dot", "dot", "", "", "image/png"}, feature_dot);
  server->add_prompt({"consult", "", "asks first", {}}, feature_consult);
  server->add_prompt({"greet", "", "greets", {{"who", "whom", true}}}, feature_greet);
  server->set_completion(feature_complete);
  return server;
}

}  // namespace tsukai::mcp
