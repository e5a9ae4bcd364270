// Calls that become tasks: our client against our server over HTTP and stdio, in both eras, and what the
// server says message by message.
#include <doctest/doctest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/gate.h"
#include "mcp/client.h"
#include "mcp/server.h"
#include "mcp/server_tasks.h"
#include "support/await.h"
#include "support/fake_clock.h"

using namespace tsukai;
using namespace tsukai::mcp;
using namespace std::chrono_literals;

namespace {

constexpr const char* kTasksServeOverStdio = "a server of long work over stdio";

// What the handlers of one server have met.
struct Work {
  bool begun = false;
  bool may_end = false;
  int cancelled = 0;
};

Task<ToolOutput> add_slowly(Json arguments, CallContext& context) {
  context.progress(1, 2, "half");
  TSUKAI_CO_TRY_VOID(co_await sleep_for(60ms));
  co_return ToolOutput{Json{{"sum", arguments["a"].get<int>() + arguments["b"].get<int>()}}, "", {}};
}
Task<ToolOutput> ask_twice(Json, CallContext& context) {
  std::map<std::string, InputRequest> form, model;
  form["who"] = {"elicitation/create", Json::parse(R"({"message": "Who?", "requestedSchema": {
      "type": "object", "properties": {"name": {"type": "string"}}}})")};
  TSUKAI_CO_TRY(auto first, co_await context.ask(form));
  form["who"].params = Json::parse(R"({"message": "Really?", "requestedSchema": {"type": "object",
      "properties": {"name": {"type": "string"}}}})");
  TSUKAI_CO_TRY(auto second, co_await context.ask(form));
  co_return ToolOutput{{}, (*first["who"])["content"].dump() + (*second["who"])["content"].dump(), {}};
}
Task<ToolOutput> ask_then_work(Json, CallContext& context) {
  std::map<std::string, InputRequest> form;
  form["who"] = {"elicitation/create", Json{{"message", "Who?"}}};
  TSUKAI_CO_TRY(auto answers, co_await context.ask(form));
  TSUKAI_CO_TRY_VOID(context.begin_task());
  co_return ToolOutput{{}, "worked for " + string_at((*answers["who"])["content"], "name"), {}};
}
// Cancellation ends a handler at whatever it waits for, by an error or by an exception.
Task<ToolOutput> until_told(Work& work, CallContext& context) {
  struct Counted {
    Work& work;
    bool ended = false;
    ~Counted() { work.cancelled += ended ? 0 : 1; }
  } counted{work};
  work.begun = true;
  while (!work.may_end) TSUKAI_CO_TRY_VOID(co_await sleep_for(1ms));
  counted.ended = true;
  co_return ToolOutput{{}, context.cancelled() ? "cancelled" : "ended", {}};
}
Task<ToolOutput> break_down(Json, CallContext&) { co_return fail(Code::kNotFound, "no such street"); }

std::unique_ptr<Server> long_worker(Work& work) {
  auto server = Server::make({{"worker", "", "1"}});
  TaskRules optional, required, asks_first;
  optional.poll = required.poll = asks_first.poll = 10ms;
  required.required = asks_first.required = true;
  asks_first.at_once = false;
  const auto add = [&](const char* name, ToolHandler handler, TaskRules rules) {
    Tool tool;
    tool.name = name;
    tool.description = name;
    server->add_task_tool(tool, std::move(handler), rules);
  };
  add("add_slowly", add_slowly, optional);
  add("ask_twice", ask_twice, required);
  add("ask_then_work", ask_then_work, asks_first);
  add("until_told", [&](Json, CallContext& context) { return until_told(work, context); }, optional);
  add("break_down", break_down, optional);
  Tool plain;
  plain.name = "plain";
  server->add_tool(plain, break_down);
  return server;
}

Task<JsonValue> give_name(int& asked) {
  co_return JsonValue(Json{{"action", "accept"}, {"content", {{"name", ++asked == 1 ? "Mika" : "Mika!"}}}});
}

