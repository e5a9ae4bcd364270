#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "agent/records.h"
#include "agent/run_loop.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

// Fewer tokens than this are no turn: the budget of tokens counts as used up.
constexpr std::int64_t kTurnTokensMin = 16;

double ms_since(std::chrono::steady_clock::time_point began) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
}

// Says when the answer is there.
Task<infer::ChatReply> noting(Task<infer::ChatReply> turn, std::shared_ptr<bool> answered) {
  auto reply = co_await std::move(turn);
  *answered = true;
  co_return reply;
}

Json step_done(std::size_t number, const infer::ChatReply& reply, double ms) {
  return {{"step", number},
          {"finish", name(reply.finish)},
          {"usage", usage_json(reply.usage)},
          {"prefix_hit_ratio", prefix_hit_ratio(reply.usage)},
          {"took_ms", ms}};
}

}  // namespace

infer::ChatRequest Run::request_for(const planner::AskModel& question) {
  infer::ChatRequest request;
  request.name = step_key(step_number() + 1);
  request.messages = progress_.messages;
  if (!question.note_text.empty()) {
    infer::Message note;
    note.role = infer::Role::kUser;
    note.text = question.note_text;
    request.messages.push_back(std::move(note));
  }
  offer_tools(request);
  request.tool_choice = question.tool_choice;
  request.output_schema = parts_.file.output_schema;
  request.sampling = parts_.file.sampling;
  request.stop = parts_.file.stop;
  // Each turn has its own, so that two turns from equal prompts need not be equal; greedy decoding does not
  // look at it.
  request.sampling.seed += step_number();
  request.tokens_max = parts_.file.tokens_per_step;
  request.calls_max = parts_.file.calls_per_step;
  offer_plan(request);
  offer_read_result(request);
  return request;
}

std::optional<Ending> Run::room_for(const infer::Prompt& prompt, std::int64_t tokens_left) const {
  const auto new_tokens = static_cast<std::int64_t>(prompt.tokens.size() - prompt.kept_tokens);
  if (new_tokens + kTurnTokensMin <= tokens_left) return std::nullopt;
  return Ending{RunState::kStopped,
                {},
                fmt::format("the budget of {} tokens is used up: the next prompt needs {} more, {} are left",
                            parts_.file.budget.tokens, new_tokens, std::max<std::int64_t>(0, tokens_left))};
}

Task<void> Run::watch(std::int64_t limit_ms) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto began = std::chrono::steady_clock::now();
  for (;;) {
    const auto left_ms = limit_ms - static_cast<std::int64_t>(ms_since(began));
    if (left_ms <= 0) co_return Result<void>();
    (void)co_await sleep_for(std::chrono::milliseconds(std::min(left_ms, kTurnSignalsEveryMs)));
    if (co_await was_cancelled()) co_return Result<void>();
    if (flushing_) continue;
    signals_ms_ = 0;
    auto asked = co_await outside();
    if (!asked) call_failed_ = asked.error();
    if (asked) wished_ = *std::move(asked);
    if (call_failed_ || wished_) co_return Result<void>();
  }
}

Task<infer::ChatReply> Run::watched(Task<infer::ChatReply> turn, std::int64_t limit_ms) {
  std::optional<Result<infer::ChatReply>> reply;
  std::optional<Result<void>> watching;
  const bool done = co_await ends_first(keep(std::move(turn), &reply), keep(watch(limit_ms), &watching));
  if (done) co_return *std::move(reply);
  if (wished_ || call_failed_ || co_await was_cancelled())
    co_return fail(Code::kCancelled, "the model was cancelled");
  co_return fail(Code::kTimeout, fmt::format("the model did not finish within {} ms", limit_ms));
}

Result<void> Run::close_cut(infer::ChatReply reply, const std::string& why, double ms, int attempt) {
  if (progress_.draft) return interrupt(why, reply.usage);
  reply.finish = infer::FinishReason::kLength;
  reply.message.role = infer::Role::kAssistant;
  reply.message.calls.clear();
  if (reply.message.raw.empty()) reply.message.text = infer::kInterruptedText;
  const auto number = step_number() + 1;
  auto record = reply_record(reply, ms);
  record["cut"] = why;
  TSUKAI_TRY_VOID(stage(Kind::kModelResult, step_key(number), std::move(record), attempt));
  tell("step_done", step_done(number, reply, ms));
  return {};
}

