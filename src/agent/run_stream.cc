#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/records.h"
#include "agent/run_loop.h"

namespace tsukai::agent {

// Plans alone are begun before they are whole.
bool Run::may_stream(const infer::ChatRequest& request) const {
  if (!plan_tool_ || request.tool_choice == infer::ToolChoice::kNone) return false;
  return std::any_of(request.tools.begin(), request.tools.end(),
                     [](const auto& tool) { return tool.name == kPlanTool; });
}

// From the model, between two suspensions of whatever else is going on here: nothing is begun yet.
bool Run::take_piece(const infer::CallPiece& piece) {
  if (!writing_ || piece.name != kPlanTool) return false;
  if (piece.first && !writing_->plans[piece.call].given()) writing_->plans[piece.call] = {};
  auto& plan = writing_->plans[piece.call];
  for (auto& step : plan.feed(piece.arguments)) {
    writing_->complete.emplace_back(call_key(step_number() + 1, piece.call + 1), std::move(step));
    landed_any_ = true;
    landed_->cancel();
  }
  return plan.given() > 0;
}

// A row for each step that is complete, durable before the step is begun.
Result<void> Run::take_steps() {
  while (!writing_->complete.empty()) {
    const auto [plan, step] = std::move(writing_->complete.front());
    writing_->complete.pop_front();
    const auto json = plan_step_json(step);
    TSUKAI_TRY_VOID(stage(Kind::kPlan, plan + "/" + step.id, {{"step", json}, {"by", "model"}}));
    tell("plan_step", {{"step", step_number() + 1},
                       {"call_id", plan + "/" + step.id},
                       {"plan", plan},
                       {"id", step.id},
                       {"tool", step.tool},
                       {"arguments", *step.arguments}});
  }
  return {};
}

Task<void> Run::write_turn(infer::ChatRequest request, infer::Prompt prompt, infer::OnText on_text,
                           std::int64_t limit_ms) {
  co_await asio::this_coro::throw_if_cancelled(false);
  auto generating = parts_.model.generate(std::move(request), std::move(prompt), std::move(on_text));
  writing_->reply =
      co_await with_deadline(std::move(generating), std::chrono::milliseconds(limit_ms), "the model");
  landed_any_ = true;
  landed_->cancel();
  co_return Result<void>();
}

// The model's turn, and beside it whatever may already be done of the plan it writes. What is in flight when
// the turn is over stays there for dispatch(), unless there is no turn: then its results are waited for.
Task<infer::ChatReply> Run::write_beside_steps(infer::ChatRequest request, infer::Prompt prompt,
                                               infer::OnText on_text, std::int64_t limit_ms) {
  co_await open_flight();
  forget_fates();
  writing_.emplace();
  request.on_call = [this](const infer::CallPiece& piece) { return take_piece(piece); };
  gate_->spawn(write_turn(std::move(request), std::move(prompt), std::move(on_text), limit_ms));
  for (;;) {
    landed_any_ = false;
    if (auto taken = take_steps(); !taken) call_failed_ = taken.error();
    if (call_failed_ || writing_->reply) break;
    if (progress_.draft) {
      if (auto admitted = co_await admit(); !admitted) call_failed_ = admitted.error();
    }
    if (call_failed_ || co_await was_cancelled()) break;
    if (auto flushed = co_await flush(); !flushed) call_failed_ = flushed.error();
    if (call_failed_) break;
    if (auto heard = co_await wait_for_news(); !heard) call_failed_ = heard.error();
    if (call_failed_ || co_await was_cancelled()) break;
    auto asked = co_await outside();
    if (!asked) call_failed_ = asked.error();
    if (!call_failed_) wished_ = *std::move(asked);
    if (call_failed_ || wished_) break;
  }
  if (call_failed_ || !writing_->reply) {
    co_await end_flight();
    writing_.reset();
    co_return call_failed_ ? fail(*call_failed_) : fail(Code::kCancelled, "the model was cancelled");
  }
  auto reply = *std::move(writing_->reply);
  writing_.reset();
  if (!reply) TSUKAI_CO_TRY_VOID(co_await land_all());
  co_return reply;
}

// Nothing else is begun; what is in flight has its result when this ends.
Task<void> Run::land_all() {
  while (count(Fate::kFlying) > 0) {
    landed_any_ = false;
    TSUKAI_CO_TRY_VOID(co_await flush());
    TSUKAI_CO_TRY_VOID(co_await wait_for_news());
    if (co_await was_cancelled()) break;
    // Whoever wants the run's end is heard again once all have landed.
    TSUKAI_CO_TRY_VOID(co_await outside());
  }
  if (call_failed_) co_return fail(*call_failed_);
  co_return co_await flush();
}

Result<void> Run::interrupt(const std::string& why, const infer::Usage& usage) {
  infer::ChatReply reply;
  reply.message.role = infer::Role::kAssistant;
  reply.message.text = infer::kInterruptedText;
  reply.usage = usage;
  auto record = reply_record(reply, 0);
  record["interrupted"] = why;
  fates_kept_ = true;
  TSUKAI_TRY_VOID(stage(Kind::kModelResult, progress_.open->step_key, std::move(record)));
  tell("notice", {{"message", "the model's turn broke off after steps of its plan had begun: " + why}});
  return {};
}

bool Run::loose_steps() const {
  if (progress_.steps.empty()) return false;
  const auto& step = progress_.steps.back();
  if (step.by_file || progress_.situation.turns.back().calls.size() > 0) return false;
  return std::any_of(step.calls.begin(), step.calls.end(),
                     [](const auto& call) { return call.stage != CallProgress::Stage::kSettled; });
}

std::string Run::loose_report() const {
  if (progress_.steps.empty()) return {};
  const auto& step = progress_.steps.back();
  if (step.by_file || progress_.situation.turns.back().calls.size() > 0) return {};
  std::string text;
  for (const auto& [key, plan] : step.plans) text += (text.empty() ? "" : "\n") + plan_report(key);
  if (text.empty()) return {};
  return "These steps of it were done; their results can be used as $ID in the next plan:\n" + text;
}

}  // namespace tsukai::agent
