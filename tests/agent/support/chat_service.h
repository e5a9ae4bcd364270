// A chat completions service on loopback that answers what the test says, as badly as it says.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/http_server.h"
#include "base/json.h"

namespace tsukai::agent {

// One answer. `pieces` are written one by one, as they are.
struct ServiceTurn {
  int status = 200;
  HttpHeaders headers = {{"Content-Type", "text/event-stream"}};
  std::vector<std::string> pieces;
  bool hangs = false;  // After the pieces: until the client goes away.
  std::function<void()> before;
};

inline std::string event(const Json& data) { return "data: " + print_json(data) + "\n\n"; }
inline std::string delta(const Json& delta, const std::string& finish = {}) {
  Json choice = {{"index", 0}, {"delta", delta}, {"finish_reason", nullptr}};
  if (!finish.empty()) choice["finish_reason"] = finish;
  return event({{"object", "chat.completion.chunk"}, {"choices", Json::array({choice})}});
}
inline std::string call_piece(int index, const std::string& id, const std::string& name,
                              const std::string& arguments) {
  Json call = {{"index", index}, {"function", {{"arguments", arguments}}}};
  if (!id.empty()) call["id"] = id;
  if (!name.empty()) call["function"]["name"] = name;
  return delta({{"tool_calls", Json::array({call})}});
}
inline std::string usage(int prompt, int cached, int completion) {
  return event({{"choices", Json::array()},
                {"usage",
                 {{"prompt_tokens", prompt},
                  {"completion_tokens", completion},
                  {"prompt_tokens_details", {{"cached_tokens", cached}}}}}});
}
inline const std::string kDoneEvent = "data: [DONE]\n\n";

inline ServiceTurn text_turn(const std::string& text) {
  return {.pieces = {delta({{"role", "assistant"}, {"content", ""}}), delta({{"content", text}}),
                     delta(Json::object(), "stop"), usage(100, 60, 5), kDoneEvent}};
}
inline ServiceTurn call_turn(const std::string& name, const std::string& arguments) {
  return {.pieces = {call_piece(0, "call_1", name, ""), call_piece(0, "", "", arguments.substr(0, 3)),
                     call_piece(0, "", "", arguments.size() > 3 ? arguments.substr(3) : ""),
                     delta(Json::object(), "tool_calls"), usage(100, 0, 7), kDoneEvent}};
}
inline ServiceTurn error_turn(int status, const std::string& message, HttpHeaders headers = {}) {
  headers.emplace_back("Content-Type", "application/json");
  return {.status = status, .headers = headers, .pieces = {print_json({{"error", {{"message", message}}}})}};
}

class ChatService {
 public:
  explicit ChatService(asio::io_context& context) {
    auto listening = HttpServer::listen(context.get_executor(), {},
                                        [this](HttpExchange& exchange) { return answer(&exchange); });
    if (listening) server_ = *std::move(listening);
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()) + "/v1"; }
  asio::awaitable<void> close() { co_await server_->close(); }

  std::deque<ServiceTurn> turns;
  std::vector<HttpServerRequest> requests;
  Json body(std::size_t index) const { return parse_json(requests.at(index).body).value_or(Json()); }

 private:
  Task<void> answer(HttpExchange* exchange) {
    requests.push_back(exchange->request());
    if (turns.empty()) co_return co_await exchange->respond(500, {}, "the test has no more turns");
    const ServiceTurn turn = std::move(turns.front());
    turns.pop_front();
    if (turn.before) turn.before();
    if (turn.status != 200) {
      std::string whole;
      for (const auto& piece : turn.pieces) whole += piece;
      co_return co_await exchange->respond(turn.status, turn.headers, whole);
    }
    TSUKAI_CO_TRY_VOID(co_await exchange->start_stream(turn.status, turn.headers));
    for (const auto& piece : turn.pieces) {
      TSUKAI_CO_TRY_VOID(co_await exchange->write(piece));
    }
    if (turn.hangs) co_return co_await sleep_for(std::chrono::hours(1));
    co_return Result<void>();
  }

  std::unique_ptr<HttpServer> server_;
};

}  // namespace tsukai::agent
