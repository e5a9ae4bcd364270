// Running the loop again over a recorded run: same decisions, same rows, no server and, unless asked, no
// model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/journal.h"
#include "base/task.h"
#include "infer/model.h"

namespace tsukai::agent {

struct ReplayReport {
  std::size_t rows = 0;                  // Rows of the record that were compared.
  std::vector<std::string> differences;  // A line each, naming row and member; empty: byte-identical.
};

// Replays `rows`. With `model` null, its replies are the recorded ones; else they are generated again
// (`--regenerate`) by the model that made them, from the recorded seeds, and have to be the same tokens.
// Results of tools, recalled memories and people's decisions are always the recorded ones. Times are not
// compared. kCorrupt when the rows are no run.
Task<ReplayReport> replay_run(std::vector<Row> rows, infer::ChatModel* model);

}  // namespace tsukai::agent
