// What agents ask of an engine, without the agents: the token counts of tool-calling loops, on synthetic
// tokens. The same workload runs as a test (counts) and as the benchmark agent_loop_bench (counts and times).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "infer/engine.h"

namespace tsukai::infer {

struct AgentWorkload {
  std::size_t shared_tokens = 2000;      // instructions and tools, the same for all agents
  std::size_t observation_tokens = 150;  // new in each turn
  std::size_t generated_tokens = 40;     // in each turn
  std::size_t vocabulary = 64;
  unsigned salt = 0;  // another salt shares nothing
};

// `count` pseudo-random tokens; the first one is the seed's own, so that streams of different seeds part at
// once.
inline std::vector<TokenId> workload_tokens(const AgentWorkload& load, std::size_t count, unsigned seed) {
  std::vector<TokenId> tokens;
  std::uint32_t state = (seed + 1000 * load.salt) * 2654435761u + 12345;
  for (std::size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    tokens.push_back(static_cast<TokenId>((i == 0 ? seed + 37 * load.salt : state >> 8) % load.vocabulary));
  }
  return tokens;
}

inline void add_usage(Usage& total, const Usage& usage) {
  total.prompt_tokens += usage.prompt_tokens;
  total.reused_tokens += usage.reused_tokens;
  total.prefilled_tokens += usage.prefilled_tokens;
  total.generated_tokens += usage.generated_tokens;
  total.forced_tokens += usage.forced_tokens;
  total.drafted_tokens += usage.drafted_tokens;
  total.rejected_tokens += usage.rejected_tokens;
  total.prefill_ms += usage.prefill_ms;
  total.decode_ms += usage.decode_ms;
}

// One agent: each turn adds an observation to all that was said and generates an answer. `context` is what
// was said before (for a resumed one) and becomes what was said at the end.
inline Task<Usage> run_agent(Engine& engine, AgentWorkload load, unsigned agent, unsigned first_turn,
                             unsigned turns, std::vector<TokenId>& context) {
  Usage total;
  if (context.empty()) context = workload_tokens(load, load.shared_tokens, 0);
  for (unsigned turn = first_turn; turn < first_turn + turns; ++turn) {
    const auto observation = workload_tokens(load, load.observation_tokens, 1 + agent + 16 * turn);
    context.insert(context.end(), observation.begin(), observation.end());
    Generation generation;
    generation.prompt = context;
    generation.tokens_max = load.generated_tokens;
    TSUKAI_CO_TRY(const EngineOutput output, co_await engine.generate(std::move(generation)));
    context.insert(context.end(), output.tokens.begin(), output.tokens.end());
    add_usage(total, output.usage);
  }
  co_return total;
}

// One child of a common parent: the shared tokens, `own` tokens of its own, one answer.
inline Task<Usage> run_child(Engine& engine, AgentWorkload load, unsigned child, std::size_t own) {
  Generation generation;
  generation.prompt = workload_tokens(load, load.shared_tokens, 0);
  const auto tokens = workload_tokens(load, own, 1 + child);
  generation.prompt.insert(generation.prompt.end(), tokens.begin(), tokens.end());
  generation.tokens_max = load.generated_tokens;
  TSUKAI_CO_TRY(const EngineOutput output, co_await engine.generate(std::move(generation)));
  co_return output.usage;
}

// Runs all at once; the sum of their usages, or the first error.
inline Result<Usage> all_together(std::vector<Task<Usage>> tasks) {
  asio::io_context context;
  std::vector<std::optional<Result<Usage>>> results(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    asio::co_spawn(context, std::move(tasks[i]), [&results, i](std::exception_ptr, Result<Usage> result) {
      results[i].emplace(std::move(result));
    });
  }
  context.run();
  Usage total;
  for (auto& result : results) {
    if (!result->has_value()) return fail(std::move(*result).error());
    add_usage(total, **result);
  }
  return total;
}

}  // namespace tsukai::infer
