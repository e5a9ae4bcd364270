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
  // What the runs of other agents used that this one started (CHILD_DONE), theirs included.
  struct Children {
    std::int64_t runs = 0, steps = 0, tool_calls = 0, tokens = 0;
    double usd = 0;
  } children;
  // What the servers of this run asked of its model (SAMPLING_RESULT).
  struct Sampling {
    std::int64_t calls = 0, tokens = 0;
    double usd = 0;
  } sampling;

  // `new_tokens`: how many of the prompt's tokens the transcript did not hold; negative when not known
  // (remote models).
  void add_model_call(const infer::Usage& usage, std::int64_t new_tokens, double ms);
  void add_tool_call(Outcome outcome, double ms);

  // `totals` of a child's run, as json() gives them.
  void add_child(const Json& totals);

  // Of an answer that a server was given; it counts as a call once it is asked for.
  void add_sampling(const infer::Usage& usage);

  // What counts against the budget. Tokens: prefilled + generated. Steps: those that are no turns of this
  // run.
  std::int64_t tokens_spent() const {
    return usage.prefilled_tokens + usage.generated_tokens + children.tokens + sampling.tokens;
  }
  std::int64_t steps_beside() const { return children.steps + sampling.calls; }
  std::int64_t tool_calls_spent() const { return tool_calls + children.tool_calls; }
  double usd_spent() const { return usage.usd + children.usd + sampling.usd; }
  double prefix_hit_ratio() const;
  Json json(std::int64_t wall_ms) const;
};

double prefix_hit_ratio(const infer::Usage& usage);
Json usage_json(const infer::Usage& usage);
infer::Usage usage_from(const Json& json);

}  // namespace tsukai::agent
