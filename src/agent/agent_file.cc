#include "agent/agent_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "agent/agent_file_agents.h"
#include "agent/agent_file_params.h"
#include "agent/agent_file_reader.h"
#include "agent/child_run.h"
#include "agent/remote_preset.h"
#include "agent/tool_names.h"
#include "base/json_schema.h"
#include "base/text.h"
#include "infer/stop_strings.h"
#include "planner/graph.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kServersPerFileMax = 64;
constexpr std::size_t kNameLettersMax = 64;
constexpr std::int64_t kStepsMax = 10'000;
constexpr std::int64_t kTokensMax = 1'000'000'000;
constexpr std::int64_t kSecondsMax = 30 * 24 * 3600;
constexpr double kUsdMax = 1e6;
constexpr std::int64_t kRecallMax = 100;
constexpr std::int64_t kTokensPerStepMax = 1'000'000;
constexpr std::size_t kLogitBiasMax = 1024;  // tokens
constexpr double kLogitBiasLargest = 100;    // as in the OpenAI API
constexpr std::int64_t kCallsPerStepMax = 64;
constexpr std::int64_t kParallelCallsMax = 64;
constexpr IntegerRange kResultPreview = {256, 16'384};
constexpr std::int64_t kDepthMax = 16;
constexpr std::int64_t kToolsShownMax = 512;

bool plain_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameLettersMax && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

void read_server(MappingReader& servers, const YamlNode& key, const YamlNode& value, AgentFile& file) {
  const std::string& name = key.scalar;
  // Models see server__tool, so the name must leave that readable.
  if (!plain_name(name) || name.find("__") != std::string::npos) {
    servers.mistake(
        key.place,
        fmt::format("a server's name is letters, digits, - and single _, at most {}; \"{}\" is not",
                    kNameLettersMax, shortened(name, 80)));
    return;
  }
  if (value.kind != YamlNode::Kind::kMapping) {
    servers.mistake(
        value.place,
        fmt::format("\"servers.{}\" must be a mapping such as {{command: …}}, not {}", name, kind_of(value)));
    return;
  }
  auto entry = to_json(value, servers.mistakes());
  auto config = mcp::parse_server_config(name, entry);
  if (!config) {
    // The message names the key it is about: point there.
    Place place = key.place;
    for (const auto& [member, unused] : value.members) {
      if (config.error().message().find('"' + member.scalar + '"') != std::string::npos) {
        place = member.place;
        break;
      }
    }
    servers.mistake(place, config.error().text());
    return;
  }
  if (config->command.find('/') != std::string::npos) config->command = beside(file.path, config->command);
  config->cwd = beside(file.path, config->cwd);
  // As resolved, so that a resumed run starts the same program from any folder.
  if (entry.contains("command") && config->command.find('/') != std::string::npos &&
      entry["command"].get<std::string>().find("${") == std::string::npos) {
    entry["command"] = config->command;
  }
  if (!config->cwd.empty() &&
      (!entry.contains("cwd") || string_at(entry, "cwd").find("${") == std::string::npos))
    entry["cwd"] = config->cwd;
  file.servers.push_back(std::move(*config));
  file.server_entries.emplace_back(std::move(entry));
}

void read_servers(MappingReader& top, AgentFile& file) {
  const YamlNode* node = top.get("servers");
  if (node == nullptr) return;
  MappingReader servers(*node, "servers", top.mistakes());
  if (node->members.size() > kServersPerFileMax) {
    servers.mistake(node->place, fmt::format("at most {} servers", kServersPerFileMax));
    return;
  }
  for (const auto& [key, value] : node->members) read_server(servers, key, value, file);
}

// The names in a mapping of the file.
void add_names(const YamlNode& top, std::string_view mapping, std::vector<std::string>& names) {
  for (const auto& [key, value] : top.members) {
    if (key.scalar != mapping) continue;
    for (const auto& [name, config] : value.members) names.push_back(name.scalar);
  }
}

// `agents.NAME` of a rule or a step; false: it speaks of a server.
bool check_agent_pattern(MappingReader& top, const std::string& pattern, Place place) {
  std::vector<std::string> names;
  add_names(top.node(), "agents", names);
  if (names.empty() || !pattern.starts_with(std::string(kAgentServer) + ".")) return false;
  const auto matches = [&](const auto& name) {
    return glob_matches(pattern, qualified_name(kAgentServer, name));
  };
  if (std::any_of(names.begin(), names.end(), matches)) return true;
  const auto nearest = nearest_name(pattern.substr(kAgentServer.size() + 1), names);
  top.mistake(
      place,
      fmt::format("\"{}\" names none of the agents{}", pattern,
                  nearest.empty() ? "" : fmt::format("; did you mean \"{}.{}\"?", kAgentServer, nearest)));
  return true;
}

// A rule or a tools entry that can match nothing is a slip with consequences: the server it names must exist.
void check_pattern(MappingReader& top, const std::string& pattern, Place place) {
  static constexpr std::string_view kWildcards = "*?[";
  const auto dot = pattern.find('.');
  if (dot == std::string::npos && pattern.find_first_of(kWildcards) == std::string::npos) {
    top.mistake(place, fmt::format("\"{}\" names no tool: write server.tool, where * stands for anything",
                                   shortened(pattern, 80)));
    return;
  }
  const std::string server = pattern.substr(0, dot);
  if (server.find_first_of(kWildcards) != std::string::npos) return;
  std::vector<std::string> names;
  add_names(top.node(), "servers", names);
  if (std::find(names.begin(), names.end(), server) != names.end()) return;
  const std::string nearest = nearest_name(server, names);
  top.mistake(place, fmt::format("\"{}\": there is no server \"{}\"{}", pattern, server,
                                 nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
}

// One rule: exactly one of allow, ask, deny, and perhaps `when`.
void read_rule(MappingReader& top, const YamlNode& item, const AgentFileSupport& supported, AgentFile& file) {
  MappingReader rule(item, "policy", top.mistakes());
  if (item.kind != YamlNode::Kind::kMapping) return;
  static constexpr std::pair<const char*, PolicyRule::Action> kActions[] = {
      {"allow", PolicyRule::Action::kAllow},
      {"ask", PolicyRule::Action::kAsk},
      {"deny", PolicyRule::Action::kDeny}};
  std::vector<PolicyRule> found;
  int keys = 0;
  for (const auto& [key, action] : kActions) {
    if (action == PolicyRule::Action::kAsk && !supported.ask) {
      rule.refuse("ask", "\"ask\": this build can't ask a person yet; use allow or deny");
      continue;
    }
    if (rule.get(key) == nullptr) continue;
    ++keys;
    const auto pattern = rule.string(key);
    if (!pattern) continue;
    if (!check_agent_pattern(top, *pattern, rule.get(key)->place))
      check_pattern(top, *pattern, rule.get(key)->place);
    found.push_back({action, *pattern, rule.key_place(key).line, {}});
  }
  if (!supported.when) {
    rule.refuse("when", "\"when\": this build has no conditions yet; use rules without them");
  } else if (const auto text = rule.string("when")) {
    auto condition = Condition::parse(*text);
    if (!condition)
      rule.mistake(rule.get("when")->place, fmt::format("\"when\": {}", condition.error().message()));
    else if (!found.empty())
      found.front().when = std::move(*condition);
  }
  const bool asks = std::any_of(item.members.begin(), item.members.end(),
                                [](const auto& member) { return member.key.scalar == "ask"; });
  const char* actions = supported.ask ? "allow, ask or deny" : "allow or deny";
  if (keys > 1) rule.mistake(item.place, fmt::format("a rule is either {}", actions));
  if (keys == 0 && !asks) rule.mistake(item.place, fmt::format("a rule needs {}", actions));
  if (found.size() == 1) file.policy.push_back(std::move(found.front()));
  rule.done();
}

void read_policy(MappingReader& top, const AgentFileSupport& supported, AgentFile& file) {
  const YamlNode* node = top.get("policy");
  if (node == nullptr) return;
  if (node->kind != YamlNode::Kind::kSequence) {
    top.mistake(node->place,
                fmt::format("\"policy\" must be a list of rules such as `- allow: \"maps.*\"`, not {}",
                            kind_of(*node)));
    return;
  }
  for (const YamlNode& item : node->items) read_rule(top, item, supported, file);
}

void read_memory(MappingReader& top, AgentFile& file) {
  top.mapping("memory", [&](MappingReader& memory) {
    static const std::vector<std::string> kKeys = {"tenant", "user", "agent", "session"};
    if (memory.get("scope") == nullptr) file.memory_scope = {"user"};
    for (const auto& [key, place] : memory.strings("scope")) {
      if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end()) {
        const std::string nearest = nearest_name(key, kKeys);
        memory.mistake(
            place, fmt::format("\"memory.scope\" takes tenant, user, agent and session, not \"{}\"{}", key,
                               nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)));
      } else if (std::find(file.memory_scope.begin(), file.memory_scope.end(), key) !=
                 file.memory_scope.end()) {
        memory.mistake(place, fmt::format("\"{}\" stands here twice", key));
      } else {
        file.memory_scope.push_back(key);
      }
    }
    file.memory_recall = static_cast<std::size_t>(memory.integer("recall", {0, kRecallMax}).value_or(8));
  });
}

void read_budget(MappingReader& top, const AgentFileSupport& supported, Budget& budget) {
  top.mapping("budget", [&](MappingReader& map) {
    budget.steps = map.integer("steps", {1, kStepsMax}).value_or(budget.steps);
    budget.tool_calls = map.integer("tool_calls", {0, kStepsMax}).value_or(budget.tool_calls);
    budget.tokens = map.integer("tokens", {1, kTokensMax}).value_or(budget.tokens);
    budget.seconds = map.integer("seconds", {1, kSecondsMax}).value_or(budget.seconds);
    budget.depth = map.integer("depth", {0, kDepthMax}).value_or(budget.depth);
    if (supported.usd)
      budget.usd = map.real("usd", {0, kUsdMax}).value_or(0);
    else
      map.refuse("usd", "\"budget.usd\": this command does not count money; use tokens");
  });
}

// `logit_bias: {TOKEN: BIAS}`, tokens by their numbers in the model's vocabulary.
void read_logit_bias(MappingReader& sampling_map, infer::Sampling& sampling) {
  sampling_map.mapping("logit_bias", [&](MappingReader& map) {
    const auto& members = map.node().members;
    if (members.size() > kLogitBiasMax) {
      map.mistake(map.node().place,
                  fmt::format("\"sampling.logit_bias\" has {} tokens; at most {} can be biased",
                              members.size(), kLogitBiasMax));
    }
    for (const auto& [key, ignored] : members) {
      infer::TokenId token = -1;
      const char* const end = key.scalar.data() + key.scalar.size();
      const auto [stopped, error] = std::from_chars(key.scalar.data(), end, token);
      const auto bias = map.real(key.scalar, {-kLogitBiasLargest, kLogitBiasLargest});
      const bool spelled = error == std::errc() && stopped == end && std::to_string(token) == key.scalar;
      if (!spelled || token < 0) {
        map.mistake(
            key.place,
            fmt::format("\"sampling.logit_bias\": \"{}\" is no token; write its number, as `tsukai model "
                        "tokenize` tells it",
                        key.scalar));
      } else if (bias) {
        sampling.logit_bias.emplace_back(token, static_cast<float>(*bias));
      }
    }
  });
}

void read_stop(MappingReader& sampling_map, std::vector<std::string>& stop) {
  for (auto& [text, place] : sampling_map.strings("stop")) {
    if (text.empty() || text.size() > infer::StopStrings::kStopBytesMax)
      sampling_map.mistake(place, fmt::format("a text in \"sampling.stop\" has 1 to {} bytes, not {}",
                                              infer::StopStrings::kStopBytesMax, text.size()));
    stop.push_back(std::move(text));
  }
  if (stop.size() > infer::StopStrings::kStopsMax)
    sampling_map.mistake(sampling_map.get("stop")->place,
                         fmt::format("\"sampling.stop\" has {} texts; at most {} are watched for",
                                     stop.size(), infer::StopStrings::kStopsMax));
}

void read_sampling(MappingReader& top, AgentFile& file) {
  infer::Sampling& sampling = file.sampling;
  top.mapping("sampling", [&](MappingReader& map) {
    auto real = [&](const char* key, RealRange range, float& value) {
      if (auto given = map.real(key, range)) value = static_cast<float>(*given);
    };
    real("temperature", {0, 10}, sampling.temperature);
    real("top_p", {0, 1}, sampling.top_p);
    real("min_p", {0, 1}, sampling.min_p);
    real("repetition_penalty", {0.1, 10}, sampling.repetition_penalty);
    real("presence_penalty", {-10, 10}, sampling.presence_penalty);
    real("frequency_penalty", {-10, 10}, sampling.frequency_penalty);
    if (auto top_k = map.integer("top_k", {0, 1'000'000})) sampling.top_k = static_cast<int>(*top_k);
    if (auto seed = map.integer("seed", {0, INT64_MAX})) sampling.seed = static_cast<std::uint64_t>(*seed);
    read_logit_bias(map, sampling);
    read_stop(map, file.stop);
  });
}

void read_output(MappingReader& top, AgentFile& file) {
  top.mapping("output", [&](MappingReader& output) {
    const YamlNode* node = output.get("schema");
    if (node == nullptr) {
      output.mistake(output.node().place, "\"output\" needs a \"schema\"");
      return;
    }
    Json schema = to_json(*node, output.mistakes());
    if (!schema.is_object()) {
      output.mistake(node->place, fmt::format("\"output.schema\" must be a JSON Schema (a mapping), not {}",
                                              kind_of(*node)));
      return;
    }
    if (auto compiled = JsonSchema::compile(schema); !compiled) {
      output.mistake(node->place,
                     fmt::format("\"output.schema\" is no JSON Schema: {}", compiled.error().message()));
      return;
    }
    file.output_schema = JsonValue(std::move(schema));
  });
}

void read_model(MappingReader& top, bool required, AgentFile& file) {
  const auto model = top.string("model");
  if (!model) {
    if (top.get("model") == nullptr && required)
      top.mistake(top.node().place, "\"model\" is missing, for example `model: weights.gguf`");
    return;
  }
  if (trimmed(*model).empty()) {
    top.mistake(top.get("model")->place, "\"model\" is empty");
    return;
  }
  // Names (`bundled`, `smollm2`, `deepseek:deepseek-chat`) stay as written; what they mean is for whoever
  // opens the model.
  if (names_remote_model(*model)) {
    if (auto spec = parse_remote_spec(*model); !spec)
      top.mistake(top.get("model")->place, spec.error().text());
    file.model = *model;
    return;
  }
  const bool pulled = model->starts_with("hf:") || model->starts_with("ms:") ||
                      model->starts_with("http://") || model->starts_with("https://");
  const bool is_path = !pulled && (model->ends_with(".gguf") || model->find('/') != std::string::npos);
  file.model = is_path ? beside(file.path, *model) : *model;
}

void read_tool_choice(MappingReader& top, AgentFile& file) {
  const auto choice = top.choice("tool_choice", {"auto", "required", "none", "required-first"});
  if (!choice) return;
  static constexpr infer::ToolChoice kChoices[] = {infer::ToolChoice::kAuto, infer::ToolChoice::kRequired,
                                                   infer::ToolChoice::kNone, infer::ToolChoice::kRequired};
  file.tool_choice = kChoices[*choice];
  file.tool_choice_first_only = *choice == 3;
}

void read_planner(MappingReader& top, const AgentFileSupport& supported, AgentFile& file) {
  static constexpr Planner kPlanners[] = {Planner::kReact, Planner::kPlan, Planner::kAuto};
  const auto choice =
      supported.plan ? top.choice("planner", {"react", "plan", "auto"}) : top.choice("planner", {"react"});
  if (choice) file.planner = kPlanners[*choice];
}

// `steps:`, a plan by hand: the run does them and nothing else.
void read_steps(MappingReader& top, AgentFile& file) {
  const YamlNode* node = top.get("steps");
  if (node == nullptr) return;
  if (node->kind != YamlNode::Kind::kSequence) {
    top.mistake(node->place, fmt::format("\"steps\" must be a list of steps such as `- {{id: geo, tool: "
                                         "maps.maps_geo, arguments: {{…}}}}`, not {}",
                                         kind_of(*node)));
    return;
  }
  for (const auto* key : {"planner", "output", "tool_choice"}) {
    if (top.get(key) != nullptr)
      top.mistake(top.key_place(key),
                  fmt::format("\"{}\" has no meaning beside \"steps\": leave it out", key));
  }
  Json steps = Json::array();
  for (const YamlNode& item : node->items) {
    MappingReader step(item, "steps", top.mistakes());
    if (item.kind != YamlNode::Kind::kMapping) continue;
    Json json = {{"id", step.string("id").value_or(std::to_string(steps.size() + 1))}};
    if (const auto tool = step.string("tool")) {
      if (!check_agent_pattern(top, *tool, step.get("tool")->place))
        check_pattern(top, *tool, step.get("tool")->place);
      const auto dot = tool->find('.');
      if (tool->find_first_of("*?") != std::string::npos)
        step.mistake(step.get("tool")->place, "a step calls one tool: write its whole name");
      if (dot != std::string::npos)
        json["tool"] = model_tool_name(tool->substr(0, dot), tool->substr(dot + 1));
    }
    if (const auto prompt = step.string("prompt")) json["prompt"] = *prompt;
    if (const auto* arguments = step.get("arguments"))
      json["arguments"] = to_json(*arguments, top.mistakes());
    for (const auto& [need, place] : step.strings("needs")) json["needs"].push_back(need);
    if (const auto when = step.string("when")) {
      json["when"] = *when;
      if (auto condition = Condition::parse(*when); !condition)
        step.mistake(step.get("when")->place, fmt::format("\"when\": {}", condition.error().message()));
    }
    step.done();
    steps.push_back(std::move(json));
  }
  Json plan = {{"steps", std::move(steps)}};
  if (!top.mistakes().empty()) return;
  if (auto parsed = planner::Plan::parse(plan); !parsed)
    top.mistake(node->place, fmt::format("\"steps\": {}", parsed.error().text()));
  file.steps = std::move(plan);
}

void read_tools_shown(MappingReader& top, AgentFile& file) {
  const auto shown = top.integer("tools_shown", {0, kToolsShownMax});
  if (!shown) return;
  file.tools_shown = static_cast<std::size_t>(*shown);
  if (!file.steps.is_null())
    top.mistake(top.key_place("tools_shown"),
                "\"tools_shown\" has no meaning beside \"steps\", which name their tools: leave it out");
}

void read_top(MappingReader& top, const AgentFileOptions& options, AgentFile& file) {
  const auto& supported = options.supported;
  file.name = std::filesystem::path(file.path).stem().string();
  if (const auto name = top.string("name")) {
    file.name = *name;
    if (!plain_name(*name)) {
      top.mistake(top.get("name")->place,
                  fmt::format("\"name\" is letters, digits, - and _, at most {}", kNameLettersMax));
    }
  }
  read_model(top, options.model_required, file);
  read_tool_choice(top, file);
  file.instructions = top.string("instructions").value_or("");
  top.get("params");  // Read before; known.
  read_servers(top, file);
  read_agents(top, options, file);
  for (const auto& [pattern, place] : top.strings("tools")) {
    check_pattern(top, pattern, place);
    file.tools.push_back(pattern);
  }
  read_planner(top, supported, file);
  read_steps(top, file);
  read_tools_shown(top, file);
  read_memory(top, file);
  read_budget(top, supported, file.budget);
  read_policy(top, supported, file);
  read_output(top, file);
  read_sampling(top, file);
  file.tokens_per_step =
      static_cast<std::size_t>(top.integer("tokens_per_step", {1, kTokensPerStepMax})
                                   .value_or(static_cast<std::int64_t>(file.tokens_per_step)));
  file.calls_per_step =
      static_cast<std::size_t>(top.integer("calls_per_step", {1, kCallsPerStepMax})
                                   .value_or(static_cast<std::int64_t>(file.calls_per_step)));
  top.mapping("results", [&](MappingReader& results) {
    file.result_preview =
        static_cast<std::size_t>(results.integer("preview", kResultPreview).value_or(2'048));
  });
  file.parallel_calls =
      static_cast<std::size_t>(top.integer("parallel_calls", {1, kParallelCallsMax})
                                   .value_or(static_cast<std::int64_t>(file.parallel_calls)));
  file.parallel_calls_per_server =
      static_cast<std::size_t>(top.integer("parallel_calls_per_server", {1, kParallelCallsMax})
                                   .value_or(static_cast<std::int64_t>(file.parallel_calls_per_server)));
  top.done();
}

Result<AgentFile> read_file(std::optional<YamlNode> root, const std::string& path,
                            const AgentFileOptions& options, Mistakes& mistakes) {
  AgentFile file;
  file.path = path;
  Json source;
  if (root) {
    MappingReader params(*root, "", mistakes);  // Says so when the file is no mapping.
    if (root->kind == YamlNode::Kind::kMapping) {
      file.params = read_params(params);
      if (options.including) source = to_json(*root, mistakes);
      fill_params(*root, file.params, options, mistakes);
      MappingReader top(*root, "", mistakes);
      read_top(top, options, file);
    }
  }
  if (!mistakes.empty()) return fail(Code::kInvalidArgument, mistakes.text());
  Json document = to_json(*root, mistakes);
  document.erase("params");  // Their values are in it.
  file.document = std::move(document);
  if (options.including) file.source = with_agents_inside(std::move(source), file.agents);
  return file;
}

}  // namespace

Result<AgentFile> parse_agent_file(std::string_view yaml, const std::string& path,
                                   const AgentFileOptions& options) {
  Mistakes mistakes(path.empty() ? "agent file" : path);
  auto root = parse_yaml(yaml, mistakes);
  return read_file(std::move(root), path, options, mistakes);
}

Result<AgentFile> agent_file_from(const Json& document, const std::string& path,
                                  const AgentFileOptions& options) {
  Mistakes mistakes(path.empty() ? "agent file" : path);
  return read_file(from_json(document), path, options, mistakes);
}

Result<AgentFile> load_agent_file(const std::string& path, const AgentFileOptions& options) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    return fail(Code::kNotFound, fmt::format("there is no agent file {}", path), "check the path");
  }
  if (!std::filesystem::is_regular_file(status)) {
    return fail(Code::kInvalidArgument, fmt::format("{} is not a file", path),
                "give the path of an agent file (YAML)");
  }
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Code::kDenied, fmt::format("{} can't be read", path), "check the file's permissions");
  // One byte beyond the limit is enough to know.
  std::string yaml(kAgentFileBytesMax + 1, '\0');
  in.read(yaml.data(), static_cast<std::streamsize>(yaml.size()));
  yaml.resize(static_cast<std::size_t>(in.gcount()));
  return parse_agent_file(yaml, path, options);
}

}  // namespace tsukai::agent
