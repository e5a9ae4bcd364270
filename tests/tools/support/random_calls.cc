#include "tools/support/random_calls.h"

#include <nlohmann/json.hpp>

#include "base/gate.h"
#include "mcp/transport.h"
#include "support/await.h"

namespace tsukai {
namespace {

Json absurd(Random& random) {
  switch (random.below(14)) {
    case 0:
      return nullptr;
    case 1:
      return true;
    case 2:
      return -1;
    case 3:
      return 0;
    case 4:
      return 1e300;
    case 5:
      return 9223372036854775807LL;
    case 6:
      return "";
    case 7:
      return " ";
    case 8:
      return std::string(5000, 'x');
    case 9:
      return "'; DROP TABLE ledger; --";
    case 10:
      return "門\u0000🏮\"\\ %s *";
    case 11:
      return Json::array({1, "two"});
    case 12:
      return Json{{"nested", {{"deep", 1}}}};
    default:
      return "NaN";
  }
}

Json arguments_for(const Json& tool, const Plausible& plausible, Random& random) {
  Json arguments = Json::object();
  const Json& schema = tool.at("inputSchema");
  if (!schema.contains("properties")) return arguments;
  const Json required = schema.value("required", Json::array());
  for (const auto& [name, property] : schema.at("properties").items()) {
    const bool wanted = std::find(required.begin(), required.end(), name) != required.end();
    if (wanted ? random.below(40) == 0 : random.below(3) != 0) continue;
    arguments[name] =
        random.below(12) == 0 ? absurd(random) : plausible(tool.at("name").get<std::string>(), name, random);
  }
  if (random.below(50) == 0) arguments["no_such_argument"] = 1;
  return arguments;
}

Json request(int id, const char* method, Json params) {
  params["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                     {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
  return {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}};
}

Task<JsonValue> ask(mcp::Transport& transport, Json message) {
  const Json id = message.at("id");
  TSUKAI_CO_TRY_VOID(transport.send(print_json(message)));
  for (;;) {
    TSUKAI_CO_TRY(const auto text, co_await transport.receive());
    if (!text) co_return fail(Code::kTransport, "the server ended");
    TSUKAI_CO_TRY(const Json answer, parse_json(*text));
    if (!answer.contains("id") || answer.at("id") != id) continue;
    co_return answer.contains("result") ? answer.at("result") : Json{{"error", answer.at("error")}};
  }
}

Task<void> drive(mcp::Server& server, std::uint64_t seed, int count, Plausible plausible,
                 std::function<void(const RandomCall&)> seen) {
  const auto executor = co_await asio::this_coro::executor;
  auto [client, served] = mcp::memory_transports(executor);
  Gate gate(executor);
  gate.spawn(server.serve(std::move(served)));
  Random random(seed);
  TSUKAI_CO_TRY(const auto listed, co_await ask(*client, request(0, "tools/list", Json::object())));
  const Json& tools = listed->at("tools");
  for (int id = 1; id <= count; ++id) {
    const Json& tool = tools.at(random.below(tools.size()));
    RandomCall call{tool.at("name").get<std::string>(),
                    arguments_for(tool, plausible, random),
                    tool.at("inputSchema"),
                    {}};
    Json params = {{"name", call.tool}, {"arguments", *call.arguments}};
    TSUKAI_CO_TRY(call.result, co_await ask(*client, request(id, "tools/call", std::move(params))));
    seen(call);
  }
  client->close();
  co_await gate.close();
  co_return Result<void>();
}

}  // namespace

Result<void> make_random_calls(mcp::Server& server, std::uint64_t seed, int count, Plausible plausible,
                               std::function<void(const RandomCall&)> seen) {
  return await(drive(server, seed, count, std::move(plausible), std::move(seen)));
}

std::string error_text(const RandomCall& call) {
  if (call.result->contains("error")) return call.result->at("error").value("message", "");
  if (!bool_at(*call.result, "isError")) return {};
  const std::string text = call.result->at("content").at(0).value("text", "");
  return text.empty() ? "(an error without words)" : text;
}

bool names_an_argument(const RandomCall& call) {
  const std::string text = error_text(call);
  if (text.find("no_such_argument") != std::string::npos) return true;
  for (const auto& [name, property] : call.schema->at("properties").items()) {
    if (text.find(name) != std::string::npos) return true;
  }
  return false;
}

}  // namespace tsukai
