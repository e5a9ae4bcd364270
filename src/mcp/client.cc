// The Client that programs see, over a ClientCore.
#include "mcp/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "mcp/client_core.h"
#include "mcp/version.h"
#include "mcp/wire.h"

namespace tsukai::mcp {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

tl::unexpected<Error> not_here(const char* what) {
  return fail(Code::kUnsupported, fmt::format("this client has no {}", what));
}

bool says_unknown(const RpcError& error) {
  auto said = error.message;
  std::transform(said.begin(), said.end(), said.begin(), [](unsigned char c) { return std::tolower(c); });
  return error.code == kInvalidParams &&
         (said.find("unknown tool") != said.npos || said.find("unknown prompt") != said.npos ||
          said.find("not found") != said.npos);
}

asio::awaitable<void> close_core(std::shared_ptr<ClientCore> core) {
  co_await core->cancelling.close();
  co_await core->gate.close();
}

// What is left when the client was destroyed and its coroutines have not ended yet.
class ClosedLink : public ClientLink {
 public:
  Result<void> send(const Message&, HttpHeaders) override {
    return fail(Code::kCancelled, "the client was closed");
  }
  Task<void> post(Message) override { co_return fail(Code::kCancelled, "the client was closed"); }
  void opened(const std::string&) override {}
  asio::awaitable<void> shutdown() override { co_return; }
};

class AnyClient : public Client {
 public:
  explicit AnyClient(std::shared_ptr<ClientCore> core) : core_(std::move(core)) {}
  ~AnyClient() override {
    core_->session->break_off(Error(Code::kCancelled, "the client was closed"));
    core_->link = std::make_unique<ClosedLink>();
    if (core_->gate.alive() + core_->cancelling.alive() > 0)
      asio::co_spawn(core_->executor, close_core(core_), [](std::exception_ptr) {});
  }

  const ServerConfig& config() const override { return core_->config; }
  const Implementation& server() const override { return core_->server; }
  const std::string& protocol_version() const override { return core_->version; }
  const std::string& instructions() const override { return core_->instructions; }
  const Json& capabilities() const override { return *core_->capabilities; }
  std::string stderr_tail() const override { return core_->link->stderr_tail(); }
  std::size_t junk_lines() const override { return core_->link->junk_lines(); }
  asio::awaitable<void> shutdown() override { return core_->shutdown(); }

  Task<std::vector<Tool>> list_tools() override {
    TSUKAI_CO_TRY(auto items, co_await core_->list("tools/list", "tools"));
    std::vector<Tool> tools;
    std::map<std::string, ClientCore::KnownTool> known;
    for (const auto& item : items) {
      auto tool = parse_tool(*item);
      if (!tool) {
        core_->warn(fmt::format("server {}: {}; it is left out", config().name, tool.error().message()));
        continue;
      }
      auto& entry = known[tool->name];
      if (core_->modern && core_->link->http()) {
        auto headers = param_headers(*tool->input_schema);
        if (!headers) {
          core_->warn(fmt::format("server {}: tool {} is left out: {}", config().name, tool->name,
                                  headers.error().message()));
          known.erase(tool->name);
          continue;
        }
        entry.headers = *std::move(headers);
      }
      entry.output_schema = tool->output_schema;
      if (const Json* execution = find(*tool->whole, "execution"))
        entry.task_support = string_at(*execution, "taskSupport");
      tools.push_back(*std::move(tool));
    }
    core_->tools = std::move(known);
    co_return tools;
  }

  Task<ToolResult> call_tool(std::string tool, Json arguments, OnProgress on_progress) override {
    return call(std::move(tool), std::move(arguments), {}, std::move(on_progress));
  }
  Task<ToolResult> call_tool_as_task(std::string tool, Json arguments, OnTask on_task,
                                     OnProgress on_progress) override {
    return call(std::move(tool), std::move(arguments), std::move(on_task), std::move(on_progress));
  }
  Task<ToolResult> continue_call(std::string tool, Json arguments, JsonValue asked, JsonValue answers,
                                 OnTask on_task) override {
    Json members = Json::object();
    if (const Json* state = find(*asked, "requestState")) members["requestState"] = *state;
    if (const Json* questions = find(*asked, "inputRequests")) {
      TSUKAI_CO_TRY(members["inputResponses"], co_await core_->answer_rest(*questions, answers));
    }
    auto going_on = call(std::move(tool), std::move(arguments), std::move(on_task), {}, std::move(members),
                         std::move(asked));
    co_return co_await std::move(going_on);
  }

