#include "tools/support/wire.h"

#include <nlohmann/json.hpp>

#include "base/http_client.h"
#include "base/process.h"

namespace tsukai {
namespace {

constexpr const char* kKey = "test-key";

Json handshake() {
  return {{"protocolVersion", "2025-11-25"},
          {"capabilities", Json::object()},
          {"clientInfo", {{"name", "t"}, {"version", "1"}}}};
}

Json message(int id, const std::string& method, const JsonValue& given, Era era) {
  Json params = given.is_null() ? Json::object() : *given;
  if (era == Era::kModern) {
    params["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                       {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
  }
  return {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}};
}

JsonValue result_of(const Json& answer) {
  return answer.contains("result") ? answer.at("result") : Json{{"error", answer.at("error")}};
}

Result<std::unique_ptr<Process>> start(const asio::any_io_executor& executor, std::string program,
                                       std::vector<std::string> args) {
  ProcessOptions options;
  options.command = std::move(program);
  options.args = std::move(args);
  options.env = minimal_environment();
  return Process::start(executor, std::move(options));
}

class StdioWire final : public Wire {
 public:
  StdioWire(std::unique_ptr<Process> process, Era era) : process_(std::move(process)), era_(era) {}

  Task<JsonValue> request(std::string method, JsonValue params) override {
    const int id = ++last_;
    TSUKAI_CO_TRY_VOID(process_->in().push(print_json(message(id, method, params, era_))));
    for (;;) {
      TSUKAI_CO_TRY(const auto line, co_await process_->out().next());
      if (!line) co_return fail(Code::kTransport, "the server ended: " + process_->stderr_tail());
      TSUKAI_CO_TRY(const Json answer, parse_json(*line));
      if (answer.contains("id") && answer.at("id") == id) co_return result_of(answer);
    }
  }
  asio::awaitable<void> close() override { co_await process_->shutdown(); }

  Task<void> greet() {
    if (era_ == Era::kModern) co_return Result<void>();
    TSUKAI_CO_TRY_VOID(co_await request("initialize", handshake()));
    co_return process_->in().push(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  }

 private:
  std::unique_ptr<Process> process_;
  Era era_;
  int last_ = 0;
};

class HttpWire final : public Wire {
 public:
  HttpWire(std::unique_ptr<Process> process, std::unique_ptr<HttpClient> client, std::string url, Era era)
      : process_(std::move(process)), client_(std::move(client)), url_(std::move(url)), era_(era) {}

  Task<JsonValue> request(std::string method, JsonValue params) override {
    HttpRequest request{.method = "POST", .url = url_};
    request.headers = {{"Content-Type", "application/json"},
                       {"Accept", "application/json, text/event-stream"},
                       {"Authorization", std::string("Bearer ") + kKey}};
    if (era_ == Era::kModern) {
      request.headers.emplace_back("MCP-Protocol-Version", "2026-07-28");
      request.headers.emplace_back("Mcp-Method", method);
      if (method == "tools/call") request.headers.emplace_back("Mcp-Name", string_at(*params, "name"));
    } else if (!session_.empty()) {
      request.headers.emplace_back("Mcp-Session-Id", session_);
      request.headers.emplace_back("MCP-Protocol-Version", "2025-11-25");
    }
    request.body = print_json(message(++last_, method, params, era_));
    TSUKAI_CO_TRY(const HttpResponse response, co_await client_->fetch(std::move(request)));
    if (const auto session = header_text(response.headers, "Mcp-Session-Id"); !session.empty())
      session_ = session;
    // A stream of events ends with the answer.
    std::string body = response.body;
    if (const auto data = body.rfind("data: {"); !body.starts_with('{') && data != std::string::npos)
      body = body.substr(data + 6, body.find('\n', data) - data - 6);
    auto answer = parse_json(body);
    if (!answer)
      co_return fail(Code::kProtocol, "HTTP " + std::to_string(response.status) + ": " + response.body);
    co_return result_of(*answer);
  }
  asio::awaitable<void> close() override { co_await process_->shutdown(); }

  Task<void> greet() {
    if (era_ == Era::kModern) co_return Result<void>();
    TSUKAI_CO_TRY_VOID(co_await request("initialize", handshake()));
    co_return Result<void>();
  }

 private:
  std::unique_ptr<Process> process_;
  std::unique_ptr<HttpClient> client_;
  std::string url_;
  Era era_;
  std::string session_;
  int last_ = 0;
};

}  // namespace

Task<JsonValue> Wire::call(std::string tool, JsonValue arguments) {
  co_return co_await request("tools/call", Json{{"name", std::move(tool)}, {"arguments", *arguments}});
}

Task<std::unique_ptr<Wire>> Wire::open(std::string program, std::vector<std::string> args, Over over,
                                       Era era) {
  const auto executor = co_await asio::this_coro::executor;
  if (over == Over::kStdio) {
    TSUKAI_CO_TRY(auto process, start(executor, std::move(program), std::move(args)));
    auto wire = std::make_unique<StdioWire>(std::move(process), era);
    TSUKAI_CO_TRY_VOID(co_await wire->greet());
    co_return std::unique_ptr<Wire>(std::move(wire));
  }
  args.insert(args.end(), {"--http", "127.0.0.1:0", "--key", kKey});
  TSUKAI_CO_TRY(auto process, start(executor, std::move(program), std::move(args)));
  TSUKAI_CO_TRY(const auto url, co_await process->out().next());
  if (!url) co_return fail(Code::kTransport, "no URL was printed: " + process->stderr_tail());
  auto wire = std::make_unique<HttpWire>(std::move(process), HttpClient::make(executor), *url, era);
  TSUKAI_CO_TRY_VOID(co_await wire->greet());
  co_return std::unique_ptr<Wire>(std::move(wire));
}

}  // namespace tsukai
