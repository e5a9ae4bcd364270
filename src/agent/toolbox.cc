#include "agent/toolbox.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/policy_grammar.h"
#include "agent/server_questions.h"
#include "agent/tool_names.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::string_view kKeyArgument = "idempotency_key";

bool globs_match(const std::vector<std::string>& globs, const std::string& qualified) {
  return globs.empty() || std::any_of(globs.begin(), globs.end(),
                                      [&](const auto& glob) { return glob_matches(glob, qualified); });
}

std::string key_argument_of(const Json& schema) {
  const auto* properties = find(schema, "properties");
  const auto* key = properties == nullptr ? nullptr : find(*properties, kKeyArgument);
  return key != nullptr && string_at(*key, "type") == "string" ? std::string(kKeyArgument) : std::string();
}

// What is wrong now may be right in a moment; a program that is not there will not come.
bool may_start_later(const Error& error) {
  return error.code() == Code::kTransport || error.code() == Code::kTimeout;
}

// The schema as the model sees it: without the argument that the run fills in.
Json without_argument(Json schema, const std::string& argument) {
  if (argument.empty()) return schema;
  schema["properties"].erase(argument);
  if (auto* required = schema.contains("required") ? &schema["required"] : nullptr; required != nullptr) {
    const auto found = std::find(required->begin(), required->end(), argument);
    if (found != required->end()) required->erase(found);
  }
  return schema;
}

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Until `limit` has passed, people's time not counted.
Task<void> time_over(milliseconds limit, std::function<milliseconds()> held) {
  const auto held_so_far = [&] { return held ? held() : milliseconds(0); };
  const auto end = steady_clock::now() + limit - held_so_far();
  for (;;) {
    const auto left = end + held_so_far() - steady_clock::now();
    if (left <= steady_clock::duration::zero()) co_return Result<void>();
    TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::ceil<milliseconds>(left)));
  }
}

// with_deadline, whose end is put off by the time that people take.
Task<mcp::ToolResult> within(Task<mcp::ToolResult> call, milliseconds limit,
                             std::function<milliseconds()> held, std::string what) {
  std::optional<Result<mcp::ToolResult>> outcome;
  std::optional<Result<void>> over;
  const bool done =
      co_await ends_first(keep(std::move(call), &outcome), keep(time_over(limit, std::move(held)), &over));
  if (done) co_return *std::move(outcome);
  co_return fail(not_done(co_await was_cancelled() ? WaitEnd::kCancelled : WaitEnd::kLate, what, limit));
}

}  // namespace

Toolbox::Toolbox(ToolboxOptions options)
    : options_(std::move(options)), redaction_(options_.servers), servers_(options_.servers.size()) {}

Task<std::unique_ptr<Toolbox>> Toolbox::open(ToolboxOptions options) {
  // Cancellation is asked for where it matters, so that started servers are always shut down.
  co_await asio::this_coro::throw_if_cancelled(false);
  if (options.servers.size() > kServersMax) {
    co_return fail(Code::kExhausted,
                   fmt::format("{} servers; a run takes at most {}", options.servers.size(), kServersMax));
  }
  std::unique_ptr<Toolbox> toolbox(new Toolbox(std::move(options)));
  const auto executor = co_await asio::this_coro::executor;
  toolbox->revivals_ = std::make_unique<Gate>(executor);
  toolbox->revived_ = std::make_unique<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
  Gate gate(executor);
  for (std::size_t i = 0; i < toolbox->servers_.size(); ++i) gate.spawn(toolbox->start(i));
  co_await gate.drained();
  if (co_await was_cancelled()) {
    co_await gate.close();
    co_await toolbox->shutdown();
    co_return fail(Code::kCancelled, "starting the servers was cancelled");
  }
  const auto failed = [](const Server& server) { return server.failure.has_value(); };
  if (!toolbox->servers_.empty() && std::all_of(toolbox->servers_.begin(), toolbox->servers_.end(), failed)) {
    co_await toolbox->shutdown();
    co_return fail(*toolbox->servers_[0].failure);
  }
  if (auto bound = toolbox->bind_tools(); !bound) {
    co_await toolbox->shutdown();
    co_return fail(std::move(bound).error());
  }
  for (std::size_t i = 0; i < toolbox->servers_.size(); ++i) {
    if (toolbox->servers_[i].failure && may_start_later(*toolbox->servers_[i].failure))
      toolbox->begin_revival(i);
  }
  co_return toolbox;
}

