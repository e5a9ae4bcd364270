// What a person does about runs: decide, go on, look again, keep and forget.
#include <doctest/doctest.h>
#include <signal.h>

#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "support/text.h"
#include "tools/support/chain_model.h"
#include "tools/support/model_service.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

using Words = std::vector<std::string>;

// A home with a model that calls `greet` (or hangs) first and then says "Old gate.", and its agent.
void runs_furnish(const Home& home, const std::string& more, const ChainOptions& options = {}) {
  home.write("chain.gguf", chain_model(options));
  const Words server = toy_server(home);
  home.write("agent.yaml",
             "name: greeter\nmodel: ./chain.gguf\ntool_choice: required-first\n"
             "servers:\n  toy: {command: sh, args: [\"" +
                 server[1] + "\", \"" + server[2] + "\"]}\ntools: [toy.greet, toy.hang]\n" + more);
}
const std::string kAsk = "policy:\n  - ask: toy.greet\n";

Json runs_json_of(const std::string& text) {
  auto parsed = parse_json(text);
  REQUIRE(parsed);
  return *std::move(parsed);
}

std::string newest(const Home& home) {
  return std::string(trimmed(tsukai(home, {"runs", "list", "-n", "1", "--quiet"}).out));
}

std::string state_of(const Home& home, const std::string& run) {
  return string_at(runs_json_of(tsukai(home, {"runs", "show", run, "--json"}).out), "state");
}

// A run that died in a call whose outcome nobody knows, resumed up to that call.
void die_in_a_call(const Home& home) {
  runs_furnish(home, "", {.tool_letter = 'h'});
  {
    Program program(home, {tsukai_program(), "run", "agent.yaml", "Say hello."});
    wait_for_file(home / "hanging");
    program.send_signal(SIGKILL);
    program.finish();
  }
  const Finished resumed = tsukai(home, {"runs", "resume", "last"});
  CHECK(resumed.exit == 5);
  CHECK(contains(resumed.err,
                 "tsukai runs resolve " + newest(home) + " step-1/call-1 --done JSON | --retry | --abort"));
}

}  // namespace

