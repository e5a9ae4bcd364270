#include "planner/react.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace tsukai::planner {
namespace {

constexpr std::array<std::string_view, 7> kNoteNames = {"none",    "loop",    "cut", "empty",
                                                        "invalid", "landing", "said"};

constexpr std::string_view kLoopNote =
    "You have made the same call with the same result several times. Do not repeat it. Use another tool or "
    "other "
    "arguments, or answer with what you know.";
constexpr std::string_view kCutNote =
    "Your last turn was cut off because it was too long. Be brief: call one tool, or give a short answer.";
constexpr std::string_view kInterruptedNote =
    "Your last turn was interrupted while you were writing a plan. Go on from what was done of it.";
constexpr std::string_view kEmptyNote = "Your last turn was empty. Call a tool, or give the answer.";

bool same(const Turn& a, const Turn& b) {
  return std::equal(
      a.calls.begin(), a.calls.end(), b.calls.begin(), b.calls.end(),
      [](const CallOutcome& x, const CallOutcome& y) { return x.call == y.call && x.result == y.result; });
}

bool holds(const Turn& turn, const CallOutcome& sought) {
  return std::any_of(turn.calls.begin(), turn.calls.end(), [&](const CallOutcome& outcome) {
    return outcome.call == sought.call && outcome.result == sought.result;
  });
}

// The call that goes round in circles at the end of `turns`; empty: none does.
std::string looping_call(const std::vector<Turn>& turns) {
  const std::size_t count = turns.size();
  if (count < kSameTurnsMax) return {};
  for (const auto& outcome : turns[count - 1].calls) {
    bool in_all = true;
    for (std::size_t back = 2; back <= kSameTurnsMax && in_all; ++back)
      in_all = holds(turns[count - back], outcome);
    if (in_all) return outcome.call;
  }
  if (count >= 4 && !turns[count - 1].calls.empty() && !turns[count - 2].calls.empty() &&
      same(turns[count - 1], turns[count - 3]) && same(turns[count - 2], turns[count - 4])) {
    return turns[count - 1].calls.front().call;
  }
  return {};
}

// How many turns at the end have no text and no calls, were cut, or answered under a schema note.
template <typename Predicate>
int trailing(const std::vector<Turn>& turns, Predicate predicate) {
  int count = 0;
  for (auto turn = turns.rbegin(); turn != turns.rend() && predicate(*turn); ++turn) ++count;
  return count;
}

bool blank(const std::string& text) { return trimmed(text).empty(); }

// What is about to run out, for the message to the model and the reason; empty: nothing.
std::string ending(const Situation& s) {
  const auto steps = static_cast<std::int64_t>(s.turns.size()) + s.spent.steps;
  if (s.limits.steps - steps <= 1) return fmt::format("budget: steps: {}", s.limits.steps);
  if (s.spent.tool_calls >= s.limits.tool_calls)
    return fmt::format("budget: tool_calls: {}", s.limits.tool_calls);
  if (s.limits.tokens - s.spent.tokens <= s.limits.tokens / 8)
    return fmt::format("budget: tokens: {}", s.limits.tokens);
  if (s.limits.usd > 0 && s.limits.usd - s.spent.usd <= s.limits.usd / 8)
    return fmt::format("budget: usd: {}", s.limits.usd);
  if (s.limits.ms - s.spent.ms <= s.limits.ms / 10)
    return fmt::format("budget: seconds: {}", s.limits.ms / 1000);
  return {};
}

// What has run out altogether; empty: nothing.
std::string ended(const Situation& s) {
  if (static_cast<std::int64_t>(s.turns.size()) + s.spent.steps >= s.limits.steps) {
    return fmt::format("the budget of {} steps is used up", s.limits.steps);
  }
  if (s.spent.tokens >= s.limits.tokens)
    return fmt::format("the budget of {} tokens is used up", s.limits.tokens);
  if (s.limits.usd > 0 && s.spent.usd >= s.limits.usd)
    return fmt::format("the budget of {} USD is used up", s.limits.usd);
  if (s.spent.ms >= s.limits.ms) return fmt::format("the budget of {} s is used up", s.limits.ms / 1000);
  return {};
}

bool landed(const Situation& s) {
  return std::any_of(s.turns.begin(), s.turns.end(),
                     [](const Turn& turn) { return turn.note == NoteKind::kLanding; });
}

std::string landing_reason(const Situation& s) {
  auto reason = ended(s);
  if (!reason.empty()) return reason;
  return fmt::format("the budget was nearly used up ({})", ending(s));
}

// The next question to the model; `note` is what the newest turn calls for.
Next ask(const Situation& s, NoteKind note = NoteKind::kNone, std::string note_text = {}) {
  std::string best = s.turns.empty() ? std::string() : s.turns.back().text;
  if (auto reason = ended(s); !reason.empty()) return Stop{true, std::move(reason), std::move(best)};
  AskModel question;
  if (!s.has_tools) {
    question.tool_choice = infer::ToolChoice::kNone;
  } else if (landed(s)) {
    question.tool_choice = infer::ToolChoice::kNone;
  } else if (auto scarce = ending(s); !scarce.empty()) {
    question.tool_choice = infer::ToolChoice::kNone;
    question.note = NoteKind::kLanding;
    question.note_text = fmt::format(
        "The limit of this run is reached ({}). No more tools. Give the best final answer you can from what "
        "is above.",
        scarce);
    return question;
  } else {
    question.tool_choice = s.tool_choice;
    if (s.tool_choice_first_only && !s.turns.empty()) question.tool_choice = infer::ToolChoice::kAuto;
  }
  question.note = note;
  question.note_text = std::move(note_text);
  return question;
}

Next after_text(const Situation& s) {
  const Turn& turn = s.turns.back();
  if (turn.interrupted) {
    if (trailing(s.turns, [](const Turn& t) { return t.interrupted; }) >= kInterruptedTurnsMax) {
      return Stop{
          false, fmt::format("the model's turn was interrupted {} times running", kInterruptedTurnsMax), {}};
    }
    return ask(s, NoteKind::kCut, std::string(kInterruptedNote));
  }
  if (turn.finish == infer::FinishReason::kLength) {
    if (trailing(s.turns, [](const Turn& t) { return t.finish == infer::FinishReason::kLength; }) >=
        kCutTurnsMax) {
      return Stop{
          true, fmt::format("the model's turn was cut off by tokens_per_step {} times running", kCutTurnsMax),
          turn.text};
    }
    return ask(s, NoteKind::kCut, std::string(kCutNote));
  }
  if (blank(turn.text)) {
    if (trailing(s.turns, [](const Turn& t) { return t.calls.empty() && blank(t.text); }) >= kEmptyTurnsMax) {
      return Stop{false, "the model ended its turn with neither text nor a call, twice running", {}};
    }
    return ask(s, NoteKind::kEmpty, std::string(kEmptyNote));
  }
  if (!s.answer_faults.empty()) {
    const auto repairs = trailing(s.turns, [](const Turn& t) { return t.note == NoteKind::kInvalid; });
    if (repairs >= kAnswerRepairsMax) {
      return Stop{false, "the answer does not conform to output.schema: " + s.answer_faults, turn.text};
    }
    return ask(s, NoteKind::kInvalid,
               "The answer does not conform to the required schema: " + s.answer_faults +
                   ". Give the corrected JSON alone.");
  }
  if (landed(s)) return Stop{true, landing_reason(s), turn.text};
  return Finish{turn.text};
}

}  // namespace