  Task<ToolResult> await_task(std::string id, std::string tool, OnProgress on_progress) override {
    const auto end = steady_clock::now() + config().call_timeout_max;
    auto task = co_await core_->task_now(std::move(id), end);
    if (!task) co_return fail(std::move(task).error().in(tool));
    auto reply = co_await core_->follow_task(*std::move(task), end, std::move(on_progress));
    co_return finished(tool, std::move(reply));
  }

  Task<void> ping() override {
    // 2026-07-28 has no ping; the cheapest request there is says the same.
    const char* method = core_->modern ? "server/discover" : "ping";
    TSUKAI_CO_TRY_VOID(co_await core_->request(method, Json::object()));
    co_return Result<void>();
  }

  Task<std::vector<JsonValue>> list_resources() override {
    return listed("resources", "resources/list", "resources");
  }
  Task<std::vector<JsonValue>> list_resource_templates() override {
    return listed("resources", "resources/templates/list", "resourceTemplates");
  }
  Task<std::vector<JsonValue>> list_prompts() override {
    return listed("prompts", "prompts/list", "prompts");
  }

  Task<JsonValue> read_resource(std::string uri) override {
    TSUKAI_CO_TRY_VOID(offered("resources"));
    const auto key = "resources/read " + uri;
    if (auto it = core_->cache.find(key);
        it != core_->cache.end() && steady_clock::now() < it->second.until) {
      co_return it->second.items.front();
    }
    TSUKAI_CO_TRY(auto reply, co_await core_->ask("resources/read", Json{{"uri", uri}}, {}, {}));
    if (!reply) {
      const int code = reply.error().code;
      if (code == kResourceNotFound || code == kInvalidParams) {
        co_return fail(Code::kNotFound, fmt::format("server {} has no resource {}: {}", config().name, uri,
                                                    reply.error().message));
      }
      co_return fail(core_->from_peer("resources/read", reply.error()));
    }
    const Json* contents = find(**reply, "contents");
    if (contents == nullptr || !contents->is_array()) {
      co_return fail(Code::kProtocol, fmt::format("resource {}: the answer has no array \"contents\"", uri));
    }
    JsonValue value(*contents);
    if (const auto ttl_ms = core_->modern ? integer_at(**reply, "ttlMs") : 0; ttl_ms > 0) {
      if (core_->cache.size() >= ClientCore::kCachedMax) core_->cache.clear();
      core_->cache[key] = {steady_clock::now() + milliseconds(std::min<std::int64_t>(ttl_ms, INT32_MAX)),
                           {value}};
    }
    co_return value;
  }

  Task<JsonValue> get_prompt(std::string name, std::map<std::string, std::string> arguments) override {
    TSUKAI_CO_TRY_VOID(offered("prompts"));
    Json params = {{"name", name}};
    if (!arguments.empty()) params["arguments"] = arguments;
    TSUKAI_CO_TRY(auto reply, co_await core_->ask("prompts/get", std::move(params), {}, {}));
    if (!reply && says_unknown(reply.error())) {
      co_return fail(Code::kNotFound, fmt::format("server {} has no prompt {}: {}", config().name, name,
                                                  reply.error().message));
    }
    if (!reply) co_return fail(core_->from_peer("prompts/get", reply.error()));
    co_return *reply;
  }

  Task<std::vector<std::string>> complete(JsonValue reference, std::string argument, std::string value,
                                          std::map<std::string, std::string> known) override {
    TSUKAI_CO_TRY_VOID(offered("completions"));
    Json params = {{"ref", *reference}, {"argument", {{"name", argument}, {"value", value}}}};
    if (!known.empty()) params["context"] = {{"arguments", known}};
    TSUKAI_CO_TRY(auto result, co_await core_->request("completion/complete", std::move(params)));
    std::vector<std::string> out;
    const Json* completion = find(*result, "completion");
    const Json* values = completion == nullptr ? nullptr : find(*completion, "values");
    if (values == nullptr || !values->is_array()) {
      co_return fail(Code::kProtocol, "completion/complete: the answer has no completion.values");
    }
    for (const auto& one : *values) {
      if (one.is_string()) out.push_back(one.get<std::string>());
    }
    co_return out;
  }

  Task<void> subscribe(std::string uri) override {
    TSUKAI_CO_TRY_VOID(offered("resources"));
    if (core_->subscribed.size() >= ClientCore::kSubscribedMax) {
      co_return fail(Code::kExhausted,
                     fmt::format("{} resources are subscribed to already", ClientCore::kSubscribedMax));
    }
    if (!core_->modern)
      TSUKAI_CO_TRY_VOID(co_await core_->request("resources/subscribe", Json{{"uri", uri}}));
    if (core_->subscribed.insert(uri).second) core_->listen();
    co_return Result<void>();
  }
  Task<void> unsubscribe(std::string uri) override {
    if (core_->subscribed.erase(uri) == 0) co_return Result<void>();
    if (!core_->modern)
      TSUKAI_CO_TRY_VOID(co_await core_->request("resources/unsubscribe", Json{{"uri", uri}}));
    core_->listen();
    co_return Result<void>();
  }