template <typename Condition>
Task<bool> tasks_eventually(Condition condition) {
  for (int i = 0; i < 5000 && !condition(); ++i) TSUKAI_CO_TRY_VOID(co_await sleep_for(1ms));
  co_return condition();
}

Task<void> drop_out(Client& client, std::string& task) {
  auto lost = co_await client.call_tool_as_task("until_told", Json::object(),
                                                [&](const std::string& id) { task = id; });
  CHECK_FALSE(lost);
  co_return Result<void>();
}

// `work`: that of a server in this process.
Task<void> call_everything(ServerConfig config, const Work* work = nullptr) {
  int asked = 0;
  ClientOptions options;
  options.on_elicitation = [&](JsonValue) { return give_name(asked); };
  TSUKAI_CO_TRY(auto client, co_await Client::connect(std::move(config), options));
  TSUKAI_CO_TRY_VOID(co_await client->list_tools());
  std::string task, progress;
  const OnTask on_task = [&](const std::string& id) { task = id; };
  TSUKAI_CO_TRY(auto sum,
                co_await client->call_tool_as_task("add_slowly", {{"a", 40}, {"b", 2}}, on_task,
                                                   [&](const Progress& seen) { progress = seen.message; }));
  CHECK(task.size() >= 26);
  CHECK(sum.structured_content.value_or(JsonValue()).print() == R"({"sum":42})");
  CHECK(progress == "half");

  TSUKAI_CO_TRY(auto who, co_await client->call_tool("ask_twice", Json::object()));
  CHECK(who.text() == R"({"name":"Mika"}{"name":"Mika!"})");
  CHECK(asked == 2);
  TSUKAI_CO_TRY(auto worked, co_await client->call_tool("ask_then_work", Json::object()));
  CHECK(worked.text() == "worked for Mika!");

  TSUKAI_CO_TRY(auto broken, co_await client->call_tool_as_task("break_down", Json::object(), on_task));
  CHECK(broken.is_error);
  CHECK(broken.text().find("no such street") != std::string::npos);
  std::string given_up;
  Gate gate(co_await asio::this_coro::executor);
  gate.spawn(drop_out(*client, given_up));
  TSUKAI_CO_TRY(const bool begun, co_await tasks_eventually(
                                      [&] { return !given_up.empty() && (work == nullptr || work->begun); }));
  CHECK(begun);
  co_await gate.close();
  auto gone = co_await client->await_task("nonsense", "add_slowly");
  REQUIRE_FALSE(gone);
  CHECK(gone.error().code() == Code::kNotFound);
  co_await client->shutdown();
  co_return Result<void>();
}

// Serves over HTTP while `use` runs.
template <typename Use>
Task<void> over_http(Era era, Work& work, Use use) {
  auto server = long_worker(work);
  Gate gate(co_await asio::this_coro::executor);
  ServerConfig config;
  config.name = "worker";
  config.era = era;
  HttpServeOptions options;
  options.on_listening = [&](std::uint16_t port) {
    config.url = "http://127.0.0.1:" + std::to_string(port) + "/mcp";
  };
  gate.spawn(server->serve_http(options));
  while (config.url.empty()) TSUKAI_CO_TRY_VOID(co_await sleep_for(1ms));
  auto outcome = co_await use(config);
  co_await gate.close();
  co_return outcome;
}

// A client is gone while its task works; another one waits for the end.
Task<void> take_over(ServerConfig config, Work& work) {
  TSUKAI_CO_TRY(auto first, co_await Client::connect(config, {}));
  TSUKAI_CO_TRY_VOID(co_await first->list_tools());
  std::string task;
  Gate gate(co_await asio::this_coro::executor);
  gate.spawn(drop_out(*first, task));
  TSUKAI_CO_TRY(const bool begun, co_await tasks_eventually([&] { return !task.empty(); }));
  CHECK(begun);
  co_await first->shutdown();
  co_await gate.drained();
  CHECK(work.cancelled == 0);
  TSUKAI_CO_TRY(auto second, co_await Client::connect(config, {}));
  work.may_end = true;
  TSUKAI_CO_TRY(auto result, co_await second->await_task(task, "until_told"));
  CHECK(result.text() == "ended");
  co_await second->shutdown();
  co_return Result<void>();
}

