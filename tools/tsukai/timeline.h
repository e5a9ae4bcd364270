// A run's journal in the forms people and programs read.
#pragma once

#include <string>
#include <vector>

#include "agent/child_run.h"
#include "agent/journal.h"
#include "agent/prompt_rebuild.h"

namespace tsukai::cli {

Json summary_json(const agent::RunSummary& run);
// The run, every model call and every tool call with all that the journal holds of them, and the rows as they
// are.
// With the prompts, each model call also has its "prompt", text and tokens.
Json run_json(const agent::RunSummary& run, const std::vector<agent::Row>& rows,
              const std::vector<agent::RebuiltPrompt>& prompts);
// The runs that a run started, as children_of() has them; and the same as lines of a tree.
Json children_json(const std::vector<agent::ChildSummary>& children);
std::vector<std::string> children_tree(const std::vector<agent::ChildSummary>& children);
// "2 model calls · 1 tool call · 120 prefilled, 96 reused, 40 generated · prefix_hit_ratio 0.44 · 1.2 s"
std::string totals_text(const Json& totals);
// What one row is about, in a line.
std::string details_text(const agent::Row& row);

}  // namespace tsukai::cli
