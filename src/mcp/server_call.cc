#include "mcp/server_call.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "mcp/server_connection.h"
#include "mcp/version.h"

namespace tsukai::mcp {
namespace {

constexpr std::int64_t kListTtlMs = 60'000;

std::string capability_of(const std::string& method) {
  if (method == "sampling/createMessage") return "sampling";
  if (method == "elicitation/create") return "elicitation";
  if (method == "roots/list") return "roots";
  return {};
}

}  // namespace

const Json& CallContext::client_capabilities() const {
  static const Json none = Json::object();
  return none;
}

void CallContext::log(std::string_view, std::string, JsonValue) {}

Result<void> CallContext::begin_task() { return {}; }

Task<std::map<std::string, JsonValue>> CallContext::ask(std::map<std::string, InputRequest>) {
  co_return fail(Code::kUnsupported, "there is no client to ask");
}

int log_severity(std::string_view level) {
  constexpr std::array<std::string_view, 8> kLevels = {"debug", "info",     "notice", "warning",
                                                       "error", "critical", "alert",  "emergency"};
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    if (kLevels[i] == level) return static_cast<int>(i);
  }
  return -1;
}

void ServerRequest::answer(JsonValue value) const {
  auto message = result(id, std::move(value));
  if (modern) message.stamp = registry->stamp;
  outlet(std::move(message));
}

// What is listed may change when the server is restarted, so nothing is cacheable for long.
void ServerRequest::answer_cacheable(Json value) const {
  if (modern) {
    value["ttlMs"] = registry->options.changes ? 0 : kListTtlMs;
    value["cacheScope"] = "public";
  }
  answer(std::move(value));
}

void ServerRequest::refuse(int code, std::string message, JsonValue data) const {
  outlet(failure(id, {code, std::move(message), std::move(data), false}));
}

void ServerRequest::reject(int code, std::string message, JsonValue data) const {
  outlet(failure(id, {code, std::move(message), std::move(data), true}));
}

ServerCall::ServerCall(ServerRequest given, JsonValue capabilities, int log_from, Session* peer)
    : request(std::move(given)), capabilities_(std::move(capabilities)), log_from_(log_from), peer_(peer) {
  if (const Json* meta = find(*request.params, "_meta")) {
    if (const Json* token = find(*meta, "progressToken")) token_ = *token;
  }
}

std::optional<RpcError> ServerCall::take_responses() {
  if (!request.modern) return std::nullopt;
  if (const Json* state = find(*request.params, "requestState")) {
    if (!state->is_string()) return RpcError{kInvalidParams, "requestState must be a string", {}, true};
    auto opened = request.registry->states.open(
        state->get<std::string>(), request_digest(request.method, *request.params), system_clock().wall_ms());
    if (!opened) return RpcError{kInvalidParams, opened.error().text(), {}, true};
    if (opened->is_object()) {
      for (const auto& [key, value] : opened->items()) responses_[key] = JsonValue(value);
    }
  }
  if (const Json* responses = find(*request.params, "inputResponses")) {
    if (!responses->is_object())
      return RpcError{kInvalidParams, "inputResponses must be an object", {}, true};
    for (const auto& [key, value] : responses->items()) responses_[key] = JsonValue(value);
  }
  return std::nullopt;
}

// The specification wants `progress` to grow with each notification; what does not is dropped.
void ServerCall::progress(double done, double total, std::string message) {
  if (as_task) return task_progress(done, total, std::move(message));
  if (token_.is_null() || is_cancelled || done <= done_last_) return;
  done_last_ = done;
  Json params = {{"progressToken", *token_}, {"progress", done}};
  if (total > 0) params["total"] = total;
  if (!message.empty()) params["message"] = std::move(message);
  request.outlet(notification("notifications/progress", std::move(params)));
}

void ServerCall::log(std::string_view level, std::string logger, JsonValue data) {
  if (as_task) return;  // Its request was answered: there is nowhere that log messages belong to.
  if (is_cancelled || log_severity(level) < log_from_) return;
  Json params = {{"level", level}, {"data", *data}};
  if (!logger.empty()) params["logger"] = logger;
  request.outlet(notification("notifications/message", std::move(params)));
}

// 2026-07-28 has an error of its own for that, which stands for whatever the handler makes of it.
std::optional<Error> ServerCall::not_offered(const InputRequest& question) {
  const auto capability = capability_of(question.method);
  if (capability.empty() || capabilities_->contains(capability)) return std::nullopt;
  if (request.modern) {
    instead_ = tl::unexpected<RpcError>(
        RpcError{kMissingClientCapability, fmt::format("this needs the client capability {}", capability),
                 Json{{"requiredCapabilities", {{capability, Json::object()}}}}, true});
  }
  return Error(Code::kUnsupported, fmt::format("the client does not offer {}", capability));
}