ServerConfig tasks_over_stdio(Era era) {
  ServerConfig config;
  config.name = "worker";
  config.command = "/proc/" + std::to_string(::getpid()) + "/exe";
  config.args = {std::string("--test-case=") + kTasksServeOverStdio, "--no-skip", "--out=/dev/null"};
  config.env["TSUKAI_TEST_SERVES"] = "1";
  config.era = era;
  return config;
}

void tasks_good(Result<void> outcome) {
  if (!outcome) FAIL(outcome.error().text());
}

// A client that says what it is told to, message by message, over memory.
struct Wire {
  explicit Wire(asio::any_io_executor executor) : server(long_worker(work)), gate(executor) {
    auto [mine, theirs] = memory_transports(executor);
    transport = std::move(mine);
    gate.spawn(server->serve(std::move(theirs)));
  }
  // The answer to a request; what comes before it is kept.
  Task<Json> ask(std::string method, Json params) {
    const int id = ++last;
    (void)transport->send(
        Json{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}}.dump());
    while (true) {
      TSUKAI_CO_TRY(auto text, co_await with_deadline(transport->receive(), 5s, "hearing the server"));
      if (!text) co_return fail(Code::kTransport, "the server has ended");
      Json message = Json::parse(*text);
      if (message.value("id", Json()) == id && !message.contains("method")) co_return message;
      heard.push_back(std::move(message));
    }
  }
  Task<Json> open(std::string version) {
    return ask("initialize", {{"protocolVersion", version},
                              {"capabilities", Json::object()},
                              {"clientInfo", {{"name", "t"}, {"version", "1"}}}});
  }
  asio::awaitable<void> close() {
    transport->end();
    co_await gate.drained();
  }
  Work work;
  std::unique_ptr<Server> server;
  std::unique_ptr<Transport> transport;
  Gate gate;
  std::vector<Json> heard;
  int last = 0;
};

template <typename Talk>
void tasks_talk(Talk talk) {
  struct Run {
    static Task<void> run(Talk talk) {
      Wire wire(co_await asio::this_coro::executor);
      auto outcome = co_await talk(wire);
      co_await wire.close();
      co_return outcome;
    }
  };
  tasks_good(await(Run::run(talk)));
}

