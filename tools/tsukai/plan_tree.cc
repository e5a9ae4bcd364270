#include "tools/tsukai/plan_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/tsukai/columns.h"

namespace tsukai::cli {
namespace {

constexpr std::size_t kArgumentCellsMin = 12;

struct Mark {
  std::string_view sign;
  Style style;
};

Mark mark_of(PlanTree::State state) {
  switch (state) {
    case PlanTree::State::kOpen:
      return {"○", Style::kDim};
    case PlanTree::State::kRunning:
      return {"◐", Style::kCyan};
    case PlanTree::State::kDone:
      return {"✓", Style::kGreen};
    case PlanTree::State::kFailed:
      return {"✗", Style::kRed};
    case PlanTree::State::kNotDone:
      return {"–", Style::kYellow};
  }
  return {};
}

// "maps__geo", as models know it, the way people write it.
std::string as_written(std::string tool) {
  if (const auto at = tool.find("__"); at != std::string::npos) tool.replace(at, 2, ".");
  return tool;
}

PlanTree::State state_by(const std::string& outcome) {
  if (outcome == "done") return PlanTree::State::kDone;
  if (outcome == "skipped" || outcome == "spoiled") return PlanTree::State::kNotDone;
  return PlanTree::State::kFailed;
}

}  // namespace

void PlanTree::add(const Json& step) {
  auto parsed = planner::parse_plan_step(step, plan_.steps.size() + 1);
  if (!parsed || has(parsed->id)) return;
  plan_.steps.push_back(*std::move(parsed));
}

void PlanTree::begin(const std::string& id) { known_[id].state = State::kRunning; }

void PlanTree::end(const std::string& id, const std::string& outcome, std::string text, std::int64_t ms) {
  known_[id] = {state_by(outcome), std::move(text), ms};
}

std::size_t PlanTree::over() const {
  return static_cast<std::size_t>(std::count_if(known_.begin(), known_.end(), [](const auto& known) {
    return known.second.state != State::kOpen && known.second.state != State::kRunning;
  }));
}

std::vector<std::string> PlanTree::lines(std::size_t cells, const Paint& paint) const {
  std::vector<std::string> out;
  for (const auto& [index, branch] : plan_.lines()) {
    const auto& step = plan_.steps[index];
    const auto found = known_.find(step.id);
    const Known known = found == known_.end() ? Known() : found->second;
    const Mark mark = mark_of(known.state);
    const std::string named =
        printable(fmt::format("{} {}", step.id, step.prompt.empty() ? as_written(step.tool) : "asks"));
    std::string arguments = printable(step.prompt.empty() ? step.arguments.print() : step.prompt);
    const auto waits = plan_.inputs(step);
    if (waits.size() > 1) arguments += fmt::format(" after {}", fmt::join(waits, ", "));
    std::string result = known.text.empty() ? "" : "← " + printable(known.text);
    const std::string took = known.ms > 0 ? " " + duration_text(known.ms) : "";
    const auto fixed = display_width(branch) + 2 + display_width(named) + 1 + display_width(took);
    if (cells > 0) {
      // What it was asked and what came of it share what is left.
      const auto left = std::max(cells > fixed + 1 ? cells - fixed - 1 : 0, kArgumentCellsMin);
      arguments = cut_to_width(arguments, result.empty() ? left : std::max(left / 2, kArgumentCellsMin));
      const auto used = display_width(arguments);
      result = left > used + kArgumentCellsMin ? cut_to_width(result, left - used) : "";
    } else {
      result = cut_to_width(result, 120);
    }
    out.push_back(fmt::format("{}{} {} {}{}{}", paint(Style::kDim, branch), paint(mark.style, mark.sign),
                              named, paint(Style::kDim, arguments), result.empty() ? "" : " " + result,
                              paint(Style::kDim, took)));
  }
  return out;
}

std::vector<std::pair<std::string, PlanTree>> plans_of(const std::vector<agent::Row>& rows) {
  std::vector<std::pair<std::string, PlanTree>> plans;
  const auto plan_at = [&](const std::string& key) -> PlanTree& {
    const auto found =
        std::find_if(plans.begin(), plans.end(), [&](const auto& plan) { return plan.first == key; });
    if (found != plans.end()) return found->second;
    return plans.emplace_back(key, PlanTree()).second;
  };
  for (const auto& row : rows) {
    const Json& payload = *row.payload;
    const auto slash = row.step_key.rfind('/');
    const auto parent = row.step_key.substr(0, slash);
    if (row.kind == agent::Kind::kPlan) {
      if (const auto* step = find(payload, "step")) plan_at(parent).add(*step);
      const auto* plan = find(payload, "plan");
      const auto* steps = plan == nullptr ? nullptr : find(*plan, "steps");
      if (steps == nullptr || !steps->is_array()) continue;
      for (const auto& step : *steps) plan_at(row.step_key).add(step);
      continue;
    }
    if (slash == std::string::npos) continue;
    const auto id = row.step_key.substr(slash + 1);
    const bool known = std::any_of(plans.begin(), plans.end(), [&](const auto& plan) {
      return plan.first == parent && plan.second.has(id);
    });
    if (!known) continue;
    if (row.kind == agent::Kind::kToolStarted || row.kind == agent::Kind::kModelIntent)
      plan_at(parent).begin(id);
    if (row.kind == agent::Kind::kToolResult)
      plan_at(parent).end(id, string_at(payload, "outcome"), string_at(payload, "observation"),
                          static_cast<std::int64_t>(number_at(payload, "ms")));
    if (row.kind == agent::Kind::kModelResult) {
      const auto* message = find(payload, "message");
      plan_at(parent).end(id, "done", message == nullptr ? "" : string_at(*message, "text"),
                          static_cast<std::int64_t>(number_at(payload, "ms")));
    }
  }
  return plans;
}

}  // namespace tsukai::cli