std::string_view name(NoteKind kind) { return kNoteNames[static_cast<std::size_t>(kind)]; }

NoteKind note_kind_named(std::string_view name) {
  const auto found = std::find(kNoteNames.begin(), kNoteNames.end(), name);
  return found == kNoteNames.end() ? NoteKind::kNone : static_cast<NoteKind>(found - kNoteNames.begin());
}

Next next_step(const Situation& s) {
  if (s.turns.empty()) return ask(s);
  const Turn& turn = s.turns.back();
  if (turn.calls.empty()) return s.said.empty() ? after_text(s) : ask(s);

  const bool settled =
      std::all_of(turn.calls.begin(), turn.calls.end(), [](const auto& call) { return call.settled; });
  if (!settled) {
    const auto room = std::max<std::int64_t>(0, s.limits.tool_calls - s.spent.tool_calls);
    return Dispatch{std::min(turn.calls.size(), static_cast<std::size_t>(room))};
  }
  const auto all_invalid = [](const Turn& t) {
    return !t.calls.empty() &&
           std::all_of(t.calls.begin(), t.calls.end(), [](const auto& call) { return call.invalid; });
  };
  if (trailing(s.turns, all_invalid) >= kInvalidTurnsMax) {
    return Stop{false,
                fmt::format("the model made no valid call in {} turns running; the last: {}",
                            kInvalidTurnsMax, shortened(turn.calls.back().result, 300)),
                turn.text};
  }
  if (auto call = looping_call(s.turns); !call.empty()) {
    const bool nudged =
        std::any_of(s.turns.begin(), s.turns.end(), [](const Turn& t) { return t.note == NoteKind::kLoop; });
    if (nudged) {
      return Stop{
          true,
          "the model goes round in circles: it repeats " + shortened(call, 200) + " with the same result",
          turn.text};
    }
    return ask(s, NoteKind::kLoop, std::string(kLoopNote));
  }
  return ask(s);
}

}  // namespace tsukai::planner
