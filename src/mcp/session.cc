#include "mcp/session.h"

#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>
#include <nlohmann/json.hpp>
#include <unordered_map>

namespace tsukai::mcp {

using SteadyTime = std::chrono::steady_clock::time_point;

struct Session::Pending {
  explicit Pending(asio::any_io_executor executor) : wake(std::move(executor)) {}
  asio::steady_timer wake;  // Fires at the deadline; cancelled when there is something to look at.
  std::optional<Result<Reply>> outcome;
  SteadyTime idle_until;
  RequestOptions options;
};

struct Session::State {
  asio::any_io_executor executor;
  Send send;
  std::int64_t next_id = 1;
  std::unordered_map<std::int64_t, Pending*> pending;  // Each lives in the frame of its call.
  std::optional<Error> broken;

  // It may have gone already; then nobody needs to know.
  void tell_cancelled(std::int64_t id, const char* reason, const RequestOptions& options) {
    if (broken || !options.cancellable) return;
    (void)(options.via ? options.via : send)(
        notification("notifications/cancelled", Json{{"requestId", id}, {"reason", reason}}));
  }
};

Session::Session(asio::any_io_executor executor, Send send) : state_(std::make_shared<State>()) {
  state_->executor = std::move(executor);
  state_->send = std::move(send);
}
Session::~Session() { break_off(Error(Code::kCancelled, "the connection was given up")); }

const std::optional<Error>& Session::broken() const { return state_->broken; }
std::size_t Session::in_flight() const { return state_->pending.size(); }

Result<void> Session::notify(std::string method, JsonValue params) {
  if (state_->broken) return fail(*state_->broken);
  return state_->send(notification(std::move(method), std::move(params)));
}

Task<Reply> Session::call(std::string method, Json params, RequestOptions options) {
  return run(state_, std::move(method), std::move(params), std::move(options));
}

Task<Reply> Session::run(std::shared_ptr<State> state, std::string method, Json params,
                         RequestOptions options) {
  if (state->broken) co_return fail(*state->broken);
  if (state->pending.size() >= kInFlightMax) {
    co_return fail(Code::kExhausted, fmt::format("{} requests are in flight already", kInFlightMax));
  }
  const std::int64_t id = state->next_id++;
  params["_meta"]["progressToken"] = id;
  Pending pending(state->executor);
  const auto start = std::chrono::steady_clock::now();
  const SteadyTime hard_end = start + options.most;
  pending.idle_until = start + options.idle;
  pending.options = std::move(options);
  struct Entry {
    State& state;
    std::int64_t id;
    ~Entry() { state.pending.erase(id); }
  } entry{*state, id};
  state->pending.emplace(id, &pending);
  const auto& send = pending.options.via ? pending.options.via : state->send;
  TSUKAI_CO_TRY_VOID(send(request(Json(id), method, std::move(params))));

  while (!pending.outcome) {
    const SteadyTime end = std::min(pending.idle_until, hard_end);
    if (std::chrono::steady_clock::now() >= end) {
      const bool hard = end == hard_end;
      state->tell_cancelled(id, "timeout", pending.options);
      co_return fail(Code::kTimeout,
                     fmt::format("{} got no {} within {} ms", method, hard ? "result" : "answer",
                                 (hard ? pending.options.most : pending.options.idle).count()));
    }
    pending.wake.expires_at(end);
    boost::system::error_code error;
    co_await pending.wake.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (pending.outcome) break;
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) {
      state->tell_cancelled(id, "cancelled by the caller", pending.options);
      co_return fail(Code::kCancelled, method + " was cancelled");
    }
  }
  co_return std::move(*pending.outcome);
}

bool Session::deliver(const Message& message) {
  auto& pending = state_->pending;
  if (message.kind == MessageKind::kResult || message.kind == MessageKind::kError) {
    if (!message.id->is_number_integer()) return true;
    auto it = pending.find(message.id->get<std::int64_t>());
    if (it == pending.end() || it->second->outcome) return true;
    if (message.kind == MessageKind::kResult)
      it->second->outcome = Reply(message.body);
    else
      it->second->outcome = Reply(tl::unexpect, message.error);
    it->second->wake.cancel();
    return true;
  }
  if (message.kind != MessageKind::kNotification || message.method != "notifications/progress") return false;
  auto it = pending.find(integer_at(*message.body, "progressToken", -1));
  if (it == pending.end() || it->second->outcome) return true;
  it->second->idle_until = std::chrono::steady_clock::now() + it->second->options.idle;
  if (it->second->options.on_progress) {
    it->second->options.on_progress({number_at(*message.body, "progress"), number_at(*message.body, "total"),
                                     string_at(*message.body, "message")});
  }
  return true;
}

void Session::fail_call(std::int64_t id, Error why) {
  auto it = state_->pending.find(id);
  if (it == state_->pending.end() || it->second->outcome) return;
  it->second->outcome = fail(std::move(why));
  it->second->wake.cancel();
}

void Session::break_off(Error why) {
  if (!state_->broken) state_->broken = why;
  for (auto& [id, pending] : state_->pending) {
    if (pending->outcome) continue;
    pending->outcome = fail(why);
    pending->wake.cancel();
  }
}

}  // namespace tsukai::mcp
