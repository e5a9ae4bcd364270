// HTTP+SSE, the transport of 2024-11-05, client side: one stream brings everything, messages go to the
// endpoint that its first event names.
#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>
#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "base/sse.h"
#include "mcp/client_link.h"
#include "mcp/http_door.h"

namespace tsukai::mcp {
namespace {

struct State {
  State(asio::any_io_executor executor, std::shared_ptr<HttpDoor> given, LinkEvents what)
      : door(std::move(given)), events(std::move(what)), gate(executor), ready(executor) {
    ready.expires_at(asio::steady_timer::time_point::max());
  }
  void broke(Error why) {
    if (broken) return;
    broken = why;
    ready.cancel();
    if (!endpoint.empty() && !abandoned) events.on_broken(std::move(why));
  }

  std::shared_ptr<HttpDoor> door;
  LinkEvents events;
  Gate gate;
  asio::steady_timer ready;  // Never fires; cancelled when the endpoint is known or there will be none.
  std::string endpoint;
  std::optional<Error> broken;
  bool closing = false;
  bool abandoned = false;  // The link was destroyed: nobody hears events any more.
};
using Shared = std::shared_ptr<State>;

Result<void> take(State& state, const SseEvent& event) {
  const auto& name = state.door->name();
  if (event.type == "endpoint") {
    auto endpoint = resolve_url(state.door->url(), event.data);
    // Another origin would get our messages, and our credentials with them.
    if (!endpoint || url_origin(*endpoint) != url_origin(state.door->url())) {
      return fail(Code::kProtocol,
                  fmt::format("server {} names an endpoint elsewhere: {}", name, event.data));
    }
    state.endpoint = *std::move(endpoint);
    state.ready.cancel();
    return {};
  }
  if (event.type != "message" || event.data.empty()) return {};
  auto parsed = parse_messages(event.data);
  state.door->show(parsed ? Direction::kReceived : Direction::kJunk, event.data);
  if (!parsed) {
    return fail(Code::kProtocol, fmt::format("server {} sent what is no protocol message: {}", name,
                                             parsed.error().error.message));
  }
  for (const auto& message : parsed->messages) {
    if (!state.abandoned) state.events.on_message(message);
  }
  return {};
}

Task<void> read_stream(Shared state) {
  TSUKAI_CO_TRY(auto stream, co_await HttpDoor::open(state->door, "GET", state->door->url(),
                                                     {{"Accept", "text/event-stream"}}, ""));
  if (stream->status() != 200) {
    TSUKAI_CO_TRY(auto body, co_await read_body(*stream));
    co_return fail(state->door->refusal(stream->status(), body));
  }
  if (!header_text(stream->headers(), "Content-Type").starts_with("text/event-stream")) {
    co_return fail(Code::kProtocol, fmt::format("server {} gives no event stream", state->door->name()));
  }
  SseParser parser(kMessageBytesMax);
  while (true) {
    TSUKAI_CO_TRY(auto piece, co_await stream->read());
    if (!piece)
      co_return fail(Code::kTransport, fmt::format("server {} ended the connection", state->door->name()));
    auto events = parser.feed(*piece);
    if (!events) co_return fail(Code::kProtocol, events.error().message());
    for (const auto& event : *events) TSUKAI_CO_TRY_VOID(take(*state, event));
  }
}

Task<void> read_until_broken(Shared state) {
  auto outcome = co_await read_stream(state);
  if (!outcome && outcome.error().code() != Code::kCancelled) state->broke(std::move(outcome).error());
  co_return Result<void>();
}

Task<void> post_text(Shared state, std::string text) {
  state->door->show(Direction::kSent, text);
  TSUKAI_CO_TRY(auto stream,
                co_await HttpDoor::open(state->door, "POST", state->endpoint,
                                        {{"Content-Type", "application/json"}}, std::move(text)));
  const int status = stream->status();
  if (status >= 200 && status < 300) co_return Result<void>();
  TSUKAI_CO_TRY(auto body, co_await read_body(*stream));
  co_return fail(state->door->refusal(status, body));
}

Task<void> run_post(Shared state, Message message) {
  auto outcome = co_await post_text(state, print_message(message));
  const bool owed = message.kind == MessageKind::kRequest;
  if (!outcome && owed && outcome.error().code() != Code::kCancelled && !state->abandoned) {
    state->events.on_lost(message.id->get<std::int64_t>(), {std::move(outcome).error(), 0, ""});
  }
  co_return Result<void>();
}

asio::awaitable<void> close_all(Shared state) { co_await state->gate.close(); }

class SseLink : public ClientLink {
 public:
  SseLink(asio::any_io_executor executor, Shared state)
      : executor_(std::move(executor)), state_(std::move(state)) {}
  ~SseLink() override {
    state_->abandoned = true;
    if (state_->gate.alive() > 0) asio::co_spawn(executor_, close_all(state_), [](std::exception_ptr) {});
  }

  Task<void> wait_for_endpoint() {
    state_->gate.spawn(read_until_broken(state_));
    while (state_->endpoint.empty()) {
      if (state_->broken) co_return fail(*state_->broken);
      boost::system::error_code error;
      co_await state_->ready.async_wait(asio::redirect_error(asio::use_awaitable, error));
      if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) {
        co_return fail(Code::kCancelled, "connecting was cancelled");
      }
    }
    co_return Result<void>();
  }

  bool http() const override { return true; }
  Result<void> send(const Message& message, HttpHeaders) override {
    if (state_->closing) return fail(Code::kCancelled, "the connection is closed");
    if (state_->broken) return fail(*state_->broken);
    state_->gate.spawn(run_post(state_, message));
    return {};
  }
  Task<void> post(Message message) override { return post_text(state_, print_message(message)); }
  void opened(const std::string&) override {}

  asio::awaitable<void> shutdown() override {
    state_->closing = true;
    co_await state_->gate.close();
  }

 private:
  asio::any_io_executor executor_;
  Shared state_;
};

}  // namespace

Task<std::unique_ptr<ClientLink>> open_sse_link(ServerConfig config, std::shared_ptr<Authorizer> authorizer,
                                                OnMessage trace, LinkEvents events) {
  auto executor = co_await asio::this_coro::executor;
  auto door = std::make_shared<HttpDoor>(executor, config, std::move(authorizer), std::move(trace));
  auto link = std::make_unique<SseLink>(
      executor, std::make_shared<State>(executor, std::move(door), std::move(events)));
  TSUKAI_CO_TRY_VOID(co_await link->wait_for_endpoint());
  co_return std::unique_ptr<ClientLink>(std::move(link));
}

}  // namespace tsukai::mcp
