#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/find_tools.h"
#include "agent/records.h"
#include "agent/run_loop.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

// Of one step's result, where the model is told of a whole plan.
constexpr std::size_t kStepTextBytesMin = 512;

Json results_json(const std::map<std::string, StepResult>& results) {
  Json out = Json::object();
  for (const auto& [id, result] : results) {
    auto value = parse_json(result.text);
    out[id] = value ? *std::move(value) : Json(result.text);
  }
  return out;
}

std::map<std::string, std::string> result_texts(const std::map<std::string, StepResult>& results) {
  std::map<std::string, std::string> out;
  for (const auto& [id, result] : results) out[id] = result.text;
  return out;
}

// A plan whose steps' arguments are looked at when the step is made.
Json loose_plan_schema(const Json& tool) {
  const Json step = {
      {"type", "object"},
      {"properties", {{"id", {{"type", "string"}}}, {"tool", tool}, {"arguments", {{"type", "object"}}}}},
      {"required", {"tool", "arguments"}}};
  return {{"type", "object"},
          {"properties", {{"steps", {{"type", "array"}, {"items", step}}}}},
          {"required", {"steps"}}};
}

}  // namespace

// The tool a model makes plans with. Where its grammar can't hold every tool's own arguments, a step's
// arguments are checked when the step is made, as all are.
infer::ToolDefinition plan_tool(const std::vector<infer::ToolDefinition>& tools,
                                const infer::ChatModel& model) {
  infer::ToolDefinition tool;
  tool.name = std::string(kPlanTool);
  tool.description =
      "Makes several tool calls as one plan. Steps that do not depend on each other run side by side. A "
      "value \"$ID\" stands for the result of step ID, \"$ID.member\" for a part of it; a step without an id "
      "has its number, from 1. When steps failed, plan again only what is missing: results of earlier steps "
      "can still be used.";
  tool.input_schema = planner::plan_schema(tools);
  if (model.unsupported_keywords(tool).empty()) return tool;
  Json names = Json::array();
  for (const auto& definition : tools) names.push_back(definition.name);
  tool.input_schema = loose_plan_schema({{"enum", names}});
  return tool;
}

// What the prompt says of plans stays as it was at the beginning; what came later the grammar admits. A
// provider takes what stands in its list alone: there it is said again, at the list's end.
infer::ToolDefinition Run::plan_over_shown() {
  if (!plan_tool_) plan_tool_ = plan_tool(parts_.toolbox.definitions(), parts_.model);
  if (progress_.later_tools.empty()) return *plan_tool_;
  const auto known = known_tools();
  if (planned_over_ == known.size()) return *plan_tool_;
  auto over = plan_tool(known, parts_.model);
  if (parts_.model.description().architecture == "remote")
    plan_tool_ = std::move(over);
  else
    plan_tool_->narrowed = over.input_schema;
  planned_over_ = known.size();
  return *plan_tool_;
}

// Where tools are found first: what the prompt says of plans never changes, and the grammar grows by what was
// found. Before that there is nothing to plan over.
infer::ToolDefinition Run::plan_over_found() {
  const auto known = known_tools();
  if (planned_over_ == known.size()) return *plan_tool_;
  auto over = plan_tool(known, parts_.model);
  infer::ToolDefinition tool{over.name, over.description + " Only tools that were found can be steps.",
                             loose_plan_schema({{"type", "string"}})};
  tool.narrowed = known.empty() ? Json(false) : *over.input_schema;
  planned_over_ = known.size();
  plan_tool_ = tool;
  return tool;
}

// Whether a run that is to plan has made none yet, though it could.
bool Run::wants_plan() const {
  if (!finds_tools()) return progress_.steps.empty();
  const auto planned = [](const StepProgress& step) {
    return std::any_of(step.calls.begin(), step.calls.end(),
                       [](const CallProgress& call) { return call.call.name == kPlanTool; });
  };
  if (std::any_of(progress_.steps.begin(), progress_.steps.end(), planned)) return false;
  return progress_.steps.empty() || !known_tools().empty();
}

void Run::offer_plan(infer::ChatRequest& request) {
  if (parts_.file.planner == Planner::kReact || request.tools.empty()) return;
  request.tools.push_back(finds_tools() ? plan_over_found() : plan_over_shown());
  if (parts_.file.planner != Planner::kPlan) return;
  request.allowed_tools = {plan_tool_->name};
  if (finds_tools()) request.allowed_tools.emplace_back(kFindTools);
  if (wants_plan() && request.tool_choice == infer::ToolChoice::kAuto)
    request.tool_choice = infer::ToolChoice::kRequired;
}

bool Run::makes_plan(const CallProgress& call) const {
  return call.parent.empty() && call.call.name == kPlanTool &&
         (parts_.file.planner != Planner::kReact || progress_.newest().by_file);
}

// The agent file's own steps, as its first and only turn.
Result<void> Run::plan_of_file() {
  if (parts_.file.steps.is_null() || !progress_.steps.empty()) return {};
  return begin_plan(call_key(1, 1), *parts_.file.steps, "file");
}