  Task<void> set_log_level(std::string level) override {
    core_->log_level = level;
    if (core_->modern) co_return Result<void>();  // Every request carries it.
    TSUKAI_CO_TRY_VOID(offered("logging"));
    TSUKAI_CO_TRY_VOID(co_await core_->request("logging/setLevel", Json{{"level", level}}));
    co_return Result<void>();
  }

  Result<void> announce_roots() override {
    if (core_->modern) return {};  // Asked for each time they are needed.
    return core_->link->send(notification("notifications/roots/list_changed", {}), {});
  }

 private:
  Result<void> offered(const char* capability) const {
    if (core_->offers(capability)) return {};
    return fail(Code::kUnsupported, fmt::format("server {} offers no {}", config().name, capability));
  }

  Task<std::vector<JsonValue>> listed(const char* capability, std::string method, std::string member) {
    TSUKAI_CO_TRY_VOID(offered(capability));
    co_return co_await core_->list(std::move(method), std::move(member));
  }

  // `members`: of the first round alone, where it goes on with a call that was `asked` something.
  Task<ToolResult> call(std::string tool, Json arguments, OnTask on_task, OnProgress on_progress,
                        JsonValue members = {}, JsonValue asked = {}) {
    if (!arguments.is_object()) {
      co_return fail(Code::kInvalidArgument, fmt::format("arguments of {} must be an object", tool));
    }
    const auto end = steady_clock::now() + config().call_timeout_max;
    bool as_task = core_->calls_as_task(tool, static_cast<bool>(on_task));
    Json plain = Json::object();
    plain["name"] = tool;
    plain["arguments"] = std::move(arguments);
    JsonValue params(std::move(plain));
    for (int attempt = 1;; ++attempt) {
      HttpHeaders extra;
      if (auto it = core_->tools.find(tool); it != core_->tools.end()) {
        for (const auto& header : it->second.headers) {
          if (auto text = argument_text(*find(*params, "arguments"), header))
            extra.emplace_back(header.header, header_value(*text));
        }
      }
      if (as_task && find(*params, "task") == nullptr) {
        Json with_task = *params;
        with_task["task"] = {{"ttl", 2 * config().call_timeout_max.count()}};
        params = JsonValue(std::move(with_task));
      }
      JsonValue first;
      if (members->is_object()) {
        Json going_on = *params;
        going_on.update(*members);
        first = std::move(going_on);
      }
      auto reply = co_await core_->ask("tools/call", params, on_progress, extra, std::move(first));
      if (reply && !*reply && members->contains("requestState") && reply->error().code == kInvalidParams)
        reply = co_await begin_anew(params, on_progress, std::move(extra), members, asked);
      if (reply && !*reply && attempt == 1) {
        // The tool's definition has changed, or was never read.
        const bool headers = reply->error().code == kHeaderMismatch && core_->link->http();
        const bool needs_task = reply->error().code == kMethodNotFound && !as_task &&
                                find(*core_->capabilities, "tasks") != nullptr;
        if (headers || needs_task) {
          core_->cache.erase("tools/list");
          TSUKAI_CO_TRY_VOID(co_await list_tools());
          as_task = core_->calls_as_task(tool, static_cast<bool>(on_task));
          if (headers || as_task) continue;
        }
      }
      if (reply && *reply) {
        const Json& result = ***reply;
        if (string_at(result, "resultType") == "input_required") {
          ToolResult parked;
          parked.content = Json::array();
          parked.whole = parked.asked = **reply;
          co_return parked;
        }
        const Json* created = as_task                                     ? find(result, "task")
                              : string_at(result, "resultType") == "task" ? &result
                                                                          : nullptr;
        if (created != nullptr) {
          auto task = parse_task(*created);
          if (!task) co_return fail(std::move(task).error().in(tool));
          if (on_task) on_task(task->id);
          reply = co_await core_->follow_task(*std::move(task), end, std::move(on_progress));
        }
      }
      co_return finished(tool, std::move(reply));
    }
  }

