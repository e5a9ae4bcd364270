#include "mcp/http_endpoint.h"

#include <fmt/format.h>

#include <charconv>
#include <deque>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "mcp/http_checks.h"
#include "mcp/version.h"

namespace tsukai::mcp {

struct HttpEndpoint::Session {
  Session(Registry& registry, asio::any_io_executor executor, std::string given)
      : id(std::move(given)),
        connection(registry, executor),
        announcements(std::make_shared<ReplyStream>(executor, "s0", SIZE_MAX)) {}

  std::shared_ptr<ReplyStream> stream(asio::any_io_executor executor, std::size_t owed) {
    streams.push_back(std::make_shared<ReplyStream>(executor, fmt::format("s{}", ++last), owed));
    // What has been answered longest ago goes first; streams still being worked on stay.
    for (auto it = streams.begin(); streams.size() > kStreamsMax && it != streams.end();) {
      it = (*it)->complete() ? streams.erase(it) : std::next(it);
    }
    return streams.back();
  }

  std::string id;
  ServerConnection connection;
  std::shared_ptr<ReplyStream> announcements;
  bool listening = false;  // A GET stream is open.
  std::deque<std::shared_ptr<ReplyStream>> streams;
  std::size_t last = 0;
};

namespace {

HttpHeaders json_type() { return {{"Content-Type", "application/json"}}; }

// An error that belongs to no request.
std::string error_body(int code, std::string why) {
  return print_message(failure({}, {code, std::move(why), {}}));
}

int status_of(const Message& answer) {
  if (answer.kind != MessageKind::kError) return 200;
  if (answer.error.code == kMethodNotFound) return 404;
  return answer.error.refused ? 400 : 200;
}

// Keys are not kept, only told apart.
std::string principal_of(const HttpServerRequest& request, const HttpServeOptions& options) {
  if (options.bearer_keys.empty()) return {};
  return sha256_hex(trimmed(header_text(request.headers, "Authorization").substr(7)));
}

bool says_modern(const HttpServerRequest& request, const Message& message) {
  const Json* meta = find(*message.body, "_meta");
  if (meta != nullptr && find(*meta, kMetaVersion) != nullptr) return true;
  return trimmed(header_text(request.headers, "MCP-Protocol-Version")) == kModernVersion;
}

}  // namespace

HttpEndpoint::HttpEndpoint(Registry& registry, HttpServeOptions options, asio::any_io_executor executor)
    : registry_(registry), options_(std::move(options)), executor_(std::move(executor)) {}
HttpEndpoint::~HttpEndpoint() = default;

asio::awaitable<void> HttpEndpoint::close() {
  auto sessions = std::move(sessions_);
  sessions_.clear();
  for (auto& [id, session] : sessions) co_await session->connection.abort();
}

Task<void> HttpEndpoint::handle(HttpExchange& exchange) {
  const auto& request = exchange.request();
  if (auto refusal = check_access(request, options_)) {
    auto headers = std::move(refusal->headers);
    headers.emplace_back("Content-Type", "application/json");
    co_return co_await exchange.respond(refusal->status, std::move(headers),
                                        error_body(kInvalidRequest, refusal->why));
  }
  if (request.method == "POST") co_return co_await post(exchange);
  const bool session = find_header(request.headers, "Mcp-Session-Id") != nullptr;
  if (request.method == "GET" && session) co_return co_await get(exchange);
  if (request.method == "DELETE" && session) co_return co_await remove(exchange);
  co_return co_await exchange.respond(405, {{"Allow", "POST"}, {"Content-Type", "application/json"}},
                                      error_body(kInvalidRequest, "send requests with POST"));
}

Task<void> HttpEndpoint::post(HttpExchange& exchange) {
  const auto& request = exchange.request();
  const auto type = header_text(request.headers, "Content-Type");
  if (!equal_ignoring_case(trimmed(type.substr(0, type.find(';'))), "application/json")) {
    co_return co_await exchange.respond(415, json_type(),
                                        error_body(kInvalidRequest, "Content-Type must be application/json"));
  }
  auto parsed = parse_messages(request.body);
  if (!parsed) {
    co_return co_await exchange.respond(400, json_type(),
                                        print_message(failure(parsed.error().id, parsed.error().error)));
  }
  if (!parsed->batch && says_modern(request, parsed->messages[0])) {
    co_return co_await post_modern(exchange, std::move(parsed->messages[0]));
  }
  co_return co_await post_legacy(exchange, *std::move(parsed));
}

Task<void> HttpEndpoint::post_modern(HttpExchange& exchange, Message message) {
  if (message.kind != MessageKind::kRequest) {
    // There is nothing that a notification could change here; answers are not sent in this era.
    const bool fine = message.kind == MessageKind::kNotification;
    co_return co_await exchange.respond(fine ? 202 : 400, json_type(),
                                        fine ? "" : error_body(kInvalidRequest, "only requests are taken"));
  }
  if (message.body.is_null()) message.body = Json::object();
  const Json* meta = find(*message.body, "_meta");
  std::optional<RpcError> wrong;
  if (meta == nullptr || find(*meta, kMetaVersion) == nullptr) {
    wrong = RpcError{kInvalidParams, fmt::format("params._meta needs \"{}\"", kMetaVersion), {}, true};
  } else {
    wrong = check_headers(exchange.request(), message, registry_);
  }
  // A version that is not known has rules that are not known: that is said first.
  if (wrong && meta != nullptr && find(*meta, kMetaVersion) != nullptr) {
    const auto header = trimmed(header_text(exchange.request().headers, "MCP-Protocol-Version"));
    if (string_at(*meta, kMetaVersion) != kModernVersion && header == string_at(*meta, kMetaVersion))
      wrong.reset();
  }
  if (wrong)
    co_return co_await exchange.respond(400, json_type(), print_message(failure(message.id, *wrong)));

  auto stream = std::make_shared<ReplyStream>(executor_, "r", 1);
  ServerConnection connection(registry_, executor_);
  connection.set_principal(principal_of(exchange.request(), options_));
  connection.deliver(std::move(message), [stream](Message out) { stream->push(out); });
  Result<void> outcome;
  try {
    outcome = co_await answer(exchange, stream, true, false, {});
  } catch (const boost::system::system_error&) {
    outcome = fail(Code::kCancelled, "the client is gone");
  }
  // In this era a closed stream is a cancelled request.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await connection.abort();
  co_return outcome;
}

Task<void> HttpEndpoint::post_legacy(HttpExchange& exchange, Parsed parsed) {
  const auto& request = exchange.request();
  std::size_t owed = 0;
  bool opens = false;
  for (const auto& message : parsed.messages) {
    owed += message.kind == MessageKind::kRequest;
    opens = opens || message.method == "initialize";
  }
  std::shared_ptr<Session> session;
  HttpHeaders headers;
  if (opens) {
    if (sessions_.size() >= kSessionsMax) {
      co_return co_await exchange.respond(503, json_type(),
                                          error_body(kInternalError, "too many sessions are open"));
    }
    session = std::make_shared<Session>(registry_, executor_, random_id(32));
    session->connection.set_principal(principal_of(request, options_));
    session->connection.set_announcements(
        [stream = session->announcements](Message out) { stream->push(out); });
    sessions_.emplace(session->id, session);
    headers.emplace_back("Mcp-Session-Id", session->id);
  } else {
    TSUKAI_CO_TRY(session, co_await session_of(exchange));
    if (!session) co_return Result<void>();
    const auto version = std::string(trimmed(header_text(request.headers, "MCP-Protocol-Version")));
    if (!version.empty() && !is_legacy(version)) {
      co_return co_await exchange.respond(
          400, json_type(),
          error_body(kInvalidRequest, fmt::format("protocol version {} is not known", version)));
    }
    if (parsed.batch && session->connection.version() != "2025-03-26") {
      co_return co_await exchange.respond(400, json_type(),
                                          error_body(kInvalidRequest, "batches exist in 2025-03-26 only"));
    }
  }
  auto stream = owed > 0 ? session->stream(executor_, owed) : nullptr;
  const Outlet outlet = [stream](Message out) {
    if (stream) stream->push(out);
  };
  for (auto& message : parsed.messages) session->connection.deliver(std::move(message), outlet);
  if (!stream) co_return co_await exchange.respond(202, {}, "");
  const bool resumable = session->connection.version() >= "2025-11-25" && !opens;
  // Closing the connection cancels nothing here: the client may come back for the rest.
  co_return co_await answer(exchange, std::move(stream), false, resumable, std::move(headers));
}

// An answer that is there soon and alone goes as JSON, with a status that fits; else a stream begins.
Task<void> HttpEndpoint::answer(HttpExchange& exchange, std::shared_ptr<ReplyStream> stream, bool modern,
                                bool resumable, HttpHeaders headers) {
  const auto accepts = header_text(exchange.request().headers, "Accept");
  const bool streams = accepts.empty() || accepts.find("text/event-stream") != std::string::npos ||
                       accepts.find("*/*") != std::string::npos;
  if (streams) {
    TSUKAI_CO_TRY_VOID(co_await stream->more_than(0, kPlainWait));
  }
  while (!streams && !stream->complete()) {
    TSUKAI_CO_TRY_VOID(co_await stream->more_than(stream->size(), std::chrono::hours(1)));
  }
  if (stream->complete() && (stream->size() == 1 || !streams)) {
    headers.emplace_back("Content-Type", "application/json");
    const int status = modern ? status_of(stream->last()) : 200;
    co_return co_await exchange.respond(status, std::move(headers), stream->event(stream->size() - 1));
  }
  co_return co_await pump(exchange, std::move(stream), 0, resumable, std::move(headers));
}

Task<std::shared_ptr<HttpEndpoint::Session>> HttpEndpoint::session_of(HttpExchange& exchange) {
  const auto* id = find_header(exchange.request().headers, "Mcp-Session-Id");
  if (id == nullptr) {
    TSUKAI_CO_TRY_VOID(co_await exchange.respond(
        400, json_type(),
        error_body(kInvalidRequest, "header Mcp-Session-Id is missing; begin with initialize")));
    co_return std::shared_ptr<Session>();
  }
  auto it = sessions_.find(std::string(trimmed(*id)));
  if (it == sessions_.end() ||
      it->second->connection.principal() != principal_of(exchange.request(), options_)) {
    TSUKAI_CO_TRY_VOID(co_await exchange.respond(
        404, json_type(),
        error_body(kInvalidRequest, "there is no such session; begin again with initialize")));
    co_return std::shared_ptr<Session>();
  }
  co_return it->second;
}

Task<void> HttpEndpoint::get(HttpExchange& exchange) {
  TSUKAI_CO_TRY(auto session, co_await session_of(exchange));
  if (!session) co_return Result<void>();
  auto stream = session->announcements;
  std::size_t from = stream->size();
  const auto after = header_text(exchange.request().headers, "Last-Event-ID");
  if (const auto dash = after.rfind('-'); dash != std::string::npos) {
    std::from_chars(after.data() + dash + 1, after.data() + after.size(), from);
    if (after.substr(0, dash) != stream->name()) {
      stream = nullptr;
      for (const auto& kept : session->streams) {
        if (kept->name() == after.substr(0, dash)) stream = kept;
      }
    }
    if (!stream || from > stream->size()) {
      co_return co_await exchange.respond(400, json_type(),
                                          error_body(kInvalidRequest, "no such Last-Event-ID"));
    }
    co_return co_await pump(exchange, stream, from, true, {});
  }
  if (session->listening) {
    co_return co_await exchange.respond(409, json_type(),
                                        error_body(kInvalidRequest, "a GET stream is open already"));
  }
  struct Listening {
    Session& session;
    explicit Listening(Session& given) : session(given) { session.listening = true; }
    ~Listening() { session.listening = false; }
  } listening(*session);
  co_return co_await pump(exchange, stream, from, session->connection.version() >= "2025-11-25", {});
}

Task<void> HttpEndpoint::remove(HttpExchange& exchange) {
  TSUKAI_CO_TRY(auto session, co_await session_of(exchange));
  if (!session) co_return Result<void>();
  sessions_.erase(session->id);
  co_await session->connection.abort();
  co_return co_await exchange.respond(204, {}, "");
}

}  // namespace tsukai::mcp
