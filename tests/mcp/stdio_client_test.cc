#include <doctest/doctest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "base/gate.h"
#include "mcp/client.h"
#include "mcp/support/echo_server.h"
#include "support/await.h"
#include "support/processes.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::mcp;
using namespace std::chrono_literals;

namespace {

ServerConfig script(std::string text) {
  ServerConfig config;
  config.name = "odd";
  config.command = "sh";
  config.args = {"-c", std::move(text)};
  return config;
}

Task<void> connect_only(ServerConfig config) {
  TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), {}));
  co_await client->shutdown();
  co_return Result<void>();
}

Error stdio_client_refusal(ServerConfig config) {
  auto connected = await(connect_only(std::move(config)));
  return connected ? Error(Code::kInternal, "it was connected") : connected.error();
}

// What one call gave, and what the client knows afterwards.
struct Outcome {
  Result<ToolResult> result;
  std::string stderr_tail;
  std::size_t junk_lines;
};

Task<Outcome> call_once(ServerConfig config, std::string tool, Json arguments, OnProgress on_progress = {}) {
  TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), {}));
  auto result = co_await client->call_tool(std::move(tool), std::move(arguments), std::move(on_progress));
  co_await client->shutdown();
  co_return Outcome{std::move(result), client->stderr_tail(), client->junk_lines()};
}

Outcome stdio_client_call(const EchoServer& server, std::string tool, Json arguments = Json::object(),
                          OnProgress on_progress = {}) {
  auto outcome =
      await(call_once(server.config, std::move(tool), std::move(arguments), std::move(on_progress)));
  if (!outcome) FAIL(outcome.error().text());
  CHECK(gone(server.pid()));
  return *std::move(outcome);
}

Task<std::vector<Tool>> list(ServerConfig config) {
  TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), {}));
  CHECK(client->server().name == "echo");
  CHECK(client->instructions() == "Echoes.");
  CHECK(client->protocol_version() == "2025-11-25");
  TSUKAI_CO_TRY_VOID(co_await client->ping());
  auto tools = co_await client->list_tools();
  co_await client->shutdown();
  co_return tools;
}

