#include "agent/totals.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

namespace tsukai::agent {
namespace {

// Whole microseconds are plenty, and short in JSON.
double rounded(double ms) { return std::round(ms * 1000) / 1000; }

// What is added up over the calls of a run, under its names in records and events, in their order there.
constexpr std::pair<const char*, std::int64_t infer::Usage::*> kTokenCounts[] = {
    {"prompt_tokens", &infer::Usage::prompt_tokens},       {"reused_tokens", &infer::Usage::reused_tokens},
    {"prefilled_tokens", &infer::Usage::prefilled_tokens}, {"rewound_tokens", &infer::Usage::rewound_tokens},
    {"generated_tokens", &infer::Usage::generated_tokens}, {"forced_tokens", &infer::Usage::forced_tokens}};

}  // namespace

void Totals::add_model_call(const infer::Usage& given, std::int64_t new_tokens, double ms) {
  ++steps;
  ++model_calls;
  for (const auto& [name, count] : kTokenCounts) usage.*count += given.*count;
  usage.prefill_ms += given.prefill_ms;
  usage.decode_ms += given.decode_ms;
  usage.usd += given.usd;
  model_ms += ms;
  // Less than new is possible: another run may have left the same prefix in the cache.
  if (new_tokens >= 0) tokens_recomputed += std::max<std::int64_t>(0, given.prefilled_tokens - new_tokens);
}

void Totals::add_tool_call(Outcome outcome, double ms) {
  if (outcome == Outcome::kSkipped || outcome == Outcome::kSpoiled) return;  // Nobody asked for it.
  if (!dispatched(outcome)) {
    ++tool_refusals;
    return;
  }
  ++tool_calls;
  if (outcome != Outcome::kDone) ++tool_errors;
  tool_ms += ms;
}

void Totals::add_child(const Json& totals) {
  const Json nothing = Json::object();
  const auto* found = find(totals, "children");
  const Json& inner = found == nullptr ? nothing : *found;
  const auto* lent = find(totals, "sampling");
  const Json& asked = lent == nullptr ? nothing : *lent;
  children.runs += 1 + integer_at(inner, "runs");
  children.steps += integer_at(totals, "steps") + integer_at(inner, "steps") + integer_at(asked, "calls");
  children.tool_calls += integer_at(totals, "tool_calls") + integer_at(inner, "tool_calls");
  children.tokens += integer_at(totals, "prefilled_tokens") + integer_at(totals, "generated_tokens") +
                     integer_at(inner, "tokens") + integer_at(asked, "tokens");
  children.usd += number_at(totals, "usd") + number_at(inner, "usd") + number_at(asked, "usd");
}

void Totals::add_sampling(const infer::Usage& given) {
  sampling.tokens += given.prefilled_tokens + given.generated_tokens;
  sampling.usd += given.usd;
}

double Totals::prefix_hit_ratio() const { return agent::prefix_hit_ratio(usage); }

double prefix_hit_ratio(const infer::Usage& usage) {
  if (usage.prompt_tokens <= 0) return 0;
  return std::round(1e4 * static_cast<double>(usage.reused_tokens) /
                    static_cast<double>(usage.prompt_tokens)) /
         1e4;
}

Json usage_json(const infer::Usage& usage) {
  Json out = Json::object();
  for (const auto& [name, count] : kTokenCounts) out[name] = usage.*count;
  out["prefill_ms"] = rounded(usage.prefill_ms);
  out["decode_ms"] = rounded(usage.decode_ms);
  if (usage.unread_tokens > 1) out["unread_tokens"] = usage.unread_tokens;
  if (usage.usd > 0) out["usd"] = usage.usd;
  return out;
}

infer::Usage usage_from(const Json& json) {
  infer::Usage usage;
  for (const auto& [name, count] : kTokenCounts) usage.*count = integer_at(json, name);
  usage.unread_tokens = integer_at(json, "unread_tokens", 1);
  usage.prefill_ms = number_at(json, "prefill_ms");
  usage.decode_ms = number_at(json, "decode_ms");
  usage.usd = number_at(json, "usd");
  return usage;
}

Json Totals::json(std::int64_t wall_ms) const {
  Json out = usage_json(usage);
  out["steps"] = steps;
  out["model_calls"] = model_calls;
  out["tokens_recomputed"] = tokens_recomputed;
  out["prefix_hit_ratio"] = prefix_hit_ratio();
  out["tool_calls"] = tool_calls;
  out["tool_errors"] = tool_errors;
  out["tool_refusals"] = tool_refusals;
  out["model_ms"] = rounded(model_ms);
  out["tool_ms"] = rounded(tool_ms);
  out["wall_ms"] = wall_ms;
  if (children.runs > 0) {
    out["children"] = {{"runs", children.runs},
                       {"steps", children.steps},
                       {"tool_calls", children.tool_calls},
                       {"tokens", children.tokens}};
    if (children.usd > 0) out["children"]["usd"] = children.usd;
  }
  if (sampling.calls > 0) {
    out["sampling"] = {{"calls", sampling.calls}, {"tokens", sampling.tokens}};
    if (sampling.usd > 0) out["sampling"]["usd"] = sampling.usd;
  }
  return out;
}

}  // namespace tsukai::agent
