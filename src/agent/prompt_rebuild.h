// The exact prompt of every model call of a run, rebuilt from its journal alone.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/journal.h"
#include "infer/model.h"

namespace tsukai::agent {

struct RebuiltPrompt {
  std::int64_t seq = 0;  // Of the MODEL_INTENT row.
  std::string step_key;
  std::string text;
  std::vector<infer::TokenId> tokens;
};

// In the order of the calls. kCorrupt when a row does not fit, or when a rebuilt text is not the one whose
// sha256 was journaled before the call; the message names the row.
Result<std::vector<RebuiltPrompt>> rebuild_prompts(const std::vector<Row>& rows);

}  // namespace tsukai::agent
