#include "mcp/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <vector>

namespace tsukai::mcp {

using std::chrono::steady_clock;
using SteadyTime = steady_clock::time_point;

namespace {

// What asio resumes a coroutine by that awaits an operation itself, without a frame for the operation.
using Waiter = asio::detail::awaitable_async_op_handler<void(), asio::any_io_executor>;
// Calls that are suspended, by id. Each waiter owns the coroutines above it, so the one who owns the waiters
// must be owned by none of these: it is the handler of the deadline's timer.
using Waiters = std::unordered_map<std::int64_t, Waiter>;

}  // namespace

// How far off a deadline is that does not come nearer.
constexpr auto kHeldFor = std::chrono::hours(24);

struct Session::Pending {
  std::optional<Result<Reply>> outcome;
  SteadyTime began, idle_until, hard_end;
  RequestOptions options;
  SteadyTime end() const { return std::min(idle_until, hard_end); }
};

struct Session::State : std::enable_shared_from_this<Session::State> {
  State(asio::any_io_executor given, Send how) : executor(given), send(std::move(how)), deadline(given) {}

  asio::any_io_executor executor;
  Send send;
  std::int64_t next_id = 1;
  std::unordered_map<std::int64_t, Pending*> pending;  // Each lives in the frame of its call.
  std::optional<Error> broken;
  // One timer for all calls. It is set whenever a call waits, and never later than the first deadline; mostly
  // calls end long before, and then nothing has to be set anew.
  asio::steady_timer deadline;
  SteadyTime deadline_at = SteadyTime::max();  // max(): not set.
  std::weak_ptr<Waiters> waiters;
  int holders = 0;        // Of those that hold(),
  SteadyTime held_since;  // from when the first one did.

  SteadyTime end_of(const Pending& call) const {
    return holders == 0 ? call.end() : steady_clock::now() + kHeldFor;
  }

  void release() {
    if (--holders > 0) return;
    const auto now = steady_clock::now();
    auto next = SteadyTime::max();
    for (const auto& [id, call] : pending) {
      const auto held = now - std::max(held_since, call->began);
      call->hard_end += held;
      // Whatever was heard of it meanwhile has set this anew already.
      call->idle_until =
          std::max(call->idle_until, std::min(call->idle_until + held, now + call->options.idle));
      next = std::min(next, call->end());
    }
    if (next != SteadyTime::max()) watch(next);
  }

  // It may have gone already; then nobody needs to know.
  void tell_cancelled(std::int64_t id, const char* reason, const RequestOptions& options) {
    if (broken || !options.cancellable) return;
    (void)(options.via ? options.via : send)(
        notification("notifications/cancelled", Json{{"requestId", id}, {"reason", reason}}));
  }

  // What is about to wait until `end` will be looked at then.
  std::shared_ptr<Waiters> watch(SteadyTime end) {
    auto all = waiters.lock();
    if (all && end >= deadline_at) return all;
    if (!all) waiters = all = std::make_shared<Waiters>();
    deadline_at = end;
    deadline.expires_at(end);
    deadline.async_wait([weak = weak_from_this(), all](boost::system::error_code error) {
      if (error) return;  // Set anew, or given up.
      if (auto self = weak.lock()) self->deadline_passed();
    });
    return all;
  }

  void deadline_passed() {
    deadline_at = SteadyTime::max();
    const auto now = steady_clock::now();
    auto next = SteadyTime::max();
    std::vector<std::int64_t> late;
    for (const auto& [id, call] : pending) {
      const auto end = end_of(*call);
      if (end <= now)
        late.push_back(id);
      else
        next = std::min(next, end);
    }
    if (next != SteadyTime::max()) watch(next);
    for (const auto id : late) wake(id);
  }

  std::optional<Waiter> take_waiter(std::int64_t id) {
    auto all = waiters.lock();
    if (!all) return std::nullopt;
    auto node = all->extract(id);
    if (node.empty()) return std::nullopt;
    return std::move(node.mapped());
  }
  // The call looks at its outcome soon,
  void wake(std::int64_t id) {
    if (auto waiter = take_waiter(id)) asio::post(executor, *std::move(waiter));
  }
  // or at once.
  void resume(std::int64_t id) {
    if (auto waiter = take_waiter(id)) (*std::move(waiter))();
  }

