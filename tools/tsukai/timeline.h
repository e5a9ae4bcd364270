// A run's journal in the forms people and programs read.
#pragma once

#include <string>
#include <vector>

#include "agent/journal.h"

namespace tsukai::cli {

Json summary_json(const agent::RunSummary& run);
// The run, every model call and every tool call with all that the journal holds of them, and the rows as they
// are.
Json run_json(const agent::RunSummary& run, const std::vector<agent::Row>& rows);
// What one row is about, in a line.
std::string details_text(const agent::Row& row);

}  // namespace tsukai::cli
