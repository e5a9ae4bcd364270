// MCP servers without processes: a Client whose tools are functions of the test.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "mcp/client.h"

namespace tsukai {

using FakeHandler = std::function<Task<mcp::ToolResult>(Json arguments)>;

struct FakeTool {
  std::string name;
  Json input_schema = {{"type", "object"}};
  FakeHandler handler;
  std::optional<mcp::ToolAnnotations> annotations;
  std::string description;  // Empty: "does NAME".
};

inline mcp::ToolResult text_result(const std::string& text, bool is_error = false) {
  mcp::ToolResult result;
  result.content = Json::array({{{"type", "text"}, {"text", text}}});
  result.is_error = is_error;
  result.whole = Json{{"content", *result.content}, {"isError", is_error}};
  return result;
}

// A call that asks a person first (2026-07-28): `state` comes back with the answer.
inline mcp::ToolResult asking_result(const std::string& message, Json fields, const std::string& state) {
  mcp::ToolResult result;
  result.content = Json::array();
  const Json schema = {{"type", "object"}, {"properties", std::move(fields)}, {"required", {"name"}}};
  const Json params = {{"message", message}, {"requestedSchema", schema}};
  result.asked = Json{{"resultType", "input_required"},
                      {"requestState", state},
                      {"inputRequests", {{"q", {{"method", "elicitation/create"}, {"params", params}}}}}};
  return result;
}

inline Task<mcp::ToolResult> answer_text(std::string text) { co_return text_result(text); }
inline Task<mcp::ToolResult> fail_text(std::string text) { co_return text_result(text, true); }
inline Task<mcp::ToolResult> fail_call(Error error) { co_return fail(std::move(error)); }
inline Task<mcp::ToolResult> never_answer() {
  TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::hours(1)));
  co_return text_result("too late");
}

struct FakeServer {
  std::vector<FakeTool> tools;
  std::optional<Error> does_not_start;
  bool start_hangs = false;
  bool dead = false;                                   // Pings fail until somebody connects again.
  std::function<Task<void>(mcp::Changed)> on_changed;  // Of the newest client.
  std::string version = "1.0";
  // Calls become tasks that never end by themselves; those kept here answer whoever asks for them.
  bool makes_tasks = false;
  std::map<std::string, mcp::ToolResult> tasks;
  // What continue_call() gives for a requestState and the answers.
  std::function<mcp::ToolResult(std::string state, Json answers)> continued;
  // What happened.
  std::vector<std::pair<std::string, Json>> calls;
  int connected = 0;
  int shut_down = 0;
};

// The servers of a test by name; connect() gives clients of them.
class FakeServers {
 public:
  FakeServer& operator[](const std::string& name) { return servers_[name]; }

  FakeServer& add(const std::string& name, std::string tool, FakeHandler handler,
                  Json schema = {{"type", "object"}}) {
    servers_[name].tools.push_back({std::move(tool), std::move(schema), std::move(handler)});
    return servers_[name];
  }

  // Every server that was connected to has been shut down.
  bool all_reaped() const {
    for (const auto& [name, server] : servers_) {
      if (server.connected != server.shut_down) return false;
    }
    return true;
  }

  Task<std::unique_ptr<mcp::Client>> connect(mcp::ServerConfig config, mcp::ClientOptions options = {});

 private:
  std::map<std::string, FakeServer> servers_;
};

class FakeClient : public mcp::Client {
 public:
  FakeClient(mcp::ServerConfig config, FakeServer& server) : config_(std::move(config)), server_(server) {
    implementation_.name = config_.name;
    implementation_.version = server.version;
  }
  ~FakeClient() override = default;

  const mcp::ServerConfig& config() const override { return config_; }
  const mcp::Implementation& server() const override { return implementation_; }
  const std::string& protocol_version() const override { return version_; }
  const std::string& instructions() const override { return instructions_; }

  Task<std::vector<mcp::Tool>> list_tools() override {
    std::vector<mcp::Tool> tools;
    for (const auto& fake : server_.tools) {
      mcp::Tool tool;
      tool.name = fake.name;
      tool.description = fake.description.empty() ? "does " + fake.name : fake.description;
      tool.input_schema = fake.input_schema;
      tool.has_annotations = fake.annotations.has_value();
      if (fake.annotations) tool.annotations = *fake.annotations;
      tools.push_back(std::move(tool));
    }
    co_return tools;
  }

  Task<mcp::ToolResult> call_tool(std::string tool, Json arguments, mcp::OnProgress) override {
    server_.calls.emplace_back(tool, arguments);
    for (const auto& fake : server_.tools) {
      if (fake.name == tool) co_return co_await fake.handler(std::move(arguments));
    }
    co_return fail(Code::kNotFound, "there is no tool " + tool);
  }

  Task<mcp::ToolResult> call_tool_as_task(std::string tool, Json arguments, mcp::OnTask on_task,
                                          mcp::OnProgress) override {
    if (!server_.makes_tasks) co_return co_await call_tool(std::move(tool), std::move(arguments), {});
    server_.calls.emplace_back(tool, arguments);
    on_task("task-" + std::to_string(server_.calls.size()));
    co_return co_await never_answer();
  }
  Task<mcp::ToolResult> continue_call(std::string tool, Json arguments, JsonValue asked, JsonValue answers,
                                      mcp::OnTask) override {
    server_.calls.emplace_back(tool, arguments);
    co_return server_.continued(string_at(*asked, "requestState"), *answers);
  }
  Task<mcp::ToolResult> await_task(std::string task, std::string, mcp::OnProgress) override {
    const auto found = server_.tasks.find(task);
    if (found == server_.tasks.end()) co_return fail(Code::kNotFound, "the server knows no task " + task);
    co_return found->second;
  }

  Task<void> ping() override {
    if (server_.dead) co_return fail(Code::kTransport, "the server is gone");
    co_return Result<void>();
  }
  std::string stderr_tail() const override { return {}; }
  std::size_t junk_lines() const override { return 0; }

  asio::awaitable<void> shutdown() override {
    if (!down_) ++server_.shut_down;
    down_ = true;
    co_return;
  }

 private:
  mcp::ServerConfig config_;
  FakeServer& server_;
  mcp::Implementation implementation_;
  std::string version_ = "2025-11-25", instructions_;
  bool down_ = false;
};

inline Task<std::unique_ptr<mcp::Client>> FakeServers::connect(mcp::ServerConfig config,
                                                               mcp::ClientOptions options) {
  auto& server = servers_[config.name];
  if (server.start_hangs) {
    TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::hours(1)));
  }
  if (server.does_not_start) co_return fail(*server.does_not_start);
  ++server.connected;
  server.dead = false;
  server.on_changed = std::move(options.on_changed);
  co_return std::make_unique<FakeClient>(std::move(config), server);
}

}  // namespace tsukai
