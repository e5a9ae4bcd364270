// One run of an agent in a test: scripted model, servers without processes, a real database in a folder of
// its own.
#pragma once

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "agent/child_run.h"
#include "agent/runtime.h"
#include "support/await.h"
#include "support/dying_loop.h"
#include "support/fake_clock.h"
#include "support/fake_model.h"
#include "support/fake_server.h"
#include "support/scratch_dir.h"

namespace tsukai::agent {

struct Killed {};

struct Situation {
  ScratchDir folder;
  FakeScript script;
  FakeServers servers;
  FakeClock clock;
  AgentFile file;
  std::vector<Event> events;

  Situation() {
    file.name = "tester";
    file.model = "fake.gguf";
    file.instructions = "You are tested.";
    file.budget.tokens = 1'000'000;
  }

  // Adds a tool; its server becomes part of the agent.
  FakeServer& tool(const std::string& server, const std::string& name, FakeHandler handler,
                   Json schema = {{"type", "object"}}) {
    use(server);
    return servers.add(server, name, std::move(handler), std::move(schema));
  }
  mcp::ServerConfig& use(const std::string& server) {
    for (auto& config : file.servers) {
      if (config.name == server) return config;
    }
    mcp::ServerConfig config;
    config.name = server;
    config.command = server;
    file.servers.push_back(std::move(config));
    return file.servers.back();
  }

  std::string database() const { return folder / "tsukai.db"; }
  RuntimeOptions options() {
    RuntimeOptions options;
    options.database_path = database();
    options.user = "mika";
    options.on_event = [this](const Event& event) { events.push_back(event); };
    options.connect = [this](mcp::ServerConfig config, mcp::ClientOptions client) {
      return servers.connect(std::move(config), std::move(client));
    };
    options.clock = &clock;
    return options;
  }
  OpenModel open_model() {
    return [this](const std::string&, int) -> Result<std::unique_ptr<infer::ChatModel>> {
      return std::make_unique<FakeModel>(script);
    };
  }

  Result<RunOutcome> run(const std::string& task = "do it") {
    return await(run_agent(file, task, options(), open_model()));
  }
  // Runs, and cancels as Ctrl-C does as soon as `now` is true.
  Result<RunOutcome> run_cancelled_when(std::function<bool()> now) {
    asio::io_context context;
    asio::cancellation_signal signal;
    std::optional<Result<RunOutcome>> outcome;
    asio::co_spawn(
        context, run_agent(file, "do it", options(), open_model()),
        asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error, Result<RunOutcome> result) {
          if (error) std::rethrow_exception(error);
          outcome.emplace(std::move(result));
        }));
    bool sent = false;
    while (!outcome && context.run_one() > 0) {
      if (sent || !now()) continue;
      sent = true;
      signal.emit(asio::cancellation_type::terminal);
    }
    if (!outcome) return fail(Code::kInternal, "the event loop ran dry before the run ended");
    return std::move(*outcome);
  }

  // Runs, and dies without another word at the `count`th event of this type: the next row is never written.
  void run_killed_at(const std::string& type, int count = 1) {
    run_killed_on(
        [type, left = count](const Event& event) mutable { return event.type == type && --left == 0; });
  }
  // The same at the first event of which `last` is true.
  void run_killed_on(std::function<bool(const Event&)> last) {
    auto dying = options();
    {
      bool dead = false;
      DyingLoop loop;
      dying.on_event = [&](const Event& event) {
        events.push_back(event);
        if (!last(event)) return;
        dead = true;
        loop.die();
        throw Killed();
      };
      asio::co_spawn(*loop, run_agent(file, "do it", dying, open_model()),
                     [](std::exception_ptr error, const Result<RunOutcome>&) {
                       if (error) std::rethrow_exception(error);
                     });
      try {
        // What is thrown within a call that runs beside others does not come out here.
        while (!dead && (*loop).run_one() > 0) {
        }
      } catch (const Killed&) {
      }
    }
    after_death();
  }
  // Runs, and dies as soon as `now` is true.
  void run_killed_when(std::function<bool()> now) {
    {
      DyingLoop loop;
      asio::co_spawn(*loop, run_agent(file, "do it", options(), open_model()),
                     [](std::exception_ptr, const Result<RunOutcome>&) {});
      while (!now() && (*loop).run_one() > 0) {
      }
    }
    after_death();
  }
  // What a real model said that the journal does not have, it says again.
  void after_death() {
    clock.advance(kLeaseMs + 1);
    std::size_t said = 0;
    const auto count = [&](const std::vector<Row>& all) {
      said += static_cast<std::size_t>(std::count_if(
          all.begin(), all.end(), [](const Row& row) { return row.kind == Kind::kModelResult; }));
    };
    count(rows());
    for (const auto& child : children()) {
      if (child.begun) count(rows(child.run.id));
    }
    while (script.given.size() > said) {
      script.turns.push_front(std::move(script.given.back()));
      script.given.pop_back();
    }
  }
  Result<RunOutcome> resume() { return await(resume_run("last", options(), open_model())); }

  // A word to the newest run from another terminal.
  template <typename Say>
  auto outside(Say say) {
    auto opened = Database::open(database());
    auto journal = Journal::open(*opened, clock);
    return say(**journal, (*journal)->find("last")->id);
  }

  std::vector<Row> rows(const std::string& run = "last") {
    auto opened = Database::open(database());
    if (!opened) return {};
    auto journal = Journal::open(*opened, clock);
    if (!journal) return {};
    auto found = (*journal)->find(run);
    if (!found) return {};
    return (*journal)->rows(found->id).value_or(std::vector<Row>{});
  }
  // The runs that the newest run started.
  std::vector<ChildSummary> children() {
    auto opened = Database::open(database());
    if (!opened) return {};
    auto journal = Journal::open(*opened, clock);
    auto found = journal ? (*journal)->find("last") : fail(journal.error());
    if (!found) return {};
    return children_of(**journal, found->id).value_or(std::vector<ChildSummary>{});
  }
  RunSummary summary() {
    auto opened = Database::open(database());
    if (!opened) return {};
    auto journal = Journal::open(*opened, clock);
    return journal ? (*journal)->find("last").value_or(RunSummary{}) : RunSummary{};
  }
  // "RUN_STARTED MODEL_INTENT MODEL_RESULT ..."
  std::string kinds() {
    std::string text;
    for (const auto& row : rows()) text += (text.empty() ? "" : " ") + std::string(name(row.kind));
    return text;
  }
  // Data of the events of one type.
  std::vector<Json> told(std::string_view type) const {
    std::vector<Json> found;
    for (const auto& event : events) {
      if (event.type == type) found.push_back(*event.data);
    }
    return found;
  }
  // What the model was told by its tools, in order, in the newest request.
  std::vector<std::string> observations() const {
    std::vector<std::string> found;
    if (script.requests.empty()) return found;
    for (const auto& message : script.requests.back().messages) {
      if (message.role == infer::Role::kTool) found.push_back(message.text);
    }
    return found;
  }
  // All bytes at rest: database and write-ahead log.
  std::string at_rest() const { return read_file(database()) + read_file(database() + "-wal"); }
};

inline FakeHandler answering(std::string text) {
  return [text](Json) { return answer_text(text); };
}

}  // namespace tsukai::agent