Task<Answers> ServerCall::ask(std::map<std::string, InputRequest> questions) {
  if (as_task) co_return co_await ask_in_task(std::move(questions));
  if (!request.modern) co_return co_await ask_legacy(std::move(questions));
  co_return ask_modern(questions);
}

Result<Answers> ServerCall::ask_modern(const std::map<std::string, InputRequest>& questions) {
  Answers answers;
  Json missing = Json::object();
  for (const auto& [key, question] : questions) {
    if (auto missing_capability = not_offered(question)) return fail(*std::move(missing_capability));
    auto it = responses_.find(key);
    if (it != responses_.end() && well_formed_response(question.method, *it->second)) {
      answers.emplace(key, it->second);
    } else {
      missing[key] = {{"method", question.method},
                      {"params", question.params.is_null() ? Json::object() : *question.params}};
    }
  }
  if (missing.empty()) return answers;
  // Only answers that some question has used go on to the next round.
  Json kept = Json::object();
  for (const auto& [key, value] : responses_) {
    if (!missing.contains(key)) kept[key] = *value;
  }
  auto state = request.registry->states.seal(kept, request_digest(request.method, *request.params),
                                             system_clock().wall_ms());
  if (!state) return fail(std::move(state).error());
  instead_ =
      Json{{"resultType", "input_required"}, {"inputRequests", std::move(missing)}, {"requestState", *state}};
  return fail(Code::kCancelled, "the client is asked first");
}

Task<Answers> ServerCall::ask_legacy(std::map<std::string, InputRequest> questions) {
  Answers answers;
  for (const auto& [key, question] : questions) {
    if (auto missing_capability = not_offered(question)) co_return fail(*std::move(missing_capability));
    RequestOptions options{kAskWait, kAskWait, {}, true, [outlet = request.outlet](const Message& message) {
                             outlet(message);
                             return Result<void>();
                           }};
    Json params = question.params.is_null() ? Json::object() : *question.params;
    TSUKAI_CO_TRY(auto reply, co_await peer_->call(question.method, std::move(params), std::move(options)));
    if (!reply) {
      co_return fail(Code::kDenied,
                     fmt::format("the client refused {}: {}", question.method, reply.error().message));
    }
    answers.emplace(key, *reply);
  }
  co_return answers;
}

Result<void> ServerCall::begin_task() {
  if (!terms || as_task) return {};
  TSUKAI_TRY(as_task, request.registry->tasks->create(terms->principal, terms->connection, terms->ttl_ms,
                                                      terms->poll_ms));
  as_task->work = work;
  as_task->token = token_;
  if (turned) turned->cancel();
  return {};
}

void ServerCall::task_progress(double done, double total, std::string message) {
  if (cancelled() || done <= done_last_) return;
  done_last_ = done;
  if (!token_.is_null() && !request.modern) {
    Json params = {{"progressToken", *token_},
                   {"progress", done},
                   {"_meta", {{std::string(kMetaRelatedTask), {{"taskId", as_task->id}}}}}};
    if (total > 0) params["total"] = total;
    if (!message.empty()) params["message"] = message;
    for (auto* connection : request.registry->connections) {
      if (connection->number() == as_task->connection)
        connection->announce_message(notification("notifications/progress", params));
    }
  }
  if (message.empty()) message = total > 0 ? fmt::format("{} of {}", done, total) : fmt::format("{}", done);
  request.registry->tasks->say(*as_task, std::move(message));
}

// Clients tell questions apart by their keys for as long as the task lives, so each is used once.
Task<Answers> ServerCall::ask_in_task(std::map<std::string, InputRequest> questions) {
  auto& tasks = *request.registry->tasks;
  std::map<std::string, std::string> keys;
  std::map<std::string, InputRequest> asked;
  ++rounds_asked_;
  for (auto& [key, question] : questions) {
    if (auto missing_capability = not_offered(question)) co_return fail(*std::move(missing_capability));
    keys[key] = rounds_asked_ == 1 ? key : fmt::format("{}-{}", key, rounds_asked_);
    asked.emplace(keys[key], std::move(question));
  }
  tasks.ask(*as_task, std::move(asked));
  while (true) {
    if (is_over(as_task->status)) co_return fail(Code::kCancelled, "the task is over");
    if (auto answers = tasks.answers(*as_task, keys)) co_return *std::move(answers);
    if (!co_await next_change(as_task)) co_return fail(Code::kCancelled, "the task was cancelled");
  }
}

}  // namespace tsukai::mcp