Result<void> Run::begin_plan(const std::string& key, const Json& json, const std::string& by) {
  std::set<std::string> known;
  for (const auto& [id, result] : progress_.results) known.insert(id);
  TSUKAI_TRY(const auto plan, planner::Plan::parse(json, known));
  if (progress_.steps.size() > 0 && progress_.newest().plans.contains(key)) {
    const auto& begun = progress_.newest().plans.at(key).steps;
    for (std::size_t i = 0; i < begun.size(); ++i) {
      if (i >= plan.steps.size() || plan_step_json(begun[i]) != plan_step_json(plan.steps[i]))
        return fail(Code::kInvalidArgument,
                    fmt::format("plan step {}: the plan was begun with another step here", begun[i].id));
    }
  }
  TSUKAI_TRY_VOID(stage(Kind::kPlan, key, {{"plan", plan.json()}, {"by", by}}));
  tell("plan", {{"step", step_number()},
                {"call_id", key},
                {"by", by},
                {"steps", plan.json()["steps"]},
                {"tree", plan.tree()},
                {"mermaid", plan.mermaid()}});
  return {};
}

// What became of the steps of a plan, for the model.
std::string Run::plan_report(const std::string& plan) const {
  const auto own = [&](const auto& call) { return call.parent == plan; };
  const auto count = static_cast<std::size_t>(std::count_if(calls().begin(), calls().end(), own));
  const auto bytes_max = std::max(kStepTextBytesMin, kObservationBytesMax / std::max<std::size_t>(1, count));
  std::string text;
  for (const auto& call : calls()) {
    if (!own(call)) continue;
    text += fmt::format("{}{} ({}): {}", text.empty() ? "" : "\n", call.plan_id, name(call.outcome),
                        bounded(call.observation, bytes_max));
  }
  return text;
}

// A plan is over when all of its steps are; the model is told of each. One that turns out to be no plan is
// over when those of its steps are that were complete before.
Result<Run::Fate> Run::consider_plan(std::size_t index) {
  const auto each = calls()[index];
  std::string mistake;
  if (!progress_.newest().whole.contains(each.step_key)) {
    auto begun = begin_plan(each.step_key, *each.call.arguments, "model");
    if (begun) return Fate::kNew;
    if (begun.error().code() != Code::kInvalidArgument) return fail(std::move(begun).error());
    mistake = begun.error().text();
  }
  const auto own = [&](const auto& call) { return call.parent == each.step_key; };
  const auto open = [&](const auto& call) {
    return own(call) && call.stage != CallProgress::Stage::kSettled;
  };
  if (std::any_of(calls().begin(), calls().end(), open)) return Fate::kNew;
  std::string text = plan_report(each.step_key);
  if (!mistake.empty()) {
    if (!text.empty()) mistake += "\nThese steps were done before the mistake:\n" + text;
    TSUKAI_TRY_VOID(settle(index, observe_failure(Outcome::kInvalid, mistake, parts_.toolbox.redaction())));
    return Fate::kOver;
  }
  const bool failed = std::any_of(calls().begin(), calls().end(), [&](const auto& call) {
    return own(call) && call.outcome != Outcome::kDone && call.outcome != Outcome::kSkipped;
  });
  if (failed) text += "\nPlan again only what is missing; the results of done steps can be used as $ID.";
  Observation observation;
  observation.text = std::move(text);
  observation.bytes_whole = observation.text.size();
  TSUKAI_TRY_VOID(settle(index, observation));
  return Fate::kOver;
}

// Whether a step waits until its plan is whole: what asks a person or the model, what can't be undone, and
// what has a condition.
bool Run::held(std::size_t index, const planner::PlanStep& step) const {
  const auto& call = calls()[index].call;
  if (calls()[index].asks || !step.when.empty()) return true;
  const auto* tool = parts_.toolbox.find(call.name);
  if (tool == nullptr || parts_.toolbox.refusal(call)) return false;
  return tool->destructive() || !parts_.toolbox.approval_rule(call).empty();
}