Task<std::optional<Ending>> Run::ask_model(planner::AskModel question) {
  if (const auto report = loose_report(); !report.empty()) {
    if (question.note == planner::NoteKind::kNone) question.note = planner::NoteKind::kCut;
    question.note_text += (question.note_text.empty() ? "" : "\n") + report;
  }
  if (!progress_.said.empty()) {
    if (question.note == planner::NoteKind::kNone) question.note = planner::NoteKind::kSaid;
    question.note_text = progress_.said + (question.note_text.empty() ? "" : "\n" + question.note_text);
  }
  auto request = request_for(question);
  const auto cut = std::make_shared<std::optional<infer::ChatReply>>();
  request.on_cut = [cut](const infer::ChatReply& what) { *cut = what; };
  const auto left = this->left().tokens;
  request.tokens_max = std::min(request.tokens_max, static_cast<std::size_t>(std::max(left, kTurnTokensMin)));
  auto prompt = parts_.model.render(request, progress_.so_far());
  // Long results give way first, a summary of the turns before comes last.
  for (const bool last : {false, true}) {
    if (prompt || prompt.error().code() != Code::kExhausted) break;
    TSUKAI_CO_TRY(const bool made_room, last ? sum_up() : compact());
    if (!made_room) continue;
    request.messages = request_for(question).messages;
    prompt = parts_.model.render(request, progress_.so_far());
  }
  if (!prompt) {
    const bool full = prompt.error().code() == Code::kExhausted;
    co_return Ending{full ? RunState::kStopped : RunState::kFailed, {}, "model: " + prompt.error().text()};
  }
  TSUKAI_CHECK(
      prompt->kept_bytes <= progress_.transcript.text.size() && prompt->kept_bytes <= prompt->text.size() &&
          prompt->text.compare(0, prompt->kept_bytes, progress_.transcript.text, 0, prompt->kept_bytes) == 0,
      "a prompt keeps exactly the bytes it says");
  if (auto full = room_for(*prompt, left)) co_return full;
  const auto new_tokens = static_cast<std::int64_t>(prompt->tokens.size() - prompt->kept_tokens);
  request.tokens_max = std::min(request.tokens_max, static_cast<std::size_t>(left - new_tokens));

  const auto number = step_number() + 1;
  const auto key = step_key(number);
  auto intent = intent_record(request, *prompt, question.note, question.note_text);
  const auto tool_choice = string_at(intent, "tool_choice");
  const int attempt = progress_.open ? 2 : 1;  // An open call is one whose answer never came.
  TSUKAI_CO_TRY_VOID(stage(Kind::kModelIntent, key, std::move(intent), attempt));
  // A turn of a local model changes nothing outside this process: it begins while what it was told is on its
  // way to the disk. Whatever follows from it (a call, a word to the outside) waits for the disk all the
  // same. A remote one costs money and is told to others: its intent is durable first.
  if (parts_.model.description().architecture == "remote") TSUKAI_CO_TRY_VOID(co_await flush());
  if (question.note != planner::NoteKind::kNone)
    tell("notice", {{"message", "to the model: " + question.note_text}});
  if (parts_.on_event) {
    tell("step_started", {{"step", number},
                          {"tool_choice", tool_choice},
                          {"prompt_tokens", prompt->tokens.size()},
                          {"new_tokens", new_tokens}});
  }
  const auto began = std::chrono::steady_clock::now();
  const infer::OnText on_text = [this, number](std::string_view piece) {
    if (parts_.on_event) tell("text", {{"step", number}, {"text", repaired_utf8(piece)}});
  };
  const auto limit_ms = std::max<std::int64_t>(1, left_ms());
  wished_.reset();
  const bool streams = may_stream(request);
  Result<infer::ChatReply> reply;
  if (streams) {
    reply = co_await write_beside_steps(std::move(request), *std::move(prompt), on_text, limit_ms);
    if (call_failed_) co_return fail(*call_failed_);
  } else {
    const auto answered = std::make_shared<bool>(false);
    auto generating =
        noting(parts_.model.generate(std::move(request), *std::move(prompt), on_text), answered);
    std::optional<Result<infer::ChatReply>> answer;
    std::optional<Result<void>> durable;
    co_await both_end(keep(watched(std::move(generating), limit_ms), &answer),
                      keep(flush_unless(answered), &durable));
    if (!*durable) co_return fail(std::move(*durable).error());
    if (call_failed_) co_return fail(*call_failed_);
    reply = *std::move(answer);
  }
  if (!reply) {
    const bool cancelled = co_await was_cancelled();
    const auto code = reply.error().code();
    auto ending = std::exchange(wished_, std::nullopt);
    if (!ending && (cancelled || (streams && code == Code::kCancelled)))
      ending = Ending{RunState::kCancelled, {}, "cancelled"};
    // Whatever it broke off for, what was begun is done first; a model that is gone fails again when asked.
    if (!ending && progress_.draft) {
      TSUKAI_CO_TRY_VOID(interrupt(reply.error().message()));
      co_return std::nullopt;
    }
    if (!ending && code == Code::kTimeout && ms_since(began) >= static_cast<double>(limit_ms)) {
      ending = Ending{
          RunState::kStopped, {}, fmt::format("the budget of {} s is used up", parts_.file.budget.seconds)};
    }
    if (!ending) co_return Ending{RunState::kFailed, {}, "model: " + reply.error().text()};
    TSUKAI_CO_TRY_VOID(
        close_cut(std::move(*cut).value_or(infer::ChatReply{}), ending->reason, ms_since(began), attempt));
    co_return ending;
  }
  // A call cut short is never made, whatever the model's host makes of it.
  if (reply->finish == infer::FinishReason::kLength) reply->message.calls.clear();
  const auto took = ms_since(began);
  fates_kept_ = progress_.draft.has_value();
  TSUKAI_CO_TRY_VOID(stage(Kind::kModelResult, key, reply_record(*reply, took), attempt));
  // The turn's own calls stand before the steps of their plans.
  if (fates_kept_) fates_.insert(fates_.begin(), reply->message.calls.size(), Fate::kNew);
  if (parts_.on_event) tell_soon("step_done", step_done(number, *reply, took));
  co_return std::nullopt;
}

}  // namespace tsukai::agent