Task<void> Toolbox::start(std::size_t index) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto config = options_.servers[index];
  const auto began = std::chrono::steady_clock::now();
  auto client = co_await options_.connect(config, client_options(index));
  if (!client) {
    fail_server(index, client.error());
    co_return Result<void>();
  }
  servers_[index].client = *std::move(client);
  if (co_await was_cancelled()) co_return fail(Code::kCancelled, "starting the server was cancelled");
  auto tools =
      co_await with_deadline(servers_[index].client->list_tools(), config.start_timeout, "tools/list");
  if (!tools) {
    fail_server(index, tools.error());
    co_return Result<void>();
  }
  servers_[index].tools = *std::move(tools);
  check_pins(index);
  tell_started(index, began);
  co_return Result<void>();
}

mcp::ClientOptions Toolbox::client_options(std::size_t index) const {
  auto options =
      options_.client_options ? options_.client_options(options_.servers[index].name) : mcp::ClientOptions{};
  options.on_changed = [self = std::weak_ptr<Toolbox*>(self_), index](mcp::Changed kind) {
    return take_change(self, index, kind);
  };
  return options;
}

void Toolbox::fail_server(std::size_t index, const Error& error) {
  if (servers_[index].failure || error.code() == Code::kCancelled) return;
  servers_[index].failure = error;
  options_.tell("server_failed", Json{{"server", options_.servers[index].name},
                                      {"error",
                                       {{"code", name(error.code())},
                                        {"message", redaction_.text(error.message())},
                                        {"remedy", redaction_.text(error.remedy())}}}});
}

void Toolbox::check_pins(std::size_t index) {
  if (options_.pins == nullptr) return;
  auto& server = servers_[index];
  const auto& config = options_.servers[index];
  auto changes = options_.pins->check(config, server.client->server().version, server.tools);
  if (!changes) return notice("definitions of tools could not be compared: " + changes.error().text());
  for (const auto& change : *changes) {
    if (!change.accepted) server.refused.insert(change.tool);
    Json lines = Json::array();
    for (const auto& line : change.differences) lines.push_back(redaction_.text(line));
    options_.tell("tool_changed", Json{{"server", config.name},
                                       {"tool", change.tool},
                                       {"accepted", change.accepted},
                                       {"why", change.why},
                                       {"differences", std::move(lines)}});
  }
}

void Toolbox::notice(const std::string& text) {
  options_.tell("notice", Json{{"message", redaction_.text(text)}});
}

void Toolbox::narrow(infer::ToolDefinition& definition, const BoundTool& tool) const {
  definition.narrowed = narrowed_schema(*definition.input_schema, options_.policy, options_.inherited,
                                        tool.server_name, tool.tool.name);
  if (!definition.narrowed->is_object() || !options_.unsupported_keywords) return;
  auto narrower = definition;
  narrower.input_schema = definition.narrowed;
  if (!options_.unsupported_keywords(narrower).empty()) definition.narrowed = JsonValue();
}

void Toolbox::add_tool(BoundTool tool) {
  narrow(tool.definition, tool);
  by_name_[tool.definition.name] = tools_.size();
  definitions_.push_back(tool.definition);
  tools_.push_back(std::move(tool));
}

