#include "mcp/auth/redirect_listener.h"

#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>
#include <cstdlib>

#include "base/hash.h"
#include "mcp/auth/web_address.h"

namespace tsukai::mcp {
namespace {

constexpr const char* kPage =
    "<!doctype html><meta charset=utf-8><title>tsukai</title>"
    "<body style='font-family:sans-serif;margin:4em auto;max-width:30em'><h1>{}</h1><p>{}</p>";

HttpHeaders page_headers() {
  // The address bar holds a code: it must not leak to other sites, nor stay in a cache.
  return {{"Content-Type", "text/html; charset=utf-8"},
          {"Cache-Control", "no-store"},
          {"Referrer-Policy", "no-referrer"},
          {"Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"}};
}

}  // namespace

struct RedirectListener::State {
  explicit State(asio::any_io_executor executor) : wake(std::move(executor)) {
    wake.expires_at(asio::steady_timer::time_point::max());
  }
  std::unique_ptr<HttpServer> server;
  asio::steady_timer wake;
  std::string expected;
  std::optional<std::string> query;

  Task<void> serve(HttpExchange& exchange) {
    const std::string target = exchange.request().target;
    const auto mark = target.find('?');
    std::string query_text = mark == std::string::npos ? std::string() : target.substr(mark + 1);
    if (exchange.request().method != "GET" || target.substr(0, mark) != kPath) {
      co_return co_await exchange.respond(
          404, page_headers(), fmt::format(fmt::runtime(kPage), "Not here", "tsukai waits at another path."));
    }
    auto fields = parse_form(query_text);
    if (query || expected.empty() || !equal_secrets(fields["state"], expected)) {
      co_return co_await exchange.respond(
          400, page_headers(),
          fmt::format(fmt::runtime(kPage), "Not expected",
                      "This answers no question that tsukai is asking now. Start the login again."));
    }
    const bool refused = fields.contains("error");
    query = std::move(query_text);
    auto sent =
        co_await exchange.respond(200, page_headers(),
                                  fmt::format(fmt::runtime(kPage), refused ? "Not authorized" : "Done",
                                              "You can close this page and go back to the terminal."));
    wake.cancel();
    co_return sent;
  }
};

Result<std::unique_ptr<RedirectListener>> RedirectListener::listen(asio::any_io_executor executor,
                                                                   std::uint16_t port) {
  auto state = std::make_shared<State>(executor);
  HttpServerOptions options;
  options.port = port;
  options.body_bytes_max = 64u << 10;
  options.connections_max = 16;
  TSUKAI_TRY(state->server, HttpServer::listen(executor, options, [at = state.get()](HttpExchange& exchange) {
               return at->serve(exchange);
             }));
  return std::unique_ptr<RedirectListener>(new RedirectListener(std::move(state)));
}

RedirectListener::RedirectListener(std::shared_ptr<State> state) : state_(std::move(state)) {}
RedirectListener::~RedirectListener() = default;

std::string RedirectListener::uri() const {
  return fmt::format("http://127.0.0.1:{}{}", state_->server->port(), kPath);
}

Task<std::string> RedirectListener::redirected(std::string state) {
  state_->expected = std::move(state);
  while (!state_->query) {
    boost::system::error_code ignored;
    co_await state_->wake.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (state_->query) break;
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none)
      co_return fail(Code::kCancelled, "nobody waits for the browser any more");
  }
  co_return *state_->query;
}

asio::awaitable<void> RedirectListener::close() { co_await state_->server->close(); }

std::uint16_t port_of(const std::string& redirect_uri) {
  const auto address = parse_web_address(redirect_uri);
  if (!address) return 0;
  const auto colon = address->origin.rfind(':');
  const long port = std::strtol(address->origin.c_str() + colon + 1, nullptr, 10);
  return port > 0 && port < 65536 ? static_cast<std::uint16_t>(port) : 0;
}

}  // namespace tsukai::mcp
