// What a run has used, added up from its journal rows.
#pragma once

#include <cstdint>

#include "agent/observation.h"
#include "base/json.h"
#include "infer/model.h"

namespace tsukai::agent {

struct Totals {
  std::int64_t steps = 0, model_calls = 0;
  infer::Usage usage;  // Summed over the model calls.
  std::int64_t tokens_recomputed =
      0;  // Prefilled although the transcript already held them: 0, or something is wrong.
  std::int64_t tool_calls = 0;     // Dispatched.
  std::int64_t tool_errors = 0;    // Of these: tool errors and failed calls.
  std::int64_t tool_refusals = 0;  // Not dispatched: denied, invalid, unknown, over budget.
  double model_ms = 0, tool_ms = 0;

  // `new_tokens`: how many of the prompt's tokens the transcript did not hold; negative when not known
  // (remote models).
  void add_model_call(const infer::Usage& usage, std::int64_t new_tokens, double ms);
  void add_tool_call(Outcome outcome, double ms);

  // Tokens that count against the budget: prefilled + generated.
  std::int64_t tokens_spent() const { return usage.prefilled_tokens + usage.generated_tokens; }
  double prefix_hit_ratio() const;
  Json json(std::int64_t wall_ms) const;
};

double prefix_hit_ratio(const infer::Usage& usage);
Json usage_json(const infer::Usage& usage);
infer::Usage usage_from(const Json& json);

}  // namespace tsukai::agent