std::optional<BoundTool> Toolbox::bind(std::size_t index, const mcp::Tool& tool) {
  const auto& server = options_.servers[index];
  BoundTool bound{.server = index,
                  .server_name = server.name,
                  .tool = tool,
                  .qualified = qualified_name(server.name, tool.name)};
  const auto model_name = model_tool_name(server.name, tool.name);
  if (!globs_match(options_.globs, bound.qualified)) return std::nullopt;
  if (servers_[index].refused.contains(tool.name)) return std::nullopt;
  if (const auto* other = find(model_name); other != nullptr) {
    notice(fmt::format("{} is left out: its name for the model, {}, is taken by {}", bound.qualified,
                       model_name, other->qualified));
    return std::nullopt;
  }
  bound.key_argument = key_argument_of(*tool.input_schema);
  bound.definition = {model_name, redaction_.text(tool.description),
                      without_argument(*tool.input_schema, bound.key_argument)};
  auto schema = JsonSchema::compile(*bound.definition.input_schema);
  if (!schema) {
    notice(fmt::format("{} is left out: its inputSchema is not usable: {}", bound.qualified,
                       schema.error().text()));
    return std::nullopt;
  }
  bound.arguments = *std::move(schema);
  if (auto keywords = options_.unsupported_keywords(bound.definition); !keywords.empty()) {
    notice(fmt::format("{} is left out: the model's grammar can't honour {} of its inputSchema",
                       bound.qualified, fmt::join(keywords, ", ")));
    return std::nullopt;
  }
  return bound;
}

Result<void> Toolbox::bind_tools() {
  std::vector<std::string> all, missing;
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const auto& server = options_.servers[i];
    if (servers_[i].failure) missing.push_back(server.name);
    for (auto& tool : servers_[i].tools) {
      const auto qualified = qualified_name(server.name, tool.name);
      if (std::find(all.begin(), all.end(), qualified) != all.end()) {
        notice(fmt::format("{} is listed twice by its server: only the first counts", qualified));
        continue;
      }
      all.push_back(qualified);
      auto bound = bind(i, tool);
      if (!bound) continue;
      if (tools_.size() == kToolsMax) {
        return fail(Code::kExhausted, fmt::format("the servers offer more than {} tools", kToolsMax),
                    "choose some with `tools:` in the agent file");
      }
      add_tool(*std::move(bound));
    }
  }
  std::vector<std::string> offered = all;
  for (auto& agent : options_.agents) {
    offered.push_back(agent.qualified);
    if (options_.agents_offered) add_tool(std::move(agent));
  }
  bound_ = true;
  for (const auto& glob : options_.globs) {
    const auto matches = [&](const auto& tool) { return glob_matches(glob, tool); };
    if (std::any_of(all.begin(), all.end(), matches) || !missing.empty()) continue;
    const auto nearest = nearest_name(glob, all);
    return fail(Code::kInvalidArgument,
                fmt::format("{}: tools: \"{}\" names no tool of the connected servers",
                            options_.path.empty() ? "agent" : options_.path, glob),
                nearest.empty() ? "" : fmt::format("did you mean {}?", nearest));
  }
  // What servers ask is ruled like what they are asked.
  for (const auto& server : options_.servers) {
    for (const auto what : {kSamplingName, kElicitationName})
      offered.push_back(qualified_name(server.name, std::string(what)));
  }
  return check_rules(options_.policy, offered, missing, options_.path);
}

const BoundTool* Toolbox::find(std::string_view model_name) const {
  if (const auto found = by_name_.find(model_name); found != by_name_.end()) return &tools_[found->second];
  const auto later = later_by_name_.find(model_name);
  return later == later_by_name_.end() ? nullptr : later->second;
}