bool has(const std::string& text, std::string_view part) {
  CAPTURE(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("mcp/stdio_client") {
  TEST_CASE("a server sees the variables its entry names and a minimal set, and no other of ours") {
    ScratchDir folder;
    ::setenv("TSUKAI_TEST_SECRET", "not-for-servers", 1);
    auto config = script("env > " + (folder / "seen"));
    config.env = {{"GIVEN", "yes"}};
    (void)stdio_client_refusal(config);  // It ends at once.
    ::unsetenv("TSUKAI_TEST_SECRET");
    const auto seen = read_file(folder / "seen");
    CHECK(seen.find("GIVEN=yes") != std::string::npos);
    CHECK(seen.find("PATH=") != std::string::npos);
    CHECK(seen.find("not-for-servers") == std::string::npos);
    const std::set<std::string> minimal = {"GIVEN",
                                           "PATH",
                                           "HOME",
                                           "USER",
                                           "LOGNAME",
                                           "SHELL",
                                           "TERM",
                                           "LANG",
                                           "LC_ALL",
                                           "TZ",
                                           "TMPDIR",
                                           "XDG_CACHE_HOME",
                                           "XDG_CONFIG_HOME",
                                           "XDG_DATA_HOME",
                                           "XDG_RUNTIME_DIR",
                                           "LC_CTYPE",
                                           "PWD",
                                           "OLDPWD",
                                           "SHLVL",
                                           "_"};  // The last four are the shell's own.
    std::istringstream lines(seen);
    for (std::string line; std::getline(lines, line);) {
      CHECK_MESSAGE(minimal.contains(line.substr(0, line.find('='))), line);
    }
  }

  TEST_CASE("all pages of tools are listed, with whatever their definitions hold") {
    EchoServer server;
    auto tools = await(list(server.config));
    if (!tools) FAIL(tools.error().text());
    REQUIRE(tools->size() == 5);
    CHECK(tools->at(4).name == "ask");
    CHECK((*tools->at(0).whole)["description"] == "echo it");
    CHECK(gone(server.pid()));
  }

  TEST_CASE("a list that never ends is the server's fault") {
    EchoServer server("same-cursor");
    auto tools = await(list(server.config));
    REQUIRE_FALSE(tools);
    CHECK(tools.error().code() == Code::kProtocol);
  }

  TEST_CASE("a call brings text and structured content") {
    auto outcome = stdio_client_call(EchoServer(), "echo", {{"say", "hello\nworld"}, {"n", 1}});
    REQUIRE(outcome.result);
    CHECK(outcome.result->text() == "hello\nworld");
    CHECK((**outcome.result->structured_content)["n"] == 1);
    CHECK_FALSE(outcome.result->is_error);
  }

  TEST_CASE("a tool's own failure is an answer; a tool that is not there is not found") {
    CHECK(stdio_client_call(EchoServer(), "fail").result->is_error);
    auto missing = stdio_client_call(EchoServer(), "sing");
    CHECK(missing.result.error().code() == Code::kNotFound);
    CHECK(has(missing.result.error().text(), "server echo has no tool sing"));
  }

  TEST_CASE("the server's own questions are answered") {
    CHECK(stdio_client_call(EchoServer(), "ask", {{"method", "ping"}}).result->text() == "{}");
    CHECK(stdio_client_call(EchoServer(), "ask", {{"method", "roots/list"}}).result->text() ==
          R"({"roots": []})");
    CHECK(has(stdio_client_call(EchoServer(), "ask", {{"method", "sampling/createMessage"}}).result->text(),
              "-32601"));
  }

  TEST_CASE("a call past its deadline ends, and the server hears that it may stop") {
    EchoServer server;
    server.config.call_timeout = 300ms;
    std::string progress;
    auto outcome = stdio_client_call(server, "slow", Json::object(),
                                     [&](const Progress& seen) { progress = seen.message; });
    REQUIRE_FALSE(outcome.result);
    CHECK(outcome.result.error().code() == Code::kTimeout);
    CHECK(progress == "half");
    CHECK(has(outcome.stderr_tail, "cancelled 3"));
  }

  TEST_CASE("a server that dies in the middle of a call is told with its last words") {
    auto outcome = stdio_client_call(EchoServer(), "die");
    REQUIRE_FALSE(outcome.result);
    CHECK(outcome.result.error().code() == Code::kTransport);
    CHECK(has(outcome.result.error().text(), "exited with status 4"));
    CHECK(has(outcome.result.error().text(), "out of cheese"));
  }

  TEST_CASE("a command that does not exist is named") {
    ServerConfig config;
    config.name = "maps";
    config.command = "tsukai-mapz";
    auto error = stdio_client_refusal(config);
    CHECK(error.code() == Code::kNotFound);
    CHECK(has(error.text(), "server maps: command not found: tsukai-mapz"));
  }

  TEST_CASE("a server that exits at once is told with status and last words") {
    auto error = stdio_client_refusal(script("echo 'API key missing' >&2; exit 9"));
    CHECK(error.code() == Code::kTransport);
    CHECK(has(error.text(), "server odd exited with status 9; it said: API key missing"));
  }

  TEST_CASE("silence ends at the deadline") {
    auto config = script("cat >/dev/null");
    config.start_timeout = 100ms;
    auto error = stdio_client_refusal(config);
    CHECK(error.code() == Code::kTimeout);
    CHECK(has(error.text(), "server odd did not answer within 100 ms"));
  }

  TEST_CASE("a program that is no MCP server is recognised by what it prints") {
    auto config = script("echo 'Welcome to bc'; cat >/dev/null");
    config.start_timeout = 200ms;
    auto error = stdio_client_refusal(config);
    CHECK(error.code() == Code::kTimeout);
    CHECK(
        has(error.text(), "it wrote 1 line to stdout that is no protocol message, the first: Welcome to bc"));
  }

  TEST_CASE("junk between messages is counted and does no harm") {
    auto outcome = stdio_client_call(EchoServer("junk"), "echo", {{"say", "hi"}});
    CHECK(outcome.result->text() == "hi");
    CHECK(outcome.junk_lines == 3);
  }

  TEST_CASE("10 MB on stderr do no harm, and the last of it is kept") {
    auto outcome = stdio_client_call(EchoServer("flood"), "echo", {{"say", "hi"}});
    CHECK(outcome.result->text() == "hi");
    CHECK(outcome.stderr_tail.ends_with("all of it\n"));
    CHECK(outcome.stderr_tail.size() <= 65'536);
  }

  TEST_CASE("a server that answers every id twice is heard once") {
    CHECK(stdio_client_call(EchoServer("twice"), "echo", {{"say", "hi"}}).result->text() == "hi");
  }

  TEST_CASE("a server that ignores the end of its input is ended") {
    CHECK(stdio_client_call(EchoServer("deaf"), "echo", {{"say", "hi"}}).result->text() == "hi");
  }

  TEST_CASE("a grandchild goes with its server") {
    EchoServer server("grandchild");
    CHECK(stdio_client_call(server, "echo", {{"say", "hi"}}).result->text() == "hi");
    CHECK(gone(server.pid(".grandchild")));
  }

  TEST_CASE("a line of 100 MB breaks the connection with a clear error") {
    auto config = script("read x; head -c 100000000 /dev/zero | tr '\\0' x; cat");
    auto error = stdio_client_refusal(config);
    CHECK(error.code() == Code::kProtocol);
    CHECK(has(error.text(), "a line is longer than 16777216 bytes"));
  }

  TEST_CASE("every legacy revision is accepted, an unknown one refused by name") {
    for (const char* version : {"2024-11-05", "2025-03-26", "2025-06-18"}) {
      EchoServer server;
      server.config.env["VERSION"] = version;
      CHECK(stdio_client_call(server, "echo", {{"say", "hi"}}).result->text() == "hi");
    }
    EchoServer server;
    server.config.env["VERSION"] = "2019-01-01";
    auto error = stdio_client_refusal(server.config);
    CHECK(error.code() == Code::kProtocol);
    CHECK(has(error.text(), "speaks revision 2019-01-01"));
  }

  TEST_CASE("a client destroyed without shutdown takes its server along") {
    EchoServer server("grandchild");
    struct Drop {
      static Task<void> run(ServerConfig config) {
        TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), {}));
        TSUKAI_CO_TRY_VOID(co_await client->ping());
        co_return Result<void>();
      }
    };
    CHECK(await(Drop::run(server.config)).has_value());
    CHECK(gone(server.pid()));
    CHECK(gone(server.pid(".grandchild")));
  }

  TEST_CASE("every message is shown to who asks for a trace") {
    EchoServer server("junk");
    struct Trace {
      static Task<std::string> run(ServerConfig config) {
        std::string directions;
        ClientOptions options;
        options.on_message = [&](Direction direction, std::string_view) {
          directions += "srej"[static_cast<int>(direction)];
        };
        TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), std::move(options)));
        co_await client->shutdown();
        co_return directions;
      }
    };
    CHECK(await(Trace::run(server.config)).value() == "sjjjrsrs");
  }
}