  // A server that keeps what its states mean in its process knows none of an earlier process's, or holds this
  // one to be too old. Nothing was done so far, so the call begins anew; the same questions get the same
  // answers.
  Task<Reply> begin_anew(JsonValue params, OnProgress on_progress, HttpHeaders extra, JsonValue members,
                         JsonValue asked) {
    auto reply = co_await core_->ask("tools/call", params, on_progress, extra);
    if (!reply || !*reply) co_return reply;
    const Json& result = ***reply;
    const Json *before = find(*asked, "inputRequests"), *now = find(result, "inputRequests");
    if (string_at(result, "resultType") != "input_required" || before == nullptr || now == nullptr ||
        *before != *now)
      co_return reply;
    Json again = *params;
    again["inputResponses"] = members->at("inputResponses");
    if (const Json* state = find(result, "requestState")) again["requestState"] = *state;
    auto answered =
        core_->ask("tools/call", params, on_progress, std::move(extra), JsonValue(std::move(again)));
    co_return co_await std::move(answered);
  }

  // What a call was answered, as its tool's result.
  Result<ToolResult> finished(const std::string& tool, Result<Reply> reply) {
    if (!reply) return fail(std::move(reply).error().in(tool));
    if (!*reply) {
      if (says_unknown(reply->error()))
        return fail(Code::kNotFound, fmt::format("server {} has no tool {}", config().name, tool));
      return fail(core_->from_peer(tool, reply->error()));
    }
    auto result = parse_tool_result(**reply);
    if (!result) return fail(std::move(result).error().in(tool));
    if (auto wrong = check_output(tool, *result)) {
      if (core_->options.strict_output) return fail(*std::move(wrong));
      core_->warn(wrong->text());
    }
    return result;
  }

  // Only structured content is promised anything, and not that of a failure.
  std::optional<Error> check_output(const std::string& tool, const ToolResult& result) {
    auto it = core_->tools.find(tool);
    if (!core_->options.check_output || result.is_error || it == core_->tools.end() ||
        !it->second.output_schema)
      return std::nullopt;
    auto& known = it->second;
    if (!result.structured_content) {
      return Error(
          Code::kProtocol,
          fmt::format("{}: the result has no structuredContent, though outputSchema promises it", tool));
    }
    if (!known.compiled) {
      auto compiled = JsonSchema::compile(**known.output_schema);
      if (!compiled) {
        known.output_schema.reset();  // Said once.
        return Error(Code::kProtocol,
                     fmt::format("{}: outputSchema can't be used: {}", tool, compiled.error().text()));
      }
      known.compiled = *std::move(compiled);
    }
    const auto wrong = known.compiled->check(**result.structured_content);
    if (wrong.empty()) return std::nullopt;
    return Error(Code::kProtocol,
                 fmt::format("{}: structuredContent does not hold what outputSchema promises: {}", tool,
                             fmt::join(wrong, "; ")));
  }

  std::shared_ptr<ClientCore> core_;
};

}  // namespace

Task<std::unique_ptr<Client>> Client::connect(ServerConfig config, ClientOptions options) {
  auto executor = co_await asio::this_coro::executor;
  auto core = std::make_shared<ClientCore>(executor, std::move(config), std::move(options));
  auto outcome = co_await core->connect();
  if (!outcome) {
    if (core->session && outcome.error().code() != Code::kCancelled) co_await core->shutdown();
    co_return fail(std::move(outcome).error());
  }
  co_return std::make_unique<AnyClient>(std::move(core));
}

Task<ToolResult> Client::call_tool_as_task(std::string tool, Json arguments, OnTask, OnProgress on_progress) {
  return call_tool(std::move(tool), std::move(arguments), std::move(on_progress));
}
Task<ToolResult> Client::continue_call(std::string, Json, JsonValue, JsonValue, OnTask) {
  co_return not_here("answers to later questions");
}
Task<ToolResult> Client::await_task(std::string, std::string, OnProgress) { co_return not_here("tasks"); }
const Json& Client::capabilities() const {
  static const Json none = Json::object();
  return none;
}
Task<std::vector<JsonValue>> Client::list_resources() { co_return not_here("resources"); }
Task<std::vector<JsonValue>> Client::list_resource_templates() { co_return not_here("resources"); }
Task<std::vector<JsonValue>> Client::list_prompts() { co_return not_here("prompts"); }
Task<JsonValue> Client::read_resource(std::string) { co_return not_here("resources"); }
Task<JsonValue> Client::get_prompt(std::string, std::map<std::string, std::string>) {
  co_return not_here("prompts");
}
Task<std::vector<std::string>> Client::complete(JsonValue, std::string, std::string,
                                                std::map<std::string, std::string>) {
  co_return not_here("completion");
}
Task<void> Client::subscribe(std::string) { co_return not_here("subscriptions"); }
Task<void> Client::unsubscribe(std::string) { co_return not_here("subscriptions"); }
Task<void> Client::set_log_level(std::string) { co_return not_here("log messages"); }
Result<void> Client::announce_roots() { return {}; }

}  // namespace tsukai::mcp