TEST_SUITE("tools/tsukai/runs") {
  TEST_CASE("piped, a call that asks parks the run; approve goes on with it; a decision is used once") {
    const Home home;
    runs_furnish(home, kAsk);
    const Finished parked = tsukai(home, {"run", "agent.yaml", "Say hello."});
    CHECK(parked.exit == 5);
    CHECK(parked.out == "");
    const std::string run = newest(home);
    CHECK(contains(parked.err, "toy.greet {\"name\":\"M\"}"));
    CHECK(contains(parked.err, "tsukai runs approve " + run + " step-1/call-1\n"));
    CHECK(contains(parked.err, "--deny --reason"));
    const Finished quiet = tsukai(home, {"runs", "resume", "last", "--quiet"});
    CHECK(quiet.exit == 5);
    CHECK(quiet.err == "tsukai: run " + run + " waits for a person; see tsukai runs show " + run + "\n");
    CHECK(tsukai(home, {"runs", "list", "--state", "waiting", "--quiet"}).out == run + "\n");
    CHECK(contains(tsukai(home, {"runs", "list", "--state", "waiting"}).out,
                   "approve step-1/call-1 toy.greet"));
    CHECK(contains(tsukai(home, {"runs", "show", "last"}).err, "tsukai runs approve"));

    const Finished approved = tsukai(home, {"runs", "approve", run.substr(0, 6), "step-1/call-1"});
    CHECK(approved.exit == 0);
    CHECK(approved.out == "Old gate.\n");
    CHECK(contains(approved.err, "allowed step-1/call-1"));
    CHECK(contains(approved.err, "← {\"name\":\"M\"}"));
    const Finished again = tsukai(home, {"runs", "approve", run});
    CHECK(again.exit == 2);
    CHECK(contains(again.err, "waits for nobody"));
    CHECK(tsukai(home, {"runs", "verify", run}).exit == 0);
    CHECK(tsukai(home, {"runs", "replay", run}).exit == 0);
  }

  TEST_CASE("a refusal and its reason reach the model; the word can be left without going on") {
    const Home home;
    runs_furnish(home, kAsk);
    REQUIRE(tsukai(home, {"run", "agent.yaml", "Say hello."}).exit == 5);
    CHECK(tsukai(home, {"runs", "approve", "last", "step-9/call-1"}).err.find("it waits for step-1/call-1") !=
          std::string::npos);
    const Finished noted =
        tsukai(home, {"runs", "approve", "last", "--deny", "--reason", "too loud", "--no-resume", "--json"});
    CHECK(noted.exit == 0);
    CHECK(runs_json_of(noted.out)["allowed"] == false);
    CHECK(runs_json_of(noted.out)["by"] == "tester");
    CHECK(state_of(home, "last") == "waiting");
    CHECK(tsukai(home, {"runs", "resume", "last"}).out == "Old gate.\n");
    CHECK(contains(tsukai(home, {"runs", "show", "last", "--prompts"}).out, "tester said no: too loud"));
    CHECK(!contains(tsukai(home, {"runs", "show", "last"}).out, "TOOL_STARTED"));
  }

  TEST_CASE("at a terminal the person is asked at once, and the run goes on with the same model") {
    const Home home;
    runs_furnish(home, kAsk);
    Program program(home, {tsukai_program(), "run", "agent.yaml", "Say hello."}, Program::Streams::kTerminal);
    program.type("what\ny\n");
    const Finished finished = program.finish();
    CHECK(finished.exit == 0);
    CHECK(contains(finished.out, "? step-1/call-1 toy.greet"));
    CHECK(contains(finished.out, "allow it? [y]es, [n]o, [l]ater:"));
    CHECK(contains(finished.out, "Old gate."));
    CHECK(finished.out.find("is up: 4 tools") == finished.out.rfind("is up: 4 tools"));
    CHECK(state_of(home, "last") == "done");

    Program later(home, {tsukai_program(), "run", "agent.yaml", "Say hello."}, Program::Streams::kTerminal);
    later.type("l\n");
    const Finished parked = later.finish();
    CHECK(parked.exit == 5);
    CHECK(contains(parked.out, "tsukai runs approve "));
    Program denied(home, {tsukai_program(), "runs", "resume", "last"}, Program::Streams::kTerminal);
    denied.type("no\nnot now\n");
    CHECK(denied.finish().exit == 0);
    CHECK(contains(tsukai(home, {"runs", "show", "last", "--prompts"}).out, "tester said no: not now"));
  }

  TEST_CASE("a call that was in flight when the process died is settled by a person") {
    SUBCASE("it happened: its result is given, and it is not made again") {
      const Home home;
      die_in_a_call(home);
      const Finished done = tsukai(home, {"runs", "resolve", "last", "--done", "\"rung\""});
      CHECK(done.exit == 0);
      CHECK(done.out == "Old gate.\n");
      CHECK(contains(tsukai(home, {"runs", "show", "last", "--prompts"}).out, "\"rung\""));
    }
    SUBCASE("nobody can say: the run ends as failed") {
      const Home home;
      die_in_a_call(home);
      const Finished aborted = tsukai(home, {"runs", "resolve", "last", "step-1/call-1", "--abort"});
      CHECK(aborted.exit == 1);
      CHECK(state_of(home, "last") == "failed");
    }
    SUBCASE("approving it is the wrong word") {
      const Home home;
      die_in_a_call(home);
      const Finished wrong = tsukai(home, {"runs", "approve", "last"});
      CHECK(wrong.exit == 2);
      CHECK(contains(wrong.err, "its outcome is unknown; tsukai runs resolve"));
    }
  }

  TEST_CASE("a waiting run can be cancelled, an ended one can't be resumed") {
    const Home home;
    runs_furnish(home, kAsk);
    REQUIRE(tsukai(home, {"run", "agent.yaml", "Say hello."}).exit == 5);
    CHECK(contains(tsukai(home, {"runs", "cancel", "last"}).out, "is cancelled"));
    CHECK(state_of(home, "last") == "cancelled");
    const Finished resumed = tsukai(home, {"runs", "resume", "last"});
    CHECK(resumed.exit == 2);
    CHECK(contains(resumed.err, "has ended (cancelled)"));
    CHECK(tsukai(home, {"runs", "cancel", "last"}).exit == 2);
  }

  TEST_CASE("a run whose model is writing ends when it is cancelled from another terminal") {
    const Home home;
    const ModelService service({hanging_turn("Once upon")});
    home.write("agent.yaml", "name: teller\nmodel: " + service.model() + "\n");
    Program program(home, {tsukai_program(), "run", "agent.yaml", "Tell me a story.", "--json"});
    program.wait_for_output("Once upon");
    CHECK(contains(tsukai(home, {"runs", "cancel", "last"}).out,
                   "was asked to end; it does so within a second"));
    const Finished finished = program.finish();
    CHECK(finished.exit == 130);
    CHECK(contains(finished.out, "cancelled by a signal"));
    CHECK(state_of(home, "last") == "cancelled");
    const Json shown = runs_json_of(tsukai(home, {"runs", "show", "last", "--json"}).out);
    CHECK(shown["totals"]["model_calls"] == 1);
    CHECK(shown["totals"]["generated_tokens"] > 0);
    CHECK(tsukai(home, {"runs", "verify", "last"}).exit == 0);
    CHECK(tsukai(home, {"runs", "replay", "last"}).exit == 0);
  }

  TEST_CASE("a run comes to the same again, from its record and from its model; another model is found out") {
    const Home home;
    runs_furnish(home, "");
    REQUIRE(tsukai(home, {"run", "agent.yaml", "Say hello."}).exit == 0);
    CHECK(contains(tsukai(home, {"runs", "replay", "last"}).out, "again, identical"));
    const Finished regenerated = tsukai(home, {"runs", "replay", "last", "--regenerate", "--json"});
    CHECK(regenerated.exit == 0);
    CHECK(runs_json_of(regenerated.out)["identical"] == true);
    home.write("other.gguf", chain_model({.answer = "Big cat."}));
    const Finished other = tsukai(home, {"runs", "replay", "last", "--regenerate", "--model", "other.gguf"});
    CHECK(other.exit == 1);
    CHECK(contains(other.out, "MODEL_RESULT"));
    CHECK(tsukai(home, {"runs", "replay", "last", "--model", "other.gguf"}).exit == 2);
  }

  TEST_CASE("a fork begins anew from a step, or goes on after the end with something to say") {
    const Home home;
    runs_furnish(home, "");
    REQUIRE(tsukai(home, {"run", "agent.yaml", "Say hello."}).exit == 0);
    const std::string first = newest(home);
    const Finished forked = tsukai(home, {"runs", "fork", first, "--step", "2"});
    CHECK(forked.exit == 0);
    CHECK(forked.out == "Old gate.\n");
    CHECK(newest(home) != first);
    // The call of step 1 was not made again.
    CHECK(!contains(forked.err, "→ toy.greet"));
    const Finished said = tsukai(home, {"runs", "fork", first, "--say", "And in spring?"});
    CHECK(said.exit == 0);
    CHECK(said.out == "Old gate.\n");
    const Json whole = runs_json_of(tsukai(home, {"runs", "show", "last", "--prompts", "--json"}).out);
    REQUIRE(whole["model_calls"].size() == 3);
    CHECK(contains(whole["model_calls"][2]["prompt"]["text"], "And in spring?"));
    CHECK(tsukai(home, {"runs", "fork", first}).exit == 2);
    CHECK(contains(tsukai(home, {"runs", "fork", first, "--step", "7"}).err, "the run has no step 7"));
  }

  TEST_CASE("a run can be carried away as JSON and as a page, and forgotten") {
    const Home home;
    runs_furnish(home, "");
    REQUIRE(tsukai(home, {"run", "agent.yaml", "Say <hello>."}).exit == 0);
    const std::string run = newest(home);
    const Json exported = runs_json_of(tsukai(home, {"runs", "export", run}).out);
    CHECK(exported["format"] == "tsukai-run");
    CHECK(exported["defects"].empty());
    CHECK(tsukai(home, {"runs", "export", run, "--html", "run.html"}).exit == 0);
    const std::string page = read_file(home / "run.html");
    CHECK(contains(page, "Say &lt;hello&gt;."));
    CHECK(tsukai(home, {"runs", "export", run, "--html", "-"}).out == page);
    const Finished nowhere = tsukai(home, {"runs", "export", run, "--html", "nowhere/run.html"});
    CHECK(nowhere.exit == 2);
    CHECK(contains(nowhere.err, "nowhere/run.html: No such file or directory"));

    CHECK(tsukai(home, {"runs", "erase", run}).exit == 2);
    CHECK(tsukai(home, {"runs", "erase", run, "--reason", "asked to", "--yes"}).exit == 0);
    CHECK(!contains(read_file(home / "data/tsukai/tsukai.db"), "<hello>"));
    CHECK(tsukai(home, {"runs", "verify", run}).exit == 0);
    CHECK(contains(tsukai(home, {"runs", "show", run}).out, "ERASED"));

    CHECK(tsukai(home, {"runs", "prune", "--older-than", "1d"}).out == "nothing to delete\n");
    CHECK(tsukai(home, {"runs", "prune", "--larger-than", "1B", "--quiet"}).out == run + "\n");
    CHECK(tsukai(home, {"runs", "list", "--quiet"}).out == "");
  }

  TEST_CASE("a parameter is filled in, and its absence or misspelling is said") {
    const Home home;
    runs_furnish(home,
                 "params: {who: {type: string}, times: {type: integer, default: 2}}\n"
                 "instructions: Greet {{who}} {{times}} times.\n");
    CHECK(tsukai(home, {"run", "agent.yaml", "Go.", "-p", "who=Mika", "-p", "times=3"}).exit == 0);
    CHECK(contains(tsukai(home, {"runs", "show", "last", "--prompts"}).out, "Greet Mika 3 times."));
    const Finished missing = tsukai(home, {"run", "agent.yaml", "Go."});
    CHECK(missing.exit == 2);
    CHECK(contains(missing.err, "the parameter \"who\" needs a value: -p who="));
    CHECK(contains(tsukai(home, {"run", "agent.yaml", "Go.", "-p", "woh=M"}).err, "did you mean \"who\"?"));
    const Finished checked = tsukai(home, {"agent", "check", "agent.yaml"});
    CHECK(checked.exit == 0);
    CHECK(contains(checked.out, "who (string), times (integer, 2)"));
  }
}

}  // namespace tsukai::cli