std::optional<Refusal> Toolbox::refusal(const infer::ToolCall& call) const {
  const auto* tool = find(call.name);
  if (tool == nullptr) {
    std::vector<std::string> names;
    for (const auto& definition : definitions_) names.push_back(definition.name);
    const auto nearest = nearest_name(call.name, names);
    return Refusal{
        Outcome::kUnknownTool,
        nearest.empty()
            ? fmt::format("there is no tool {}; the tools are: {}", call.name, fmt::join(names, ", "))
            : fmt::format("there is no tool {}; did you mean {}?", call.name, nearest)};
  }
  if (!tool->agent && servers_[tool->server].gone.contains(tool->tool.name)) {
    return Refusal{Outcome::kUnknownTool,
                   fmt::format("{} is no longer offered by its server; go on without it", call.name)};
  }
  if (!call.arguments->is_object()) return Refusal{Outcome::kInvalid, "the arguments must be a JSON object"};
  if (auto faults = tool->arguments.check(*call.arguments); !faults.empty()) {
    return Refusal{Outcome::kInvalid,
                   fmt::format("the arguments of {} are not valid: {}", call.name, fmt::join(faults, "; "))};
  }
  // The server was started again meanwhile, and says now that the tool is another.
  if (!tool->agent && servers_[tool->server].refused.contains(tool->tool.name)) {
    return Refusal{Outcome::kDenied,
                   fmt::format("{} has changed while it was used and waits to be accepted; go on without it",
                               call.name)};
  }
  const auto verdict = this->verdict(*tool, *call.arguments);
  if (verdict.action == PolicyRule::Action::kDeny) {
    return Refusal{
        Outcome::kDenied,
        fmt::format("{} is not allowed here by the policy ({}); go on without it", call.name, verdict.rule)};
  }
  return std::nullopt;
}

Verdict Toolbox::verdict(const BoundTool& tool, const Json& arguments) const {
  return judge_all(options_.policy, options_.inherited, tool.server_name, tool.tool.name, arguments);
}

std::string Toolbox::approval_rule(const infer::ToolCall& call) const {
  const auto verdict = this->verdict(*find(call.name), *call.arguments);
  return verdict.action == PolicyRule::Action::kAsk ? verdict.rule : std::string();
}

asio::awaitable<Observation> Toolbox::call(infer::ToolCall call, std::string key, std::string step_key,
                                           std::int64_t limit_ms, CallTask task) {
  const auto* tool = find(call.name);
  TSUKAI_CHECK(tool != nullptr, "only calls that are not refused are made");
  const auto began = std::chrono::steady_clock::now();
  const auto limit = std::chrono::milliseconds(std::max<std::int64_t>(1, limit_ms));
  Observation observation;
  if (servers_[tool->server].reviving || !servers_[tool->server].client) {
    if (auto there = co_await with_deadline(up(tool->server), limit, tool->qualified); !there) {
      const bool cancelled = there.error().code() == Code::kCancelled;
      co_return observe_failure(cancelled ? Outcome::kCancelled : Outcome::kFailed, there.error().text(),
                                redaction_);
    }
  }
  const auto client = servers_[tool->server].client;
  Json arguments = *call.arguments;
  if (!tool->key_argument.empty()) arguments[tool->key_argument] = key;
  const bool resumed = !task.resumed.empty();
  auto called = resumed ? client->await_task(std::move(task.resumed), tool->tool.name)
                : task.answers.is_null()
                    ? client->call_tool_as_task(tool->tool.name, std::move(arguments), task.on_task)
                    : client->continue_call(tool->tool.name, std::move(arguments), task.asked, task.answers,
                                            task.on_task);
  auto result = co_await within(std::move(called), limit, std::move(task.held), tool->qualified);
  if (result) {
    observation = observe(*result, redaction_);
    observation.asked = result->asked;
  } else {
    const auto& error = result.error();
    if (error.code() == Code::kTransport) {
      fail_server(tool->server, error);
      begin_revival(tool->server);
    }
    auto message = error.text();
    // The server may have done it all the same: saying so keeps the model from doing it twice.
    if (error.code() == Code::kTimeout || error.code() == Code::kTransport) {
      message += "; whether the call took effect is not known";
    }
    observation = observe_failure(error.code() == Code::kCancelled ? Outcome::kCancelled : Outcome::kFailed,
                                  message, redaction_);
    observation.task_lost = resumed && error.code() == Code::kNotFound;
  }
  observation.ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
  co_return observation;
}

Task<void> Toolbox::stop(std::size_t index) {
  co_await servers_[index].client->shutdown();
  co_return Result<void>();
}

asio::awaitable<void> Toolbox::shutdown() {
  if (revivals_) co_await revivals_->close();
  Gate gate(co_await asio::this_coro::executor);
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    if (servers_[i].client) gate.spawn(stop(i));
  }
  co_await gate.drained();
}

}  // namespace tsukai::agent
