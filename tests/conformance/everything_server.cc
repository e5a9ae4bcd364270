// The server that the official conformance suite examines: everything mcp/server.h offers, under the names it
// asks for. Usage: everything_server [PORT]   (prints the port it listens on), or everything_server --stdio
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "mcp/server.h"

using namespace tsukai;
using namespace tsukai::mcp;
using namespace std::chrono_literals;

namespace {

// One red pixel, and a few samples of silence.
constexpr const char* kPng =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
constexpr const char* kWav = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";
// The same pixel as bytes: a resource's content is given as bytes.
const std::string kPngBytes("\x89PNG\r\n\x1a\n", 8);

Json text_block(std::string text) { return {{"type", "text"}, {"text", std::move(text)}}; }
Json image_block() { return {{"type", "image"}, {"data", kPng}, {"mimeType", "image/png"}}; }
Json resource_block(std::string uri, std::string type, std::string text) {
  return {{"type", "resource"}, {"resource", {{"uri", uri}, {"mimeType", type}, {"text", text}}}};
}
ToolOutput blocks(Json array) { return {{}, {}, std::move(array)}; }

InputRequest elicitation(std::string message, Json properties) {
  Json required = Json::array();
  for (const auto& [name, schema] : properties.items()) required.push_back(name);
  return {"elicitation/create",
          Json{{"message", std::move(message)},
               {"requestedSchema",
                {{"type", "object"}, {"properties", std::move(properties)}, {"required", required}}}}};
}
InputRequest sampling(std::string text, int tokens_max) {
  return {"sampling/createMessage",
          Json{{"messages", Json::array({{{"role", "user"}, {"content", text_block(std::move(text))}}})},
               {"maxTokens", tokens_max}}};
}
const Json kString = {{"type", "string"}};

// --- content ---
Task<ToolOutput> simple_text(Json, CallContext&) {
  co_return ToolOutput{{}, "This is a simple text response for testing.", {}};
}
Task<ToolOutput> image(Json, CallContext&) { co_return blocks(Json::array({image_block()})); }
Task<ToolOutput> audio(Json, CallContext&) {
  co_return blocks(Json::array({{{"type", "audio"}, {"data", kWav}, {"mimeType", "audio/wav"}}}));
}
Task<ToolOutput> embedded(Json, CallContext&) {
  co_return blocks(Json::array(
      {resource_block("test://embedded-resource", "text/plain", "This is an embedded resource content.")}));
}
Task<ToolOutput> mixed(Json, CallContext&) {
  co_return blocks(Json::array({text_block("Multiple content types test:"), image_block(),
                                resource_block("test://mixed-content-resource", "application/json",
                                               R"({"test":"data","value":123})")}));
}
Task<ToolOutput> error_handling(Json, CallContext&) {
  co_return fail(Code::kInternal, "This tool intentionally returns an error for testing");
}

// --- what happens meanwhile ---
Task<ToolOutput> with_logging(Json, CallContext& context) {
  for (const char* line : {"Tool execution started", "Tool processing data", "Tool execution completed"}) {
    context.log("info", "everything", Json(line));
    TSUKAI_CO_TRY_VOID(co_await sleep_for(50ms));
  }
  co_return ToolOutput{{}, "Logged three lines.", {}};
}
Task<ToolOutput> with_progress(Json, CallContext& context) {
  for (double done : {0, 50, 100}) {
    context.progress(done, 100, "");
    TSUKAI_CO_TRY_VOID(co_await sleep_for(50ms));
  }
  co_return ToolOutput{{}, "Progress reported.", {}};
}

// --- questions to the client ---
Task<ToolOutput> ask_model(Json arguments, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions.emplace("answer", sampling(arguments.value("prompt", "Hello"), 100));
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  co_return ToolOutput{{}, "LLM response: " + answers.at("answer").print(), {}};
}
Task<ToolOutput> ask_user(Json arguments, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions.emplace("user",
                    elicitation(arguments.value("message", "Who are you?"),
                                {{"username", {{"type", "string"}, {"description", "User's response"}}},
                                 {"email", {{"type", "string"}, {"description", "User's email address"}}}}));
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  co_return ToolOutput{{}, "User response: " + answers.at("user").print(), {}};
}
Task<ToolOutput> ask_with_defaults(Json, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions.emplace(
      "user",
      elicitation("Please check these values",
                  {{"name", {{"type", "string"}, {"default", "John Doe"}}},
                   {"age", {{"type", "integer"}, {"default", 30}}},
                   {"score", {{"type", "number"}, {"default", 95.5}}},
                   {"status",
                    {{"type", "string"}, {"enum", {"active", "inactive", "pending"}}, {"default", "active"}}},
                   {"verified", {{"type", "boolean"}, {"default", true}}}}));
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  co_return ToolOutput{{}, "Elicitation completed: " + answers.at("user").print(), {}};
}
Json titled(std::vector<std::pair<const char*, const char*>> options) {
  Json out = Json::array();
  for (auto [value, title] : options) out.push_back({{"const", value}, {"title", title}});
  return out;
}
Task<ToolOutput> ask_with_enums(Json, CallContext& context) {
  const Json options = {"option1", "option2", "option3"};
  std::map<std::string, InputRequest> questions;
  questions.emplace(
      "user",
      elicitation(
          "Please choose",
          {{"untitledSingle", {{"type", "string"}, {"enum", options}}},
           {"titledSingle",
            {{"type", "string"},
             {"oneOf", titled({{"value1", "First Option"}, {"value2", "Second Option"}})}}},
           {"legacyEnum",
            {{"type", "string"},
             {"enum", {"opt1", "opt2", "opt3"}},
             {"enumNames", {"Option One", "Option Two", "Option Three"}}}},
           {"untitledMulti", {{"type", "array"}, {"items", {{"type", "string"}, {"enum", options}}}}},
           {"titledMulti",
            {{"type", "array"},
             {"items", {{"anyOf", titled({{"value1", "First Choice"}, {"value2", "Second Choice"}})}}}}}}));
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  co_return ToolOutput{{}, "Elicitation completed: " + answers.at("user").print(), {}};
}

Task<ToolOutput> ask_name(Json, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions.emplace("user_name", elicitation("What is your name?", {{"name", kString}}));
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  const Json* content = find(*answers.at("user_name"), "content");
  co_return ToolOutput{
      {}, "Hello, " + (content != nullptr ? string_at(*content, "name", "stranger") : "stranger") + "!", {}};
}
Task<ToolOutput> ask_capital(Json, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions.emplace("capital_question", sampling("What is the capital of France?", 100));
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  co_return ToolOutput{{}, answers.at("capital_question").print(), {}};
}
Task<ToolOutput> ask_roots(Json, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions.emplace("client_roots", InputRequest{"roots/list", Json::object()});
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  co_return ToolOutput{{}, "Roots: " + answers.at("client_roots").print(), {}};
}
Task<ToolOutput> ask_to_confirm(Json, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions.emplace("confirm", elicitation("Please confirm", {{"ok", {{"type", "boolean"}}}}));
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  co_return ToolOutput{{}, "state-ok", {}};
}
Task<ToolOutput> ask_three(Json, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions.emplace("user_name", elicitation("What is your name?", {{"name", kString}}));
  questions.emplace("greeting", sampling("Generate a greeting", 50));
  questions.emplace("client_roots", InputRequest{"roots/list", Json::object()});
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  co_return ToolOutput{{}, std::to_string(answers.size()) + " answers", {}};
}
Task<ToolOutput> ask_in_rounds(Json, CallContext& context) {
  std::map<std::string, InputRequest> first, second;
  first.emplace("step1", elicitation("Step 1: What is your name?", {{"name", kString}}));
  second.emplace("step2", elicitation("Step 2: What is your favorite color?", {{"color", kString}}));
  TSUKAI_CO_TRY(auto name, co_await context.ask(std::move(first)));
  TSUKAI_CO_TRY(auto color, co_await context.ask(std::move(second)));
  co_return ToolOutput{{}, name.at("step1").print() + color.at("step2").print(), {}};
}
Task<ToolOutput> ask_what_is_offered(Json, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  if (context.client_capabilities().contains("elicitation"))
    questions.emplace("user", elicitation("Name?", {{"name", kString}}));
  if (context.client_capabilities().contains("sampling"))
    questions.emplace("model", sampling("Say hello", 10));
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  co_return ToolOutput{{}, std::to_string(answers.size()) + " answers", {}};
}

// --- long work ---
Task<ToolOutput> greet(Json arguments, CallContext&) {
  co_return ToolOutput{{}, "Hello, " + string_at(arguments, "name", "nobody") + "!", {}};
}
Task<ToolOutput> slow_compute(Json arguments, CallContext& context) {
  const auto seconds = integer_at(arguments, "seconds", 1);
  for (std::int64_t done = 0; done < seconds; ++done) {
    context.progress(static_cast<double>(done), static_cast<double>(seconds), "");
    TSUKAI_CO_TRY_VOID(co_await sleep_for(1s));
  }
  co_return ToolOutput{{}, "Computed " + string_at(arguments, "label", "it"), {}};
}
Task<ToolOutput> failing_job(Json, CallContext&) {
  TSUKAI_CO_TRY_VOID(co_await sleep_for(200ms));
  co_return fail(Code::kInternal, "This job always fails");
}
Task<ToolOutput> confirm_delete(Json arguments, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions.emplace("confirm", elicitation("Delete " + string_at(arguments, "filename", "it") + "?",
                                           {{"confirm", {{"type", "boolean"}}}}));
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  const Json* content = find(*answers.at("confirm"), "content");
  co_return ToolOutput{{}, content != nullptr && bool_at(*content, "confirm") ? "deleted" : "kept", {}};
}
Task<ToolOutput> multi_input(Json, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions.emplace("name", elicitation("What is your name?", {{"name", kString}}));
  questions.emplace("confirm", elicitation("Shall it be done?", {{"confirm", {{"type", "boolean"}}}}));
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  co_return ToolOutput{{}, answers.at("name").print() + answers.at("confirm").print(), {}};
}
// What it must know first is asked before there is a task.
Task<ToolOutput> ask_then_work(Json, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions.emplace("user_name", elicitation("What is your name?", {{"name", kString}}));
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  TSUKAI_CO_TRY_VOID(context.begin_task());
  TSUKAI_CO_TRY_VOID(co_await sleep_for(100ms));
  const Json* content = find(*answers.at("user_name"), "content");
  co_return ToolOutput{{}, "Worked for " + (content != nullptr ? string_at(*content, "name") : "nobody"), {}};
}

Task<std::vector<ResourceContent>> static_text(std::string uri, std::map<std::string, std::string>,
                                               CallContext&) {
  co_return std::vector<ResourceContent>{
      {uri, "text/plain", "This is the content of the static text resource."}};
}
Task<std::vector<ResourceContent>> static_binary(std::string uri, std::map<std::string, std::string>,
                                                 CallContext&) {
  co_return std::vector<ResourceContent>{{uri, "image/png", kPngBytes, true}};
}
Task<std::vector<ResourceContent>> from_template(std::string uri,
                                                 std::map<std::string, std::string> variables, CallContext&) {
  const Json data = {
      {"id", variables["id"]}, {"templateTest", true}, {"data", "Data for ID: " + variables["id"]}};
  co_return std::vector<ResourceContent>{{uri, "application/json", print_json(data)}};
}

Task<ToolOutput> announce(Server& server, void (Server::*what)()) {
  (server.*what)();
  co_return ToolOutput{{}, "announced", {}};
}

Json said(Json content) { return {{"role", "user"}, {"content", std::move(content)}}; }
Task<PromptOutput> simple_prompt(std::map<std::string, std::string>, CallContext&) {
  co_return PromptOutput{"", Json::array({said(text_block("This is a simple prompt for testing."))})};
}
Task<PromptOutput> prompt_with_arguments(std::map<std::string, std::string> arguments, CallContext&) {
  co_return PromptOutput{
      "", Json::array({said(text_block("Prompt with arguments: arg1='" + arguments["arg1"] + "', arg2='" +
                                       arguments["arg2"] + "'"))})};
}
Task<PromptOutput> prompt_with_resource(std::map<std::string, std::string> arguments, CallContext&) {
  co_return PromptOutput{"", Json::array({said(resource_block(arguments["resourceUri"], "text/plain",
                                                              "Embedded resource content for testing.")),
                                          said(text_block("Please process the embedded resource above."))})};
}
Task<PromptOutput> prompt_with_image(std::map<std::string, std::string>, CallContext&) {
  co_return PromptOutput{
      "", Json::array({said(image_block()), said(text_block("Please analyze the image above."))})};
}
Task<PromptOutput> prompt_that_asks(std::map<std::string, std::string>, CallContext& context) {
  std::map<std::string, InputRequest> questions;
  questions.emplace("user_context",
                    elicitation("What context should the prompt use?", {{"context", kString}}));
  TSUKAI_CO_TRY(auto answers, co_await context.ask(std::move(questions)));
  co_return PromptOutput{
      "", Json::array({said(text_block("In context: " + answers.at("user_context").print()))})};
}

Task<std::vector<std::string>> completion(JsonValue, std::string, std::string value) {
  std::vector<std::string> out;
  for (const char* word : {"paris", "park", "party", "test", "testing"}) {
    if (std::string_view(word).starts_with(value)) out.emplace_back(word);
  }
  co_return out;
}

void add(Server& server, const char* name, const char* description, ToolHandler handler,
         Json schema = {{"type", "object"}}) {
  Tool tool;
  tool.name = name;
  tool.description = description;
  tool.input_schema = std::move(schema);
  server.add_tool(std::move(tool), std::move(handler));
}

Json one_string(const char* name, const char* description) {
  return {{"type", "object"},
          {"properties", {{name, {{"type", "string"}, {"description", description}}}}},
          {"required", {name}}};
}

void add_tools(Server& server) {
  add(server, "test_simple_text", "Simple text", simple_text);
  add(server, "test_image_content", "An image", image);
  add(server, "test_audio_content", "A sound", audio);
  add(server, "test_embedded_resource", "An embedded resource", embedded);
  add(server, "test_multiple_content_types", "Text, image and resource", mixed);
  add(server, "test_error_handling", "Always fails", error_handling);
  add(server, "test_tool_with_logging", "Logs while it works", with_logging);
  add(server, "test_logging_tool", "Logs while it works", with_logging);
  add(server, "test_tool_with_progress", "Tells how far it is", with_progress);
  add(server, "test_sampling", "Asks the client's model", ask_model, one_string("prompt", "What to ask"));
  add(server, "test_missing_capability", "Needs sampling", ask_model);
  add(server, "test_elicitation", "Asks the client's user", ask_user, one_string("message", "What to ask"));
  add(server, "test_streaming_elicitation", "Asks the client's user", ask_user);
  add(server, "test_elicitation_sep1034_defaults", "Asks with defaults", ask_with_defaults);
  add(server, "test_elicitation_sep1330_enums", "Asks with choices", ask_with_enums);
  add(server, "test_input_required_result_elicitation", "Asks for a name", ask_name);
  add(server, "test_input_required_result_sampling", "Asks for a capital", ask_capital);
  add(server, "test_input_required_result_list_roots", "Asks for the roots", ask_roots);
  add(server, "test_input_required_result_request_state", "Asks to confirm", ask_to_confirm);
  add(server, "test_input_required_result_tampered_state", "Asks to confirm", ask_to_confirm);
  add(server, "test_input_required_result_multiple_inputs", "Asks three things", ask_three);
  add(server, "test_input_required_result_multi_round", "Asks twice", ask_in_rounds);
  add(server, "test_input_required_result_capabilities", "Asks what the client can answer",
      ask_what_is_offered);
  add(server, "json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features", simple_text,
      Json::parse(R"({
      "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
      "$defs": {"address": {"$anchor": "addressDef", "type": "object",
                            "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
      "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"},
                     "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                     "phone": {"type": "string"}, "email": {"type": "string"}},
      "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
      "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
      "then": {"required": ["phone"]}, "else": {"required": ["email"]}, "additionalProperties": false})"));
  add(server, "test_x_mcp_header", "Its argument travels as a header as well", simple_text, Json::parse(R"({
      "type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}})"));
}

void add_task_tools(Server& server) {
  const auto add_task = [&](const char* name, const char* description, ToolHandler handler, TaskRules rules,
                            Json schema = {{"type", "object"}}) {
    Tool tool;
    tool.name = name;
    tool.description = description;
    tool.input_schema = std::move(schema);
    server.add_task_tool(std::move(tool), std::move(handler), rules);
  };
  add(server, "greet", "Greets", greet, one_string("name", "Whom"));
  TaskRules optional, required, asks_first;
  required.required = asks_first.required = true;
  asks_first.at_once = false;
  add_task("slow_compute", "Takes some seconds", slow_compute, optional, Json::parse(R"({
      "type": "object", "properties": {"seconds": {"type": "integer", "minimum": 0}, "label": {"type": "string"}}})"));
  add_task("failing_job", "Fails after a while", failing_job, required);
  // Clients without roots get a protocol error out of it.
  add_task("protocol_error_job", "Asks for the roots", ask_roots, optional);
  add_task("confirm_delete", "Asks before it deletes", confirm_delete, optional,
           one_string("filename", "What to delete"));
  add_task("multi_input", "Asks two things at once", multi_input, optional);
  add_task("test_tool_with_task", "Asks for a name, then works for a while", ask_then_work, asks_first);
}

Task<void> serve(Server& server, std::uint16_t port) {
  HttpServeOptions options;
  options.port = port;
  options.on_listening = [](std::uint16_t port) {
    std::printf("%d\n", port);
    std::fflush(stdout);
  };
  co_return co_await server.serve_http(std::move(options));
}

}  // namespace

int main(int argc, char** argv) {
  ServerOptions options{
      {"everything", "Everything", "1.0.0"}, "Offers what the conformance suite asks for.", 0, true, true};
  auto server = Server::make(std::move(options));
  add_tools(*server);
  add_task_tools(*server);
  add(*server, "test_trigger_tool_change", "Says that the tools changed",
      [&](Json, CallContext&) { return announce(*server, &Server::announce_tools_changed); });
  add(*server, "test_trigger_prompt_change", "Says that the prompts changed",
      [&](Json, CallContext&) { return announce(*server, &Server::announce_prompts_changed); });
  server->add_resource({"test://static-text", "static-text", "", "A static text", "text/plain"}, static_text);
  server->add_resource({"test://static-binary", "static-binary", "", "A static image", "image/png"},
                       static_binary);
  server->add_resource({"test://watched-resource", "watched-resource", "", "Can be watched", "text/plain"},
                       static_text);
  server->add_resource_template(
      {"test://template/{id}/data", "template", "", "Data by id", "application/json"}, from_template);
  server->add_prompt({"test_simple_prompt", "", "A simple prompt", {}}, simple_prompt);
  server->add_prompt({"test_prompt_with_arguments",
                      "",
                      "Takes two arguments",
                      {{"arg1", "First", true}, {"arg2", "Second", true}}},
                     prompt_with_arguments);
  server->add_prompt(
      {"test_prompt_with_embedded_resource", "", "Embeds a resource", {{"resourceUri", "Which", true}}},
      prompt_with_resource);
  server->add_prompt({"test_prompt_with_image", "", "Holds an image", {}}, prompt_with_image);
  server->add_prompt({"test_input_required_result_prompt", "", "Asks before it answers", {}},
                     prompt_that_asks);
  server->set_completion(completion);

  asio::io_context context;
  const std::string_view word = argc > 1 ? argv[1] : "0";
  auto served = run_to_end(context, word == "--stdio"
                                        ? server->serve_stdio()
                                        : serve(*server, static_cast<std::uint16_t>(std::atoi(word.data()))));
  if (!served) std::fprintf(stderr, "%s\n", served.error().text().c_str());
  return served ? 0 : 3;
}
