// An agent file (YAML; PRODUCT.md of the docs): what a run is made from.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/condition.h"
#include "base/json.h"
#include "infer/model.h"
#include "mcp/client.h"

namespace tsukai::agent {

struct PolicyRule {
  enum class Action { kAllow, kAsk, kDeny } action = Action::kAllow;
  std::string pattern;  // "maps.*", "shop.pay"
  int line = 0;
  Condition when;  // Over the arguments; always by default.
};

struct Budget {
  std::int64_t steps = 24;  // Model calls.
  std::int64_t tool_calls = 40;
  std::int64_t tokens = 60'000;  // Prefilled + generated.
  std::int64_t seconds = 300;
  double usd = 0;          // 0: no limit.
  std::int64_t depth = 3;  // Agents within agents; 0: this one starts no others.
};

enum class Planner {
  kReact,  // The model decides step by step. Pick it when each step depends on what the last one showed.
  kPlan,   // A graph of steps first, run in parallel where possible. Pick it when the steps are known
           // beforehand.
  kAuto,   // The runtime picks.
};

// A value that whoever runs the agent gives: `params: {city: {type: string, default: Kyoto}}`, used as
// {{city}}.
struct Parameter {
  std::string name;
  enum class Type { kString, kInteger, kNumber, kBoolean } type = Type::kString;
  std::string description;
  JsonValue otherwise;  // The default; null: must be given.
  JsonValue choices;    // `enum:`, an array; null: any.
};

// AgentFile::tools_shown of a run whose prompt holds every tool.
inline constexpr std::size_t kAllTools = 1'000'000;

// Another agent that this one may give tasks to, each in a run of its own (child_run.h).
struct ChildAgent {
  std::string name;         // As this file calls it.
  std::string path;         // Of its file, absolute; of this one where it is written within.
  std::string description;  // For the model.
  double share = 1;         // Of what is left of the budget, at most.
  std::vector<Parameter> params;
  // Its file as JSON: `{{x}}` and `${NAME}` as written, its own agents put in.
  JsonValue document;
  std::vector<mcp::ServerConfig>
      servers;  // Its own and those of its agents: their secrets stay out of records.
};

// The rules of an agent that started this one: they hold for its calls as well, the stricter wins.
struct InheritedPolicy {
  // This agent's servers by the names they have there, where they are the same servers.
  std::map<std::string, std::vector<std::string>> servers;
  std::vector<PolicyRule> rules;
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
  // The servers' entries as the file has them, `${NAME}` not expanded; in the same order. Empty when made in
  // code.
  std::vector<JsonValue> server_entries;
  std::vector<std::string> tools;         // `tools:`: only these, as server.tool globs; empty: all
  std::vector<std::string> memory_scope;  // Of tenant, user, agent, session.
  std::size_t memory_recall = 0;          // How many episodes; 0: memory is off.
  Budget budget;
  std::vector<PolicyRule> policy;
  std::optional<JsonValue> output_schema;
  infer::Sampling sampling;
  std::vector<std::string> stop;  // `sampling: {stop: ...}`: an answer ends before the first of these.
  std::size_t tokens_per_step = 512;
  std::size_t calls_per_step = 8;  // Tool calls the model may make in one turn.
  // `results: {preview: BYTES}`: longer results are shown by their beginning and read on with
  // kReadResultTool; 0: off.
  std::size_t result_preview = 0;
  std::size_t parallel_calls = 8;             // Calls of the run in flight at once;
  std::size_t parallel_calls_per_server = 8;  // of these, at one server.
  Planner planner = Planner::kReact;
  JsonValue steps;  // `steps:` as planner::Plan has them, tools named as models know them; null: none.
  std::vector<Parameter> params;
  std::vector<ChildAgent> agents;          // `agents:`, in the order of the file.
  std::vector<InheritedPolicy> inherited;  // Outermost first; empty for a run that nobody started.
  // `tools_shown:`: with more tools the prompt holds find_tools in their place (find_tools.h). Nothing:
  // decided by the model's context when the run begins.
  std::optional<std::size_t> tools_shown;
  // The whole file as JSON, parameters filled in, `${NAME}` left as written: what may be journaled and read
  // back by agent_file_from().
  JsonValue document;
  JsonValue source;  // The same, parameters not filled in and `agents:` put in whole.
};

struct Including;

// What the caller honours. A file that asks for more is refused with its line, never half obeyed.
struct AgentFileSupport {
  bool ask = true;   // policy rules with `ask`
  bool when = true;  // policy rules with `when`
  bool plan = true;  // planner: plan and auto
  bool usd = true;   // budget.usd
};

struct AgentFileOptions {
  AgentFileSupport supported;
  std::map<std::string, std::string> params;  // As given on the command line.
  bool params_required =
      true;  // False when a file is only checked: a parameter without a value stands for itself.
  bool model_required = true;            // False: without `model:` it takes that of whoever starts it.
  std::shared_ptr<Including> including;  // The files that include this one; null: none does.
};

// Reads and checks the whole file. kNotFound; kInvalidArgument whose message lists every mistake found, a
// line each, as "FILE:LINE:COLUMN: what is wrong (nearest valid key)".
Result<AgentFile> load_agent_file(const std::string& path, const AgentFileOptions& options = {});
Result<AgentFile> parse_agent_file(std::string_view yaml, const std::string& path,
                                   const AgentFileOptions& options = {});
// From AgentFile::document. Mistakes have no place.
Result<AgentFile> agent_file_from(const Json& document, const std::string& path,
                                  const AgentFileOptions& options = {});

}  // namespace tsukai::agent
