// What a server offers: tools, resources and prompts, ready to be listed and used.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_schema.h"
#include "mcp/message.h"
#include "mcp/param_headers.h"
#include "mcp/request_state.h"
#include "mcp/server.h"
#include "mcp/server_tasks.h"

namespace tsukai::mcp {

class ServerConnection;

struct RegisteredTool {
  std::string name;
  JsonValue definition;  // As tools/list sends it.
  JsonValue input_json;
  JsonSchema input;
  std::optional<JsonSchema> output;
  ToolHandler handler;
  std::vector<ParamHeader> headers;
  std::optional<TaskRules> task;
};

struct RegisteredResource {
  std::string uri;
  JsonValue definition;
  ResourceHandler handler;
};

struct RegisteredPrompt {
  Prompt prompt;
  JsonValue definition;
  PromptHandler handler;
};

// All in the order added: lists must not change from call to call.
struct Registry {
  explicit Registry(std::string state_key)
      : states(std::move(state_key)), tasks(std::make_unique<ServerTasks>(system_clock())) {}

  ServerOptions options;
  std::shared_ptr<const Stamp> stamp;  // Who answers, in every result of 2026-07-28.
  std::deque<RegisteredTool> tools;
  std::deque<RegisteredResource> resources;
  std::deque<RegisteredResource> templates;
  std::deque<RegisteredPrompt> prompts;
  CompletionHandler completion;
  RequestStates states;
  std::set<ServerConnection*> connections;  // Those alive, for announcements.
  std::uint64_t connections_made = 0;
  std::unique_ptr<ServerTasks> tasks;

  const RegisteredTool* tool(std::string_view name) const;
  const RegisteredPrompt* prompt(std::string_view name) const;
  // The resource of that uri, or the first template that matches it; fills `variables`.
  const RegisteredResource* resource(const std::string& uri,
                                     std::map<std::string, std::string>& variables) const;
  bool offers_tasks() const;
  Json capabilities(std::string_view version) const;
};

// "notes://{day}" against "notes://monday": {day: monday}. A variable takes one or more characters other than
// '/'.
std::optional<std::map<std::string, std::string>> match_uri_template(std::string_view pattern,
                                                                     std::string_view uri);

// "argument /x: ...; the tool takes: city (string, required), radius (integer)". For a model that must repair
// its call; empty when the arguments are valid.
std::string explain_arguments(const RegisteredTool& tool, const Json& arguments);

}  // namespace tsukai::mcp