// Whether a plan's step may begin. kGo: its arguments are filled in, and it is a call like any other.
Result<Run::Fate> Run::consider_step(std::size_t index) {
  const auto each = calls()[index];
  if (each.stage != CallProgress::Stage::kPlanned) return Fate::kGo;
  const auto& step = progress_.newest();
  const auto& plan = step.plans.at(each.parent);
  const auto& wanted = *plan.find(each.plan_id);
  const auto give_up = [&](Outcome outcome, const std::string& why) -> Result<Fate> {
    TSUKAI_TRY_VOID(settle(index, observe_failure(outcome, why, parts_.toolbox.redaction())));
    return Fate::kOver;
  };
  // While the plan is written a step may have to wait for its end; where that never came, it is not done.
  const bool whole = step.whole.contains(each.parent);
  const auto until_whole = [&]() -> Result<Fate> {
    if (progress_.draft) return Fate::kNew;
    return give_up(Outcome::kSpoiled, "not done: the plan has no valid end");
  };
  if (!whole && !plan.missing(wanted).empty()) return until_whole();
  const auto ready = planner::readiness(plan, wanted, step.states(each.parent));
  if (ready.verdict == planner::Readiness::Verdict::kWait) {
    if (whole) return Fate::kNew;
    const auto stuck = plan.circle();
    return std::find(stuck.begin(), stuck.end(), each.plan_id) == stuck.end() ? Fate::kNew : until_whole();
  }
  if (ready.verdict == planner::Readiness::Verdict::kSpoiled)
    return give_up(Outcome::kSpoiled, "not done: " + ready.why);
  if (!wanted.when.empty() && whole) {
    const auto condition = Condition::parse(wanted.when);
    const auto holds =
        condition ? condition->holds(results_json(progress_.results)) : fail(condition.error());
    if (!holds) return give_up(Outcome::kInvalid, "when: " + holds.error().message());
    if (!*holds) return give_up(Outcome::kSkipped, "not done: its condition does not hold");
  }
  const Json raw = each.asks ? Json(wanted.prompt) : *wanted.arguments;
  auto filled = planner::substitute(raw, result_texts(progress_.results));
  if (!filled) return give_up(Outcome::kInvalid, filled.error().message());
  if (each.asks && !filled->is_string()) *filled = Json(print_json(*filled));
  calls()[index].call.arguments = each.asks ? Json{{"prompt", *filled}} : *std::move(filled);
  return whole || !held(index, wanted) ? Fate::kGo : until_whole();
}

// A question has a conversation of its own: the instructions, and itself.
Result<void> Run::begin_question(std::size_t index) {
  const auto each = calls()[index];
  infer::ChatRequest request;
  request.name = each.step_key;
  if (!progress_.messages.empty() && progress_.messages.front().role == infer::Role::kSystem)
    request.messages.push_back(progress_.messages.front());
  infer::Message question;
  question.role = infer::Role::kUser;
  question.text = string_at(*each.call.arguments, "prompt");
  request.messages.push_back(std::move(question));
  request.tool_choice = infer::ToolChoice::kNone;
  request.sampling = parts_.file.sampling;
  request.stop = parts_.file.stop;
  request.sampling.seed += index;
  const auto left = this->left().tokens;
  request.tokens_max =
      std::min(parts_.file.tokens_per_step, static_cast<std::size_t>(std::max<std::int64_t>(1, left)));
  const auto& redaction = parts_.toolbox.redaction();
  auto prompt = parts_.model.render(request, {});
  if (prompt && room_for(*prompt, left)) {
    const auto why = fmt::format("not asked: the budget of {} tokens is used up", parts_.file.budget.tokens);
    fates_[index] = Fate::kOver;
    return settle(index, observe_failure(Outcome::kOverBudget, why, redaction));
  }
  if (!prompt) {
    fates_[index] = Fate::kOver;
    return settle(index, observe_failure(Outcome::kFailed, "model: " + prompt.error().text(), redaction));
  }
  TSUKAI_TRY_VOID(stage(Kind::kModelIntent, each.step_key,
                        intent_record(request, *prompt, planner::NoteKind::kNone, {}), each.attempts + 1));
  questions_.insert_or_assign(index, Question{std::move(request), *std::move(prompt)});
  return {};
}

Task<void> Run::ask_question(std::size_t index) {
  co_await asio::this_coro::throw_if_cancelled(false);
  auto question = std::move(questions_.at(index));
  questions_.erase(index);
  const auto each = calls()[index];
  const auto began = std::chrono::steady_clock::now();
  auto generating = parts_.model.generate(std::move(question.request), std::move(question.prompt), {});
  auto reply = co_await with_deadline(
      std::move(generating), std::chrono::milliseconds(std::max<std::int64_t>(1, left_ms())), "the model");
  landed(index);
  if (!reply && reply.error().code() == Code::kCancelled) co_return Result<void>();
  Result<void> done;
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
  if (!reply) {
    done = settle(index, observe_failure(Outcome::kFailed, "model: " + reply.error().text(),
                                         parts_.toolbox.redaction()));
  } else {
    reply->message.calls.clear();
    done = stage(Kind::kModelResult, each.step_key, reply_record(*reply, ms), each.attempts);
    tell_result(calls()[index], reply->message.text.size(), ms);
  }
  if (!done) call_failed_ = done.error();
  co_return Result<void>();
}

// How a run of the file's own steps ends: with the result of the last step that was done.
std::optional<Ending> Run::end_of_steps() const {
  if (progress_.steps.empty() || !progress_.steps.back().by_file) return std::nullopt;
  if (calls().front().stage != CallProgress::Stage::kSettled) return std::nullopt;
  std::string answer, failure;
  for (const auto& call : calls()) {
    if (call.parent.empty() || call.outcome == Outcome::kSkipped || call.outcome == Outcome::kSpoiled)
      continue;
    if (call.outcome == Outcome::kDone)
      answer = call.observation;
    else if (failure.empty())
      failure = fmt::format("step {} did not succeed: {}", call.plan_id, call.observation);
  }
  if (!failure.empty()) return Ending{RunState::kFailed, {}, std::move(failure)};
  return Ending{RunState::kDone, std::move(answer), {}};
}

}  // namespace tsukai::agent
