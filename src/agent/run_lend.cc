// The run's model, lent to its servers (server_questions.h): each answer is a model call of the run, in its
// journal and within its budget.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "agent/crash_point.h"
#include "agent/records.h"
#include "agent/run_loop.h"

namespace tsukai::agent {
namespace {

constexpr std::int64_t kLentTokensMin = 16;  // Fewer are no answer.

}  // namespace

bool Run::calls_server(const std::string& server) const {
  for (std::size_t i = 0; i < fates_.size() && (progress_.draft || !progress_.steps.empty()); ++i) {
    if (i >= calls().size() || fates_[i] != Fate::kFlying) continue;
    const auto* tool = parts_.toolbox.find(calls()[i].call.name);
    if (tool != nullptr && !tool->agent && tool->server_name == server) return true;
  }
  return false;
}

// What the run needs to land with stays its own, as with agents that it starts.
Result<std::int64_t> Run::tokens_to_lend() const {
  const auto& whole = parts_.file.budget;
  const auto left = this->left();
  const auto refuse = [](std::string why) { return fail(Code::kExhausted, std::move(why)); };
  if (progress_.totals.sampling.calls >= ServerQuestions::kSamplingsMax)
    return refuse(
        fmt::format("servers have asked this run's model {} times already", ServerQuestions::kSamplingsMax));
  if (left.steps <= 1)
    return refuse(fmt::format("the run's budget of {} steps has none to spare", whole.steps));
  if (whole.usd > 0 && left.usd <= whole.usd / 8)
    return refuse(fmt::format("the run's budget of {} USD has nothing to spare", whole.usd));
  if (left_ms() <= whole.seconds * 100)
    return refuse(fmt::format("the run's budget of {} s has no time to spare", whole.seconds));
  const auto tokens = left.tokens - whole.tokens / 8;
  if (tokens < kLentTokensMin)
    return refuse(fmt::format("the run's budget of {} tokens has none to spare", whole.tokens));
  return tokens;
}

// Called from a server's session: whatever is here may be gone after each suspension.
Task<infer::ChatReply> Run::lend(std::string server, infer::ChatRequest request) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto over = over_;
  TSUKAI_CO_TRY(const auto room, tokens_to_lend());
  TSUKAI_CO_TRY(auto prompt, parts_.model.render(request, {}));
  const auto read = static_cast<std::int64_t>(prompt.tokens.size());
  if (read + kLentTokensMin > room)
    co_return fail(Code::kExhausted, fmt::format("the run's budget of {} tokens has {} to spare: too few for "
                                                 "a question of {}",
                                                 parts_.file.budget.tokens, room, read));
  request.tokens_max = std::min(request.tokens_max, static_cast<std::size_t>(room - read));
  const auto promised = read + static_cast<std::int64_t>(request.tokens_max);
  const auto key = fmt::format("sampling-{}", progress_.totals.sampling.calls + 1);
  request.name = key;
  Json intent = intent_record(request, prompt, planner::NoteKind::kNone, {});
  intent["server"] = server;
  TSUKAI_CO_TRY_VOID(note(Kind::kSamplingIntent, key, intent));
  lent_tokens_ += promised;
  // In the journal before anyone is asked: it may cost money.
  const auto append = [run = id_, key](Kind kind, Json payload) {
    return [run, entry = Entry{kind, key, 1, std::move(payload)}](Journal& journal) -> Result<void> {
      TSUKAI_TRY_VOID(journal.append(run, entry.kind, entry.step_key, entry.attempt, *entry.payload));
      return {};
    };
  };
  crash_point("before", name(Kind::kSamplingIntent));
  auto written = co_await journaled_void(append(Kind::kSamplingIntent, std::move(intent)));
  crash_point("after", name(Kind::kSamplingIntent));
  if (*over) co_return fail(Code::kDenied, "the run is over");
  Result<infer::ChatReply> reply = fail(Code::kInternal, "the question could not be journaled");
  const auto began = std::chrono::steady_clock::now();
  if (written) {
    auto generating = parts_.model.generate(std::move(request), std::move(prompt), {});
    reply = co_await with_deadline(
        std::move(generating), std::chrono::milliseconds(std::max<std::int64_t>(1, left_ms())), "the model");
    if (*over) co_return fail(Code::kDenied, "the run is over");
  }
  lent_tokens_ -= promised;
  if (!written) co_return fail(std::move(written).error());
  if (!reply) co_return reply;
  const auto took =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
  Json record = reply_record(*reply, took);
  record["server"] = server;
  TSUKAI_CO_TRY_VOID(note(Kind::kSamplingResult, key, record));
  crash_point("before", name(Kind::kSamplingResult));
  TSUKAI_CO_TRY_VOID(co_await journaled_void(append(Kind::kSamplingResult, std::move(record))));
  crash_point("after", name(Kind::kSamplingResult));
  co_return reply;
}

// In a replay no server asks: what was lent in the record is spent where it was.
void Run::take_lent(const std::string& step_key) {
  const auto found = parts_.lent.find(step_key);
  if (found == parts_.lent.end()) return;
  for (const auto& [kind, payload] : found->second) (void)note(kind, "", *payload);
  parts_.lent.erase(found);
}

}  // namespace tsukai::agent
