// Streamable HTTP, client side, both eras.
#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "base/log.h"
#include "base/sse.h"
#include "base/text.h"
#include "mcp/client_link.h"
#include "mcp/http_door.h"
#include "mcp/param_headers.h"
#include "mcp/version.h"

namespace tsukai::mcp {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kResumesMax = 5;  // In a row, without one new event.
constexpr milliseconds kRetryWait{1'000}, kRetryWaitMax{30'000};
constexpr milliseconds kHealthy{10'000};  // A stream that lived this long was no failure.
constexpr milliseconds kGoodbyeWait{2'000};
constexpr milliseconds kEndWait{200};  // After the answer, for the stream to end.

// Where a stream can be taken up again.
struct Place {
  std::string last_id;
  std::optional<milliseconds> retry;
};

struct State : std::enable_shared_from_this<State> {
  State(asio::any_io_executor executor, std::shared_ptr<HttpDoor> given, LinkEvents what)
      : door(std::move(given)), events(std::move(what)), gate(executor) {}

  std::shared_ptr<HttpDoor> door;
  LinkEvents events;
  Gate gate;
  std::string version;     // After the handshake.
  std::string session_id;  // Legacy; captured from the answer to initialize only.
  struct Post {
    Gate::Child child;
    bool modern;
  };
  std::map<std::int64_t, Post> posts;
  bool closing = false;
  bool abandoned = false;  // The link was destroyed: nobody hears events any more.
};
using Shared = std::shared_ptr<State>;

HttpHeaders headers_of(const State& state, const Message& message) {
  HttpHeaders out = {{"Content-Type", "application/json"}, {"Accept", "application/json, text/event-stream"}};
  if (message.stamp && !message.stamp->version.empty()) {
    out.emplace_back("MCP-Protocol-Version", message.stamp->version);
    out.emplace_back("Mcp-Method", header_value(message.method));
    const auto name = message.method == "resources/read" ? string_at(*message.body, "uri")
                      : message.method == "tools/call" || message.method == "prompts/get"
                          ? string_at(*message.body, "name")
                      : message.method.starts_with("tasks/") ? string_at(*message.body, "taskId")
                                                             : std::string();
    if (!name.empty()) out.emplace_back("Mcp-Name", header_value(name));
    return out;
  }
  if (message.method == "initialize") return out;
  if (!state.version.empty()) out.emplace_back("MCP-Protocol-Version", state.version);
  if (!state.session_id.empty()) out.emplace_back("Mcp-Session-Id", state.session_id);
  return out;
}

// Hands on what a text holds; true when the answer to `id` was in it.
Result<bool> take(const State& state, const std::string& text, const JsonValue& id) {
  auto parsed = parse_messages(text);
  if (!parsed) {
    state.door->show(Direction::kJunk, text);
    return fail(Code::kProtocol, fmt::format("server {} sent what is no protocol message: {}",
                                             state.door->name(), parsed.error().error.message));
  }
  state.door->show(Direction::kReceived, text);
  bool answered = false;
  for (const auto& message : parsed->messages) {
    const bool answer = message.kind == MessageKind::kResult || message.kind == MessageKind::kError;
    answered = answered || (answer && !id.is_null() && *message.id == *id);
    if (!state.abandoned) state.events.on_message(message);
  }
  return answered;
}

// Reads events until the answer to `id` came (true) or the stream ended (false). `place` follows.
Task<bool> read_events(Shared state, HttpStream& stream, JsonValue id, Place& place, bool& progress) {
  SseParser parser(kMessageBytesMax);
  while (true) {
    auto piece = co_await stream.read();
    if (!piece && piece.error().code() == Code::kTransport) co_return false;  // Cut: the same as ended.
    if (!piece) co_return fail(std::move(piece).error());
    if (!*piece) co_return false;
    auto events = parser.feed(**piece);
    if (!events)
      co_return fail(Error(Code::kProtocol, events.error().message()).in("server " + state->door->name()));
    if (parser.retry()) place.retry = parser.retry();
    if (!parser.last_id().empty() && parser.last_id() != place.last_id) {
      place.last_id = parser.last_id();
      progress = true;
    }
    for (const auto& event : *events) {
      if (event.type != "message" || event.data.empty()) continue;
      progress = true;
      TSUKAI_CO_TRY(const bool answered, take(*state, event.data, id));
      if (answered) co_return true;
    }
  }
}

bool event_stream(const HttpStream& stream) {
  return header_text(stream.headers(), "Content-Type").starts_with("text/event-stream");
}

Task<std::unique_ptr<HttpStream>> open_get(Shared state, std::string last_id) {
  HttpHeaders headers = {{"Accept", "text/event-stream"}};
  if (!state->version.empty()) headers.emplace_back("MCP-Protocol-Version", state->version);
  if (!state->session_id.empty()) headers.emplace_back("Mcp-Session-Id", state->session_id);
  if (!last_id.empty()) headers.emplace_back("Last-Event-ID", std::move(last_id));
  co_return co_await HttpDoor::open(state->door, "GET", state->door->url(), std::move(headers), "");
}

// Takes a broken stream up again (2025-11-25 and before: GET with Last-Event-ID) until the answer to `id` is
// there. A null id never comes: that is the stream for all that belongs to no request.
Task<void> resume(Shared state, JsonValue id, Place place) {
  int failures = 0;
  while (failures < kResumesMax) {
    // What the server asks for holds; else a little longer after each failure.
    const auto wait = place.retry ? *place.retry : std::min(kRetryWait * (1 << failures), kRetryWaitMax);
    TSUKAI_CO_TRY_VOID(co_await sleep_for(wait));
    auto stream = co_await open_get(state, place.last_id);
    ++failures;
    if (!stream) {
      if (stream.error().code() != Code::kTransport) co_return fail(std::move(stream).error());
      continue;
    }
    if ((*stream)->status() != 200 || !event_stream(**stream)) {
      if ((*stream)->status() >= 500) continue;
      co_return fail(state->door->refusal((*stream)->status(), ""));
    }
    const auto began = steady_clock::now();
    bool progress = false;
    TSUKAI_CO_TRY(const bool done, co_await read_events(state, **stream, id, place, progress));
    if (done) co_return Result<void>();
    if (progress || steady_clock::now() - began > kHealthy) failures = 0;
  }
  co_return fail(Code::kTransport, fmt::format("server {} ended a stream {} times without the answer",
                                               state->door->name(), kResumesMax));
}

Task<void> listen(Shared state) {
  TSUKAI_CO_TRY(auto stream, co_await open_get(state, ""));
  // Most servers have none; that is no error.
  if (stream->status() != 200 || !event_stream(*stream)) co_return Result<void>();
  Place place;
  bool progress = false;
  TSUKAI_CO_TRY_VOID(co_await read_events(state, *stream, {}, place, progress));
  stream.reset();
  co_return co_await resume(state, {}, std::move(place));
}

Task<void> read_rest(HttpStream& stream) {
  while (true) {
    TSUKAI_CO_TRY(auto piece, co_await stream.read());
    if (!piece) co_return Result<void>();
  }
}

// One request and its answer. What goes wrong is told by `failure`.
Task<void> exchange(Shared state, Message message, HttpHeaders headers, LinkFailure& failure) {
  const auto session = header_text(headers, "Mcp-Session-Id");
  const bool resumable = find_header(headers, "Mcp-Method") == nullptr;
  auto text = print_message(message);
  state->door->show(Direction::kSent, text);
  TSUKAI_CO_TRY(auto stream, co_await HttpDoor::open(state->door, "POST", state->door->url(),
                                                     std::move(headers), std::move(text)));
  const int status = stream->status();
  if (status >= 200 && status < 300) {
    if (message.method == "initialize" && resumable)
      state->session_id = header_text(stream->headers(), "Mcp-Session-Id");
    if (event_stream(*stream)) {
      Place place;
      bool progress = false;
      TSUKAI_CO_TRY(const bool answered, co_await read_events(state, *stream, message.id, place, progress));
      if (answered) {
        // A stream read to its end leaves its connection to the next request.
        (void)co_await with_deadline(read_rest(*stream), kEndWait, "the end of a stream");
        co_return Result<void>();
      }
      if (resumable && !place.last_id.empty()) co_return co_await resume(state, message.id, std::move(place));
      co_return fail(Code::kTransport,
                     fmt::format("server {} ended its answer before the result", state->door->name()));
    }
    TSUKAI_CO_TRY(auto body, co_await read_body(*stream));
    TSUKAI_CO_TRY(const bool answered, take(*state, body, message.id));
    if (answered) co_return Result<void>();
    co_return fail(Code::kProtocol, fmt::format("server {} answered {} with HTTP {} and no result",
                                                state->door->name(), message.method, status));
  }
  failure.http_status = status;
  TSUKAI_CO_TRY(auto body, co_await read_body(*stream));
  if (status == 404 && !session.empty()) {
    failure.session_gone = session;
    co_return fail(Code::kTransport, fmt::format("server {} has forgotten the session", state->door->name()));
  }
  auto parsed = parse_messages(body);
  if (status != 401 && status != 403 && parsed && parsed->messages.size() == 1 &&
      parsed->messages[0].kind == MessageKind::kError) {
    state->door->show(Direction::kReceived, body);
    // Servers that could not or did not read the id leave it out; there is no doubt what it answers.
    parsed->messages[0].id = message.id;
    parsed->messages[0].error.refused = true;
    if (!state->abandoned) state->events.on_message(parsed->messages[0]);
    co_return Result<void>();
  }
  co_return fail(state->door->refusal(status, parsed && parsed->messages[0].kind == MessageKind::kError
                                                  ? parsed->messages[0].error.message
                                                  : body));
}

Task<void> run_request(Shared state, Message message, HttpHeaders headers) {
  const auto id = message.id->get<std::int64_t>();
  LinkFailure failure{Error(Code::kInternal, ""), 0, ""};
  auto outcome = co_await exchange(state, std::move(message), std::move(headers), failure);
  state->posts.erase(id);
  if (!outcome && outcome.error().code() != Code::kCancelled && !state->abandoned) {
    failure.error = std::move(outcome).error();
    state->events.on_lost(id, failure);
  }
  co_return Result<void>();
}

// A notification, or the answer to a question of the server.
Task<void> run_post(Shared state, Message message) {
  auto text = print_message(message);
  state->door->show(Direction::kSent, text);
  TSUKAI_CO_TRY(auto stream, co_await HttpDoor::open(state->door, "POST", state->door->url(),
                                                     headers_of(*state, message), std::move(text)));
  const int status = stream->status();
  if (status >= 200 && status < 300) co_return Result<void>();
  TSUKAI_CO_TRY(auto body, co_await read_body(*stream));
  auto error = state->door->refusal(status, body);
  log_info("{}", error.text());
  co_return fail(std::move(error));
}

Task<void> say_goodbye(Shared state) {
  TSUKAI_CO_TRY(auto stream,
                co_await HttpDoor::open(
                    state->door, "DELETE", state->door->url(),
                    {{"MCP-Protocol-Version", state->version}, {"Mcp-Session-Id", state->session_id}}, ""));
  co_return Result<void>();
}

asio::awaitable<void> close_all(Shared state) { co_await state->gate.close(); }

class HttpLink : public ClientLink {
 public:
  HttpLink(asio::any_io_executor executor, Shared state)
      : executor_(std::move(executor)), state_(std::move(state)) {}
  ~HttpLink() override {
    state_->abandoned = true;
    if (state_->gate.alive() > 0) asio::co_spawn(executor_, close_all(state_), [](std::exception_ptr) {});
  }

  bool http() const override { return true; }
  std::string session_id() const override { return state_->session_id; }

  Result<void> send(const Message& message, HttpHeaders extra) override {
    if (state_->closing) return fail(Code::kCancelled, "the connection is closed");
    if (message.kind == MessageKind::kNotification && message.method == "notifications/cancelled") {
      bool modern = false;
      if (auto it = state_->posts.find(integer_at(*message.body, "requestId", -1));
          it != state_->posts.end()) {
        // In 2026-07-28 closing the stream is the message.
        modern = it->second.modern;
        auto child = it->second.child;
        state_->posts.erase(it);
        child.cancel();
      }
      if (modern) return {};
    }
    if (message.kind != MessageKind::kRequest) {
      state_->gate.spawn(run_post(state_, message));
      return {};
    }
    auto headers = headers_of(*state_, message);
    const bool modern = find_header(headers, "Mcp-Method") != nullptr;
    for (auto& header : extra) headers.push_back(std::move(header));
    auto& post = state_->posts[message.id->get<std::int64_t>()];
    post.modern = modern;
    state_->gate.spawn(run_request(state_, message, std::move(headers)), post.child);
    return {};
  }

  Task<void> post(Message message) override {
    const bool ready = message.method == "notifications/initialized";
    TSUKAI_CO_TRY_VOID(co_await run_post(state_, std::move(message)));
    if (ready) {
      listening_.cancel();
      state_->gate.spawn(listen(state_), listening_);
    }
    co_return Result<void>();
  }

  void opened(const std::string& version) override { state_->version = version; }

  asio::awaitable<void> shutdown() override {
    auto state = state_;
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    const bool first = !state->closing;
    state->closing = true;
    co_await state->gate.close();
    if (first && !state->session_id.empty()) {
      (void)co_await with_deadline(say_goodbye(state), kGoodbyeWait, "ending the session");
    }
  }

 private:
  asio::any_io_executor executor_;
  Shared state_;
  Gate::Child listening_;
};

}  // namespace

std::unique_ptr<ClientLink> make_http_link(asio::any_io_executor executor, const ServerConfig& config,
                                           std::shared_ptr<Authorizer> authorizer, OnMessage trace,
                                           LinkEvents events) {
  auto door = std::make_shared<HttpDoor>(executor, config, std::move(authorizer), std::move(trace));
  return std::make_unique<HttpLink>(executor,
                                    std::make_shared<State>(executor, std::move(door), std::move(events)));
}

}  // namespace tsukai::mcp
