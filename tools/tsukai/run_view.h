// What a person sees of a run while it goes on.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "agent/events.h"
#include "tools/tsukai/output.h"
#include "tools/tsukai/plan_tree.h"
#include "tools/tsukai/text_wrap.h"

namespace tsukai::cli {

// Steps on standard error as they happen. On a terminal the model's text is streamed; the events themselves
// as JSON Lines on standard output with --json. Members of events: docs/formats/events.md.
class RunView {
 public:
  // A chat shows one conversation over many runs: what it runs on once, and no numbers of steps.
  enum class Kind { kRun, kChat };
  explicit RunView(Output& output, Kind kind = Kind::kRun) : output_(output), kind_(kind) {}

  void show(const agent::Event& event);
  // What a person just said, who need not be told that the model hears it.
  void hear(std::string said) { heard_ = std::move(said); }
  // Ends a line of streamed text.
  void end() { end_text(); }
  // The totals, as the last lines of a run.
  void show_totals(const std::string& run_id, const Json& totals);

  // Whether `answer` is already what stands last on the terminal.
  bool streamed(const std::string& answer) const;
  const std::string& run_id() const { return run_id_; }

 private:
  void show_changed_tool(const Json& data);
  void show_other(const agent::Event& event);
  void show_text(std::string_view text);
  void show_child(const Json& data, std::size_t depth);
  void end_text();
  void show_call(const Json& data);
  void show_result(const Json& data);
  // The plan of a step: a tree at the bottom of the terminal that is drawn again as its steps go on; piped,
  // one that is printed once, and its calls like all calls.
  void show_plan(const agent::Event& event);
  // Whether the event is about a step of the plan on the terminal, and so is drawn there.
  bool in_plan(const agent::Event& event);
  void draw_plan();
  void erase_plan();
  // Goes up to the tree's first line: escape sequences, or nothing where it is not drawn.
  std::string above_plan();
  // Cells for what is folded onto a line of which `taken` are used.
  std::size_t room(std::size_t taken) const;

  Output& output_;
  const Kind kind_;
  std::string run_id_;
  bool shown_ = false;  // The run's first line.
  std::string heard_;
  std::set<std::string> called_;  // Calls that were shown, by id.
  int calls_ = 0;                 // Of this step.
  std::string text_;              // Of this step, as the model gave it.
  bool must_call_ = false;        // The model has no choice but to call a tool in this step.
  bool in_text_ = false;          // The cursor stands behind streamed text.
  TextWrap wrap_{2};              // Of streamed text.
  PlanTree plan_;
  std::string plan_key_;                 // Of the call that makes it.
  std::vector<std::size_t> plan_lines_;  // Cells of each line of the tree, just above the cursor.
};

}  // namespace tsukai::cli