Task<void> legacy_rules(Wire& wire) {
  TSUKAI_CO_TRY(auto opened, co_await wire.open("2025-11-25"));
  CHECK(opened["result"]["capabilities"]["tasks"]["requests"]["tools"]["call"].is_object());
  TSUKAI_CO_TRY(auto listed, co_await wire.ask("tools/list", Json::object()));
  const Json& tools = listed["result"]["tools"];
  CHECK(tools[0]["execution"]["taskSupport"] == "optional");
  CHECK(tools[1]["execution"]["taskSupport"] == "required");
  CHECK_FALSE(tools[5].contains("execution"));

  TSUKAI_CO_TRY(auto not_so, co_await wire.ask("tools/call", {{"name", "ask_twice"}}));
  CHECK(not_so["error"]["code"] == -32601);
  TSUKAI_CO_TRY(auto never, co_await wire.ask("tools/call", {{"name", "plain"}, {"task", Json::object()}}));
  CHECK(never["error"]["code"] == -32601);

  TSUKAI_CO_TRY(auto made,
                co_await wire.ask("tools/call", {{"name", "break_down"}, {"task", {{"ttl", 5000}}}}));
  const Json& task = made["result"]["task"];
  CHECK(task["status"] == "working");
  CHECK(task["ttl"] == 5000);
  const Json named = {{"taskId", task["taskId"]}};
  TSUKAI_CO_TRY(auto result, co_await wire.ask("tasks/result", named));
  CHECK(result["result"]["isError"] == true);
  CHECK(result["result"]["_meta"]["io.modelcontextprotocol/related-task"] == named);
  TSUKAI_CO_TRY(auto now, co_await wire.ask("tasks/get", named));
  CHECK(now["result"]["status"] == "failed");  // That is what this revision calls isError.
  CHECK_FALSE(now["result"].contains("result"));
  TSUKAI_CO_TRY(auto over, co_await wire.ask("tasks/cancel", named));
  CHECK(over["error"]["code"] == -32602);
  REQUIRE_FALSE(wire.heard.empty());
  CHECK(wire.heard.back()["method"] == "notifications/tasks/status");
  CHECK(wire.heard.back()["params"]["status"] == "failed");

  TSUKAI_CO_TRY(auto stuck,
                co_await wire.ask("tools/call", {{"name", "until_told"}, {"task", Json::object()}}));
  const Json other = {{"taskId", stuck["result"]["task"]["taskId"]}};
  TSUKAI_CO_TRY(auto cancelled, co_await wire.ask("tasks/cancel", other));
  CHECK(cancelled["result"]["status"] == "cancelled");
  TSUKAI_CO_TRY(auto nothing, co_await wire.ask("tasks/result", other));
  CHECK(nothing["error"]["message"] == "the task was cancelled");
  TSUKAI_CO_TRY(auto all, co_await wire.ask("tasks/list", Json::object()));
  CHECK(all["result"]["tasks"].size() == 2);
  TSUKAI_CO_TRY(auto nowhere, co_await wire.ask("tasks/list", {{"cursor", "x"}}));
  CHECK(nowhere["error"]["code"] == -32602);
  TSUKAI_CO_TRY(auto unknown, co_await wire.ask("tasks/get", {{"taskId", "x"}}));
  CHECK(unknown["error"]["code"] == -32602);
  co_return Result<void>();
}

Task<void> older_revision(Wire& wire) {
  TSUKAI_CO_TRY(auto opened, co_await wire.open("2025-06-18"));
  CHECK_FALSE(opened["result"]["capabilities"].contains("tasks"));
  TSUKAI_CO_TRY(auto called, co_await wire.ask("tools/call", {{"name", "add_slowly"},
                                                              {"arguments", {{"a", 1}, {"b", 2}}},
                                                              {"task", Json::object()}}));
  CHECK(called["result"]["structuredContent"]["sum"] == 3);
  TSUKAI_CO_TRY(auto none, co_await wire.ask("tasks/list", Json::object()));
  CHECK(none["error"]["code"] == -32601);
  co_return Result<void>();
}

Json tasks_modern(Json params) {
  params["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                     {"io.modelcontextprotocol/clientCapabilities",
                      {{"elicitation", Json::object()},
                       {"extensions", {{"io.modelcontextprotocol/tasks", Json::object()}}}}}};
  return params;
}

Task<void> told_by_notification(Wire& wire) {
  TSUKAI_CO_TRY(auto made, co_await wire.ask("tools/call", tasks_modern({{"name", "until_told"}})));
  CHECK(made["result"]["resultType"] == "task");
  const Json id = made["result"]["taskId"];
  wire.work.may_end = true;
  // Open until the connection ends, so no answer is waited for.
  (void)wire.transport->send(Json{{"jsonrpc", "2.0"},
                                  {"id", "listen"},
                                  {"method", "subscriptions/listen"},
                                  {"params", tasks_modern({{"notifications", {{"taskIds", {id, "x"}}}}})}}
                                 .dump());
  Json last;
  while (string_at(last, "status") != "completed") {
    TSUKAI_CO_TRY(auto text, co_await with_deadline(wire.transport->receive(), 5s, "hearing of the task"));
    const Json message = Json::parse(text.value_or("{}"));
    if (message["method"] == "notifications/subscriptions/acknowledged")
      CHECK(message["params"]["notifications"]["taskIds"] == Json::array({id}));
    else
      last = message["params"];
  }
  CHECK(last["taskId"] == id);
  CHECK(last["result"]["content"][0]["text"] == "ended");
  co_return Result<void>();
}

}  // namespace