  // Suspends the call until it is woken, its deadline has passed or it is cancelled.
  auto woken(std::int64_t id, SteadyTime end) {
    return asio::async_initiate<const asio::deferred_t, void()>(
        [this, id, end](Waiter waiter) {
          auto slot = asio::get_associated_cancellation_slot(waiter);
          watch(end)->emplace(id, std::move(waiter));
          if (slot.is_connected()) slot.assign([this, id](asio::cancellation_type) { wake(id); });
        },
        asio::deferred);
  }
};

Session::Session(asio::any_io_executor executor, Send send)
    : state_(std::make_shared<State>(std::move(executor), std::move(send))) {}
Session::~Session() {
  break_off(Error(Code::kCancelled, "the connection was given up"));
  state_->deadline.cancel();
}

const std::optional<Error>& Session::broken() const { return state_->broken; }
std::size_t Session::in_flight() const { return state_->pending.size(); }

Result<void> Session::notify(std::string method, JsonValue params) {
  if (state_->broken) return fail(*state_->broken);
  return state_->send(notification(std::move(method), std::move(params)));
}

Task<Reply> Session::call(std::string method, JsonValue params, RequestOptions options) {
  return run(state_, std::move(method), std::move(params), std::move(options));
}

Task<Reply> Session::run(std::shared_ptr<State> state, std::string method, JsonValue params,
                         RequestOptions options) {
  if (state->broken) co_return fail(*state->broken);
  if (state->pending.size() >= kInFlightMax) {
    co_return fail(Code::kExhausted, fmt::format("{} requests are in flight already", kInFlightMax));
  }
  const std::int64_t id = state->next_id++;
  Pending pending;
  const auto start = steady_clock::now();
  pending.began = start;
  pending.hard_end = start + options.most;
  pending.idle_until = start + options.idle;
  pending.options = std::move(options);
  struct Entry {
    State& state;
    std::int64_t id;
    ~Entry() { state.pending.erase(id); }
  } entry{*state, id};
  state->pending.emplace(id, &pending);
  {
    auto message = request(Json(id), method, std::move(params));
    message.stamp = std::move(pending.options.stamp);
    message.progress_token = id;
    TSUKAI_CO_TRY_VOID((pending.options.via ? pending.options.via : state->send)(message));
  }

  for (auto now = start; !pending.outcome; now = steady_clock::now()) {
    const SteadyTime end = state->end_of(pending);
    if (now >= end) {
      const bool hard = end == pending.hard_end;
      state->tell_cancelled(id, "timeout", pending.options);
      co_return fail(Code::kTimeout,
                     fmt::format("{} got no {} within {} ms", method, hard ? "result" : "answer",
                                 (hard ? pending.options.most : pending.options.idle).count()));
    }
    co_await state->woken(id, end);
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
    const auto id = message.id->get<std::int64_t>();
    auto it = pending.find(id);
    if (it == pending.end() || it->second->outcome) return true;
    if (message.kind == MessageKind::kResult)
      it->second->outcome = Reply(message.body);
    else
      it->second->outcome = Reply(tl::unexpect, message.error);
    state_->resume(id);  // This session may be gone now.
    return true;
  }
  if (message.kind != MessageKind::kNotification || message.method != "notifications/progress") return false;
  auto it = pending.find(integer_at(*message.body, "progressToken", -1));
  if (it == pending.end() || it->second->outcome) return true;
  it->second->idle_until = steady_clock::now() + it->second->options.idle;
  if (it->second->options.on_progress) {
    it->second->options.on_progress({number_at(*message.body, "progress"), number_at(*message.body, "total"),
                                     string_at(*message.body, "message")});
  }
  return true;
}

std::shared_ptr<void> Session::hold() {
  if (state_->holders++ == 0) state_->held_since = steady_clock::now();
  return {nullptr, [weak = std::weak_ptr<State>(state_)](void*) {
            if (const auto state = weak.lock()) state->release();
          }};
}

void Session::fail_call(std::int64_t id, Error why) {
  auto it = state_->pending.find(id);
  if (it == state_->pending.end() || it->second->outcome) return;
  it->second->outcome = fail(std::move(why));
  state_->wake(id);
}

void Session::break_off(Error why) {
  if (!state_->broken) state_->broken = why;
  for (auto& [id, pending] : state_->pending) {
    if (pending->outcome) continue;
    pending->outcome = fail(why);
    state_->wake(id);
  }
}

}  // namespace tsukai::mcp
