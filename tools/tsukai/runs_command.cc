#include "tools/tsukai/runs_command.h"

#include <fmt/format.h>

#include <array>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "base/text.h"
#include "tools/tsukai/plan_tree.h"
#include "tools/tsukai/store.h"
#include "tools/tsukai/text_wrap.h"
#include "tools/tsukai/timeline.h"
#include "tools/tsukai/waiting.h"

namespace tsukai::cli {
namespace {

constexpr std::array kStates = {agent::RunState::kRunning, agent::RunState::kDone,
                                agent::RunState::kFailed,  agent::RunState::kStopped,
                                agent::RunState::kWaiting, agent::RunState::kCancelled};

Result<std::optional<agent::RunState>> state_of(const std::string& text) {
  if (text.empty()) return std::optional<agent::RunState>();
  std::vector<std::string> names;
  for (const agent::RunState state : kStates) {
    if (name(state) == text) return std::optional<agent::RunState>(state);
    names.emplace_back(name(state));
  }
  const std::string nearest = nearest_name(text, names);
  return fail(Code::kInvalidArgument, fmt::format("--state {}: no such state", text),
              nearest.empty() ? fmt::format("one of {}", fmt::join(names, ", "))
                              : fmt::format("did you mean {}?", nearest));
}

Style style_of(agent::RunState state) {
  switch (state) {
    case agent::RunState::kDone:
      return Style::kGreen;
    case agent::RunState::kRunning:
      return Style::kCyan;
    case agent::RunState::kFailed:
      return Style::kRed;
    case agent::RunState::kStopped:
    case agent::RunState::kWaiting:
    case agent::RunState::kCancelled:
      return Style::kYellow;
  }
  return Style::kPlain;
}

// Each prompt as the model was given it; on a terminal made harmless, else byte for byte.
void show_prompts(Output& output, const std::vector<agent::RebuiltPrompt>& prompts) {
  for (const agent::RebuiltPrompt& prompt : prompts) {
    if (!output.quiet()) {
      const auto tokens = static_cast<std::int64_t>(prompt.tokens.size());
      output.note(output.paint_note(
          Style::kBold, fmt::format("{}: {}", prompt.step_key, counted(tokens, "token", "tokens"))));
    }
    output.line(output.out_is_terminal() ? printable(prompt.text) : prompt.text);
  }
}

// What a waiting run waits for, in a line.
std::string waits_for(agent::Journal& journal, const std::string& run) {
  const auto calls = waiting_calls(journal, run);
  if (!calls) return {};
  std::string text;
  for (const WaitingCall& call : *calls) {
    text += fmt::format("{}{} {}{} {}", text.empty() ? "" : "; ", call.unknown ? "resolve" : "approve",
                        call.run == run ? "" : call.run + " ", call.step_key, call_text(call));
  }
  return text;
}

}  // namespace

Result<OpenedRun> open_run(const RunsArguments& arguments) {
  TSUKAI_TRY(auto store, open_store(arguments.follow.database));
  if (!store) return fail(nothing_stored("run"));
  OpenedRun opened{*std::move(store), {}};
  TSUKAI_TRY(opened.run, opened.store.journal->find(arguments.run));
  return opened;
}

int runs_list_command(Output& output, const RunsArguments& arguments) {
  auto state = state_of(arguments.state);
  if (!state) return output.fail(state.error());
  auto store = open_store(arguments.follow.database);
  if (!store) return output.fail(store.error());
  std::vector<agent::RunSummary> runs;
  if (*store) {
    auto found = (*store)->journal->list(arguments.count, *state);
    if (!found) return output.fail(found.error());
    runs = *std::move(found);
  }
  if (output.json()) {
    Json list = Json::array();
    for (const agent::RunSummary& run : runs) {
      Json summary = summary_json(run);
      if (run.state == agent::RunState::kWaiting)
        summary["waits_for"] = waits_for(*(*store)->journal, run.id);
      list.push_back(std::move(summary));
    }
    output.document({{"runs", std::move(list)}});
    return 0;
  }
  const bool waiting = *state == agent::RunState::kWaiting;
  std::vector<Column> columns = {{"RUN"}, {"STATE"}, {"WHEN"}};
  if (!waiting) columns.push_back({"TOOK", Align::kRight});
  columns.push_back({"AGENT", Align::kLeft, true});
  columns.push_back({"TASK", Align::kLeft, true});
  if (waiting) columns.push_back({"WAITS FOR", Align::kLeft, true});
  Table table(std::move(columns));
  const std::int64_t now_ms = system_clock().wall_ms();
  for (const agent::RunSummary& run : runs) {
    if (output.quiet()) output.line(run.id);
    std::vector<std::string> cells = {run.id, std::string(name(run.state)), ago_text(run.started_ms, now_ms)};
    if (!waiting) cells.push_back(run.ended_ms > 0 ? duration_text(run.ended_ms - run.started_ms) : "");
    cells.push_back(run.agent);
    cells.push_back(run.task);
    if (waiting) cells.push_back(waits_for(*(*store)->journal, run.id));
    table.add(std::move(cells));
  }
  if (output.quiet()) return 0;
  if (table.empty()) {
    output.note(arguments.state.empty() ? "there are no runs yet: tsukai run \"...\" makes the first"
                                        : "no run is " + arguments.state);
  } else {
    output.table(table);
  }
  return 0;
}

int runs_show_command(Output& output, const RunsArguments& arguments) {
  auto opened = open_run(arguments);
  if (!opened) return output.fail(opened.error());
  auto rows = opened->store.journal->rows(opened->run.id);
  if (!rows) return output.fail(rows.error());
  const agent::RunSummary& run = opened->run;
  std::vector<agent::RebuiltPrompt> prompts;
  if (arguments.prompts) {
    auto rebuilt = agent::rebuild_prompts(*rows);
    if (!rebuilt) return output.fail(rebuilt.error());
    prompts = *std::move(rebuilt);
  }
  auto children = agent::children_of(*opened->store.journal, run.id);
  if (!children) return output.fail(children.error());
  if (output.json()) {
    Json document = run_json(run, *rows, prompts);
    document["children"] = children_json(*children);
    output.document(document);
    return 0;
  }
  if (arguments.prompts) {
    show_prompts(output, prompts);
    return 0;
  }
  const auto plans = plans_of(*rows);
  if (arguments.mermaid) {
    for (const auto& [key, tree] : plans) output.write(tree.plan().mermaid());
    if (plans.empty()) output.note("this run made no plan");
    return 0;
  }
  if (!output.quiet()) {
    output.line(fmt::format("run {} {} · {} · {} · for {}", output.paint(Style::kBold, run.id),
                            output.paint(style_of(run.state), name(run.state)), printable(run.agent),
                            iso_time(run.started_ms), printable(run.user)));
    const auto labelled = [&](std::string_view label, const std::string& text) {
      auto lines = wrapped(printable(text), output.width(), label.size());
      if (lines.size() < label.size()) return;
      output.line(output.paint(Style::kDim, label) + lines.substr(label.size()));
    };
    labelled("task    ", run.task);
    labelled("answer  ", run.answer);
    output.line("");
    const auto paint = [&](Style style, std::string_view text) { return output.paint(style, text); };
    for (const auto& [key, tree] : plans) {
      output.line(output.paint(Style::kDim, "plan    ") + key);
      const auto width = output.width();
      for (const auto& line : tree.lines(width > 3 ? width - 3 : 0, paint)) output.line("  " + line);
      output.line("");
    }
  }
  Table table(
      {{"#", Align::kRight}, {"AT", Align::kRight}, {"WHAT"}, {"STEP"}, {"DETAILS", Align::kLeft, true}});
  for (const agent::Row& row : *rows) {
    table.add({std::to_string(row.seq), fmt::format("+{}", duration_text(row.at_ms - run.started_ms)),
               std::string(name(row.kind)), row.step_key, details_text(row)});
  }
  output.table(table);
  if (output.quiet()) return 0;
  if (!children->empty()) {
    output.line("");
    output.line(output.paint(Style::kDim, "tasks given to other agents"));
    for (const std::string& line : children_tree(*children)) output.line(line);
  }
  if (run.state == agent::RunState::kWaiting) show_waiting(output, arguments.follow.database, run.id);
  if (run.totals->is_object() && !run.totals->empty()) {
    output.line("");
    output.line(output.paint(Style::kDim, wrapped(totals_text(*run.totals), output.width())));
  }
  return 0;
}

int runs_verify_command(Output& output, const RunsArguments& arguments) {
  auto opened = open_run(arguments);
  if (!opened) return output.fail(opened.error());
  auto defects = opened->store.journal->verify(opened->run.id);
  if (!defects) return output.fail(defects.error());
  const bool intact = defects->empty();
  if (output.json()) {
    output.document(
        {{"run_id", opened->run.id}, {"rows", opened->run.rows}, {"intact", intact}, {"defects", *defects}});
  } else if (intact) {
    output.line(fmt::format("run {}: {}, the chain is intact", opened->run.id,
                            counted(opened->run.rows, "row", "rows")));
  } else {
    for (const std::string& defect : *defects) output.line(printable(defect));
  }
  return static_cast<int>(intact ? Exit::kDone : Exit::kComponent);
}

}  // namespace tsukai::cli
