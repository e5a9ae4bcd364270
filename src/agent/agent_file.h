// An agent file (YAML; PRODUCT.md of the docs): what a run is made from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "infer/model.h"
#include "mcp/client.h"

namespace tsukai::agent {

struct PolicyRule {
  enum class Action { kAllow, kAsk, kDeny } action = Action::kAllow;
  std::string pattern;  // "maps.*", "shop.pay"
  int line = 0;
};

struct Budget {
  std::int64_t steps = 24;  // Model calls.
  std::int64_t tool_calls = 40;
  std::int64_t tokens = 60'000;  // Prefilled + generated.
  std::int64_t seconds = 300;
};

struct AgentFile {
  std::string path;  // As given; "" when made in code.
  std::string name;
  std::string model;  // "PATH.gguf" ...; resolved against the file's folder when relative
  infer::ToolChoice tool_choice = infer::ToolChoice::kAuto;
  bool tool_choice_first_only =
      false;  // `tool_choice: required-first`: required on the first step, auto afterwards
  std::string instructions;
  std::vector<mcp::ServerConfig> servers;  // In the order of the file.
  std::vector<std::string> tools;          // `tools:`: only these, as server.tool globs; empty: all
  std::vector<std::string> memory_scope;   // Of tenant, user, agent, session.
  std::size_t memory_recall = 0;           // How many episodes; 0: memory is off.
  Budget budget;
  std::vector<PolicyRule> policy;
  std::optional<JsonValue> output_schema;
  infer::Sampling sampling;
  std::size_t tokens_per_step = 512;
  std::size_t calls_per_step = 8;  // Tool calls the model may make in one turn.
};

// Reads and checks the whole file. kNotFound; kInvalidArgument whose message lists every mistake found, a
// line each, as "FILE:LINE:COLUMN: what is wrong (nearest valid key)".
Result<AgentFile> load_agent_file(const std::string& path);
Result<AgentFile> parse_agent_file(std::string_view yaml, const std::string& path);

}  // namespace tsukai::agent
