#include "planner/react.h"

#include <doctest/doctest.h>

using namespace tsukai;
using namespace tsukai::planner;
using infer::FinishReason;
using infer::ToolChoice;

namespace {

Turn called(std::string call, std::string result, NoteKind note = NoteKind::kNone) {
  return {
      .note = note, .finish = FinishReason::kCalls, .calls = {{std::move(call), std::move(result), true}}};
}
Turn said(std::string text, NoteKind note = NoteKind::kNone, FinishReason finish = FinishReason::kStop) {
  return {.note = note, .finish = finish, .text = std::move(text)};
}

}  // namespace

TEST_SUITE("planner/react") {
  TEST_CASE("a run begins by asking the model with the configured tool choice") {
    Situation s;
    s.tool_choice = ToolChoice::kRequired;
    CHECK(std::get<AskModel>(next_step(s)).tool_choice == ToolChoice::kRequired);
  }

  TEST_CASE("required-first asks for a call once and lets the model decide afterwards") {
    Situation s{.tool_choice = ToolChoice::kRequired, .tool_choice_first_only = true};
    CHECK(std::get<AskModel>(next_step(s)).tool_choice == ToolChoice::kRequired);
    s.turns = {called("maps__geo {}", "1")};
    CHECK(std::get<AskModel>(next_step(s)).tool_choice == ToolChoice::kAuto);
  }

  TEST_CASE("without tools the model is asked for text, and its last step is like any other") {
    Situation s{.has_tools = false};
    s.limits.steps = 1;
    const auto question = std::get<AskModel>(next_step(s));
    CHECK(question.tool_choice == ToolChoice::kNone);
    CHECK(question.note == NoteKind::kNone);
    s.turns = {said("hello")};
    CHECK(std::get<Finish>(next_step(s)).answer == "hello");
  }

  TEST_CASE("calls without results are dispatched, as many as the budget has room for") {
    Situation s;
    s.turns = {
        {.finish = FinishReason::kCalls, .calls = {{"a", "", false}, {"b", "", false}, {"c", "", false}}}};
    CHECK(std::get<Dispatch>(next_step(s)).calls_allowed == 3);
    s.limits.tool_calls = 5;
    s.spent.tool_calls = 3;
    CHECK(std::get<Dispatch>(next_step(s)).calls_allowed == 2);
    s.spent.tool_calls = 5;
    CHECK(std::get<Dispatch>(next_step(s)).calls_allowed == 0);
  }

  TEST_CASE(
      "three turns running without one valid call end the run, two do not, and a valid one starts anew") {
    const auto invalid = [](std::string call) {
      auto turn = called(std::move(call), "invalid error: /n is missing");
      turn.calls[0].invalid = true;
      return turn;
    };
    Situation s;
    s.turns = {invalid("a"), invalid("b")};
    CHECK(std::holds_alternative<AskModel>(next_step(s)));
    s.turns = {invalid("a"), invalid("b"), called("c", "1"), invalid("d"), invalid("e")};
    CHECK(std::holds_alternative<AskModel>(next_step(s)));
    s.turns.push_back(invalid("f"));
    const auto stop = std::get<Stop>(next_step(s));
    CHECK_FALSE(stop.stopped);
    CHECK(stop.reason.find("/n is missing") != std::string::npos);
  }

  TEST_CASE("money lands the run when an eighth is left, and stops it when none is") {
    Situation s;
    s.limits.usd = 1;
    s.turns = {called("a", "1")};
    s.spent.usd = 0.8;
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kNone);
    s.spent.usd = 0.9;
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kLanding);
    s.spent.usd = 1;
    CHECK(std::get<Stop>(next_step(s)).reason == "the budget of 1 USD is used up");
  }

  TEST_CASE(
      "the same call with the same result three times gives one nudge, then a stop that names the call") {
    Situation s;
    s.turns = {called("geo {}", "x"), called("geo {}", "x")};
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kNone);
    s.turns.push_back(called("geo {}", "x"));
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kLoop);
    s.turns.push_back(called("geo {}", "x", NoteKind::kLoop));
    const auto stop = std::get<Stop>(next_step(s));
    CHECK(stop.stopped);
    CHECK(stop.reason.find("geo {}") != std::string::npos);
  }

  TEST_CASE("a call whose result changes is no loop") {
    Situation s;
    s.turns = {called("poll {}", "1"), called("poll {}", "2"), called("poll {}", "3"),
               called("poll {}", "4")};
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kNone);
  }

  TEST_CASE("A-B-A-B is a loop, A-B-A-C is none") {
    Situation s;
    s.turns = {called("a", "1"), called("b", "2"), called("a", "1"), called("b", "2")};
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kLoop);
    s.turns.back() = called("c", "2");
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kNone);
  }

  TEST_CASE("a repeated call that hides among changing companions is still found") {
    Situation s;
    for (int i = 0; i < 3; ++i) {
      Turn turn = called("same", "x");
      turn.calls.push_back({"other " + std::to_string(i), "y", true});
      s.turns.push_back(turn);
    }
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kLoop);
  }

  TEST_CASE("after a nudge that helped the run goes on") {
    Situation s;
    s.turns = {called("a", "1"), called("a", "1"), called("a", "1"), called("b", "2", NoteKind::kLoop)};
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kNone);
  }

  TEST_CASE("the last step allows no tools and says so; its answer ends the run as stopped") {
    Situation s;
    s.limits.steps = 2;
    s.turns = {called("a", "1")};
    const auto question = std::get<AskModel>(next_step(s));
    CHECK(question.tool_choice == ToolChoice::kNone);
    CHECK(question.note == NoteKind::kLanding);
    CHECK(question.note_text.find("steps: 2") != std::string::npos);
    s.turns.push_back(said("what I have", NoteKind::kLanding));
    const auto stop = std::get<Stop>(next_step(s));
    CHECK(stop.stopped);
    CHECK(stop.answer == "what I have");
    CHECK(stop.reason == "the budget of 2 steps is used up");
  }

  TEST_CASE("every budget lands softly before it stops hard") {
    Situation s;
    s.turns = {called("a", "1")};
    SUBCASE("tool calls") { s.spent.tool_calls = s.limits.tool_calls; }
    SUBCASE("tokens") { s.spent.tokens = s.limits.tokens * 9 / 10; }
    SUBCASE("seconds") { s.spent.ms = s.limits.ms * 95 / 100; }
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kLanding);
  }

  TEST_CASE("an exhausted budget stops without asking again") {
    Situation s;
    s.turns = {called("a", "1")};
    SUBCASE("steps") { s.limits.steps = 1; }
    SUBCASE("tokens") { s.spent.tokens = s.limits.tokens; }
    SUBCASE("seconds") { s.spent.ms = s.limits.ms + 1; }
    const auto stop = std::get<Stop>(next_step(s));
    CHECK(stop.stopped);
    CHECK(stop.reason.find("used up") != std::string::npos);
  }

  TEST_CASE("an answer that arrives before any budget is touched finishes the run") {
    Situation s;
    s.turns = {called("a", "1"), said("done")};
    CHECK(std::get<Finish>(next_step(s)).answer == "done");
  }

  TEST_CASE("a turn cut by its length is asked for again once, then stops with what there is") {
    Situation s;
    s.turns = {said("once upon", NoteKind::kNone, FinishReason::kLength)};
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kCut);
    s.turns.push_back(said("once upon a", NoteKind::kCut, FinishReason::kLength));
    CHECK(std::get<Stop>(next_step(s)).answer == "once upon a");
  }

  TEST_CASE("an empty turn is asked for again once, then the task has failed") {
    Situation s;
    s.turns = {said(" \n")};
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kEmpty);
    s.turns.push_back(said("", NoteKind::kEmpty));
    CHECK_FALSE(std::get<Stop>(next_step(s)).stopped);
  }

  TEST_CASE("an answer against the output schema is repaired at most twice") {
    Situation s{.answer_faults = "/answer: missing"};
    s.turns = {said("{}")};
    const auto question = std::get<AskModel>(next_step(s));
    CHECK(question.note == NoteKind::kInvalid);
    CHECK(question.note_text.find("/answer: missing") != std::string::npos);
    s.turns.push_back(said("{}", NoteKind::kInvalid));
    CHECK(std::get<AskModel>(next_step(s)).note == NoteKind::kInvalid);
    s.turns.push_back(said("{}", NoteKind::kInvalid));
    const auto stop = std::get<Stop>(next_step(s));
    CHECK_FALSE(stop.stopped);
    CHECK(stop.reason.find("output.schema") != std::string::npos);
  }

  TEST_CASE("names of notes come back from the journal") {
    for (auto kind : {NoteKind::kNone, NoteKind::kLoop, NoteKind::kCut, NoteKind::kEmpty, NoteKind::kInvalid,
                      NoteKind::kLanding}) {
      CHECK(note_kind_named(name(kind)) == kind);
    }
  }
}
