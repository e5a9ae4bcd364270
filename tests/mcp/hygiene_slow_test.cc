// A thousand servers that do not want to go.
#include <doctest/doctest.h>

#include "base/gate.h"
#include "mcp/client.h"
#include "support/await.h"
#include "support/processes.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::mcp;

namespace {

// Answers initialize, then sleeps whatever happens to its input.
ServerConfig deaf(const std::string& pid_file) {
  ServerConfig config;
  config.name = "deaf";
  config.command = "sh";
  config.args = {
      "-c",
      "read line; echo $$ >>\"$PIDS\"; echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":"
      "\"2025-11-25\",\"capabilities\":{},\"serverInfo\":{\"name\":\"deaf\",\"version\":\"1\"}}}'; exec "
      "sleep 600"};
  config.env["PIDS"] = pid_file;
  config.era = Era::kLegacy;
  return config;
}

Task<void> visit(ServerConfig config, int& visited) {
  TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), {}));
  co_await client->shutdown();
  ++visited;
  co_return Result<void>();
}

Task<void> visit_all(ServerConfig config, int& visited) {
  for (int round = 0; round < 10; ++round) {
    Gate gate(co_await asio::this_coro::executor);
    for (int i = 0; i < 100; ++i) gate.spawn(visit(config, visited));
    co_await gate.drained();
  }
  co_return Result<void>();
}

}  // namespace

TEST_SUITE("mcp/hygiene") {
  TEST_CASE("a thousand connections to servers that ignore the end of their input leave no process") {
    ScratchDir dir;
    int visited = 0;
    REQUIRE(await(visit_all(deaf(dir / "pids"), visited)));
    CHECK(visited == 1000);
    std::istringstream pids(read_file(dir / "pids"));
    int count = 0, alive = 0;
    for (int pid = 0; pids >> pid; ++count) alive += gone(pid) ? 0 : 1;
    CHECK(count == 1000);
    CHECK(alive == 0);
  }
}