TEST_SUITE("mcp/tasks") {
  TEST_CASE("a server of long work over stdio" * doctest::skip()) {
    if (std::getenv("TSUKAI_TEST_SERVES") == nullptr) return;
    Work work;
    auto server = long_worker(work);
    (void)await(server->serve_stdio());
  }

  TEST_CASE("over stdio, calls that become tasks end like other calls, in both eras") {
    for (auto era : {Era::kModern, Era::kLegacy}) tasks_good(await(call_everything(tasks_over_stdio(era))));
  }

  TEST_CASE("over HTTP, calls that become tasks end like other calls, in both eras") {
    for (auto era : {Era::kModern, Era::kLegacy}) {
      Work work;
      struct Use {
        static Task<void> run(ServerConfig config, Work& work) {
          TSUKAI_CO_TRY_VOID(co_await call_everything(std::move(config), &work));
          // The call that was given up has cancelled its task.
          TSUKAI_CO_TRY(const bool cancelled, co_await tasks_eventually([&] { return work.cancelled == 1; }));
          CHECK(cancelled);
          co_return Result<void>();
        }
      };
      tasks_good(await(over_http(era, work, [&](ServerConfig config) { return Use::run(config, work); })));
    }
  }

  TEST_CASE("a task outlives the client that made it, and another one gets its result, in both eras") {
    for (auto era : {Era::kModern, Era::kLegacy}) {
      Work work;
      tasks_good(await(over_http(era, work, [&](ServerConfig config) { return take_over(config, work); })));
    }
  }

  TEST_CASE("the rules of 2025-11-25 hold message by message") { tasks_talk(legacy_rules); }
  TEST_CASE("clients of older revisions wait for the end of a call as ever") { tasks_talk(older_revision); }
  TEST_CASE("who listens to a task of 2026-07-28 is told its end with its result") {
    tasks_talk(told_by_notification);
  }

  TEST_CASE("a task is kept until its time is over, and not longer") {
    FakeClock clock;
    struct Use {
      static Task<void> run(FakeClock& clock) {
        ServerTasks tasks(clock);
        tasks.attach(co_await asio::this_coro::executor);
        TSUKAI_CO_TRY(auto task, tasks.create("anna", 1, 5'000, 100));
        tasks.settle(*task, JsonValue(Json::object()));
        clock.advance(4'999);
        CHECK(tasks.find(task->id, "anna") == task);
        CHECK(tasks.find(task->id, "berta") == nullptr);
        clock.advance(1);
        CHECK(tasks.find(task->id, "anna") == nullptr);
        co_await tasks.detach();
        co_return Result<void>();
      }
    };
    tasks_good(await(Use::run(clock)));
  }

  TEST_CASE("a server keeps so many tasks and no more, and says so") {
    FakeClock clock;
    struct Use {
      static Task<void> run(FakeClock& clock) {
        ServerTasks tasks(clock);
        tasks.attach(co_await asio::this_coro::executor);
        for (std::size_t i = 0; i < ServerTasks::kTasksMax; ++i)
          TSUKAI_CO_TRY_VOID(tasks.create("", 1, ServerTasks::kTtlMinMs, 100));
        auto refused = tasks.create("", 1, 5'000, 100);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code() == Code::kExhausted);
        clock.advance(ServerTasks::kTtlMinMs);
        CHECK(tasks.create("", 1, 5'000, 100));
        co_await tasks.detach();
        co_return Result<void>();
      }
    };
    tasks_good(await(Use::run(clock)));
  }
}
