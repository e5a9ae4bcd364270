#include "tools/tsukai/mcp_serve.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/tsukai/mcp_login.h"
#include "tools/tsukai/model_path.h"

namespace tsukai::cli {
namespace {

constexpr std::size_t kTaskBytesMax = 1u << 20;
constexpr std::size_t kNameMax = 64;  // Of a tool, towards models.

std::string_view state_name(agent::RunState state) { return agent::name(state); }

// What a client is told while the agent works; empty: nothing worth telling.
std::string event_text(const agent::Event& event) {
  const Json& data = *event.data;
  if (event.type == "step_started") return fmt::format("step {}", integer_at(data, "step"));
  if (event.type == "tool_call")
    return fmt::format("calls {}.{}", string_at(data, "server"), string_at(data, "tool"));
  if (const Json* error = find(data, "error"); event.type == "server_failed" && error != nullptr)
    return fmt::format("server {} failed: {}", string_at(data, "server"), string_at(*error, "message"));
  return {};
}

// A legal name of a tool (letters, digits, _ and -) out of an agent's.
std::string tool_name(const std::string& agent_name) {
  std::string out;
  for (const char c : agent_name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (out.size() < kNameMax) out += plain ? c : '_';
  }
  return out.empty() ? "agent" : out;
}

mcp::Tool tool_of(const agent::AgentFile& file) {
  mcp::Tool tool;
  tool.name = tool_name(file.name);
  tool.title = file.name;
  tool.description = fmt::format(
      "Gives a task to the agent {}, which works on it with its own tools until it has an answer. "
      "Its instructions: {}",
      file.name, file.instructions);
  tool.input_schema =
      Json{{"type", "object"},
           {"properties",
            {{"task", {{"type", "string"}, {"minLength", 1}, {"description", "What to do, in words"}}}}},
           {"required", {"task"}},
           {"additionalProperties", false}};
  tool.output_schema = JsonValue(Json{
      {"type", "object"},
      {"properties",
       {{"answer", {{"type", "string"}}}, {"run_id", {{"type", "string"}}}, {"state", {{"type", "string"}}}}},
      {"required", {"answer", "run_id", "state"}}});
  return tool;
}

struct Offer {
  agent::AgentFile file;
  FollowArguments follow;
};

Task<mcp::ToolOutput> run_task(std::shared_ptr<const Offer> offer, std::string task,
                               mcp::CallContext& context) {
  if (task.size() > kTaskBytesMax)
    co_return fail(Code::kInvalidArgument, "the task is longer than 1 MiB", "shorten it");
  agent::RuntimeOptions options;
  options.database_path = offer->follow.database;
  options.user = offer->follow.user;
  options.threads = offer->follow.threads;
  options.connect = connect_with_logins(LoginOptions{});
  int told = 0;
  options.on_event = [&context, &told](const agent::Event& event) {
    if (auto text = event_text(event); !text.empty()) context.progress(++told, 0, std::move(text));
  };
  auto work = agent::run_agent(offer->file, std::move(task), std::move(options), open_named_models());
  Result<agent::RunOutcome> outcome = fail(Code::kInternal, "the run has not begun");
  if (offer->follow.timeout_s > 0) {
    const std::chrono::milliseconds limit(static_cast<std::int64_t>(offer->follow.timeout_s * 1000));
    outcome = co_await with_deadline(std::move(work), limit, "the run");
  } else {
    outcome = co_await std::move(work);
  }
  if (!outcome) co_return fail(std::move(outcome).error());
  if (outcome->state != agent::RunState::kDone) {
    co_return fail(
        Code::kInternal,
        fmt::format("run {} is {}: {}", outcome->run_id, state_name(outcome->state), outcome->answer),
        fmt::format("tsukai runs show {}", outcome->run_id));
  }
  mcp::ToolOutput out;
  out.structured = Json{{"answer", outcome->answer},
                        {"run_id", outcome->run_id},
                        {"state", std::string(state_name(outcome->state))}};
  out.text = outcome->answer;
  co_return out;
}

}  // namespace

int mcp_serve_command(Output& output, ServeArguments arguments) {
  if (auto checked = arguments.program.check(); !checked) return output.fail(checked.error());
  auto file = agent_of(arguments.run);
  if (!file) return output.fail(file.error());
  mcp::ServerOptions options;
  options.implementation = {tool_name(file->name), file->name, TSUKAI_VERSION};
  auto server = mcp::Server::make(std::move(options));
  auto offer = std::make_shared<const Offer>(Offer{*std::move(file), arguments.run.follow});
  server->add_tool(tool_of(offer->file), [offer](Json given, mcp::CallContext& context) {
    return run_task(offer, string_at(given, "task"), context);
  });
  return arguments.program.serve(*server);
}

}  // namespace tsukai::cli
