#include "agent/prompt_rebuild.h"

#include <fmt/format.h>

#include "agent/progress.h"
#include "base/hash.h"

namespace tsukai::agent {

Result<std::vector<RebuiltPrompt>> rebuild_prompts(const std::vector<Row>& rows) {
  std::vector<RebuiltPrompt> prompts;
  Progress progress;
  for (const auto& row : rows) {
    TSUKAI_TRY_VOID(progress.apply(row));
    if (row.kind != Kind::kModelIntent) continue;
    const auto& call = progress.asked(row.step_key);
    if (sha256_hex(call.prompt.text) != call.prompt_sha256) {
      return fail(Code::kCorrupt,
                  fmt::format("journal row {} ({}): the rebuilt prompt is not the one the model was given",
                              row.seq, row.step_key));
    }
    prompts.push_back({row.seq, row.step_key, call.prompt.text, call.prompt.tokens});
  }
  return prompts;
}

}  // namespace tsukai::agent
