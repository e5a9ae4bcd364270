#include "agent/support/scenario.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <set>

#include <doctest/doctest.h>

#include "agent/child_run.h"
#include "agent/decisions.h"
#include "agent/prompt_rebuild.h"
#include "agent/replay.h"
#include "agent/support/situation.h"
#include "agent/tool_pins.h"

namespace tsukai::agent {
namespace {

Json to_json(const YAML::Node& node) {
  if (node.IsMap()) {
    Json out = Json::object();
    for (const auto& member : node) out[member.first.as<std::string>()] = to_json(member.second);
    return out;
  }
  if (node.IsSequence()) {
    Json out = Json::array();
    for (const auto& element : node) out.push_back(to_json(element));
    return out;
  }
  if (!node.IsScalar()) return nullptr;
  const auto text = node.Scalar();
  if (node.Tag() == "!") return text;  // quoted
  auto value = parse_json(text);
  return value && !value->is_structured() ? *value : Json(text);
}

Code code_named(const std::string& text) {
  for (const auto code :
       {Code::kNotFound, Code::kTimeout, Code::kTransport, Code::kProtocol, Code::kExhausted}) {
    if (name(code) == text) return code;
  }
  return Code::kInternal;
}

std::string repeated(const Json& spec) {
  std::string out;
  for (std::int64_t i = 0; i < integer_at(spec, "times", 1); ++i) out += string_at(spec, "text", "x");
  return out;
}

// Other tools come and go, and the server says so.
Task<mcp::ToolResult> change_tools(FakeServer& server, Json spec) {
  const Json added = spec.value("adds", Json::object()), removed = spec.value("removes", Json::array());
  for (const auto& [tool, answer] : added.items())
    server.tools.push_back({tool, {{"type", "object"}}, answering(answer.get<std::string>())});
  for (const auto& each : removed) {
    const auto gone = each.get<std::string>();
    std::erase_if(server.tools, [&](const FakeTool& tool) { return tool.name == gone; });
  }
  TSUKAI_CO_TRY_VOID(co_await server.on_changed(mcp::Changed::kTools));
  co_return text_result("changed");
}

// One tool: a text it answers, or {echo}, {error}, {fails, says}, {json}, {text, times}, {adds, removes},
// each with an optional schema.
FakeHandler handler_of(FakeServer& server, const Json& spec) {
  if (spec.contains("adds") || spec.contains("removes"))
    return [&server, spec](Json) { return change_tools(server, spec); };
  if (spec.is_string()) return answering(spec.get<std::string>());
  if (spec.contains("echo")) return [](Json arguments) { return answer_text(print_json(arguments)); };
  if (spec.contains("error")) {
    return [text = string_at(spec, "error")](Json) { return fail_text(text); };
  }
  if (spec.contains("fails")) {
    return [error = Error(code_named(string_at(spec, "fails")), string_at(spec, "says", "it failed"))](Json) {
      return fail_call(error);
    };
  }
  if (spec.contains("json")) {
    return [value = spec["json"]](Json) -> Task<mcp::ToolResult> {
      mcp::ToolResult result;
      result.content = Json::array();
      result.structured_content = value;
      return [](mcp::ToolResult given) -> Task<mcp::ToolResult> { co_return given; }(std::move(result));
    };
  }
  return answering(repeated(spec));
}

void add_servers(Situation& s, const Json& servers) {
  for (const auto& [server, tools] : servers.items()) {
    mcp::ServerConfig elsewhere;
    auto& config = tools.contains("of_children") ? elsewhere : s.use(server);
    auto& fake = s.servers[server];
    if (tools.contains("does_not_start")) {
      fake.does_not_start = Error(Code::kNotFound, tools["does_not_start"].get<std::string>());
      continue;
    }
    for (const auto& [tool, spec] : tools.items()) {
      if (tool == "trusted") config.trusted = spec.get<bool>();
      if (tool == "env") {
        for (const auto& [name, value] : spec.items()) config.env[name] = value.get<std::string>();
      }
      if (tool == "trusted" || tool == "env" || tool == "of_children") continue;
      const auto* schema = find(spec, "schema");
      for (std::int64_t i = 1; i < integer_at(spec, "copies", 1); ++i)
        s.servers.add(server, fmt::format("{}_{}", tool, i), handler_of(fake, spec));
      s.servers.add(server, tool, handler_of(fake, spec),
                    schema == nullptr ? Json{{"type", "object"}} : *schema);
      if (bool_at(spec, "read_only")) fake.tools.back().annotations = mcp::ToolAnnotations{.read_only = true};
    }
  }
}

void configure(AgentFile& file, const Json& agent) {
  const auto choice = string_at(agent, "tool_choice", "auto");
  if (choice.starts_with("required")) file.tool_choice = infer::ToolChoice::kRequired;
  if (choice == "none") file.tool_choice = infer::ToolChoice::kNone;
  file.tool_choice_first_only = choice == "required-first";
  file.instructions = string_at(agent, "instructions", file.instructions);
  file.tokens_per_step = static_cast<std::size_t>(integer_at(agent, "tokens_per_step", 512));
  if (const auto* budget = find(agent, "budget")) {
    file.budget.steps = integer_at(*budget, "steps", file.budget.steps);
    file.budget.tool_calls = integer_at(*budget, "tool_calls", file.budget.tool_calls);
    file.budget.tokens = integer_at(*budget, "tokens", file.budget.tokens);
    file.budget.seconds = integer_at(*budget, "seconds", file.budget.seconds);
    file.budget.usd = number_at(*budget, "usd");
    file.budget.depth = integer_at(*budget, "depth", file.budget.depth);
  }
  if (const auto* tools = find(agent, "tools")) file.tools = tools->get<std::vector<std::string>>();
  if (const auto* schema = find(agent, "output_schema")) file.output_schema = *schema;
  if (const auto* memory = find(agent, "memory")) {
    file.memory_recall = static_cast<std::size_t>(integer_at(*memory, "recall"));
    file.memory_scope = find(*memory, "scope")->get<std::vector<std::string>>();
  }
  if (const auto* policy = find(agent, "policy")) {
    for (const auto& rule : *policy) {
      const std::string key = rule.contains("allow") ? "allow" : rule.contains("ask") ? "ask" : "deny";
      const auto action = key == "allow" ? PolicyRule::Action::kAllow
                          : key == "ask" ? PolicyRule::Action::kAsk
                                         : PolicyRule::Action::kDeny;
      file.policy.push_back({action, string_at(rule, key), 0});
      if (rule.contains("when")) file.policy.back().when = *Condition::parse(string_at(rule, "when"));
    }
  }
  if (const auto* results = find(agent, "results"))
    file.result_preview = static_cast<std::size_t>(integer_at(*results, "preview"));
  if (const auto* agents = find(agent, "agents")) {
    const auto loaded = agent_file_from({{"model", file.model}, {"agents", *agents}}, file.path);
    REQUIRE_MESSAGE(loaded, (loaded ? "" : loaded.error().text()));
    file.agents = loaded->agents;
  }
  if (agent.contains("tools_shown")) file.tools_shown = integer_at(agent, "tools_shown");
  const auto planner = string_at(agent, "planner");
  if (planner == "plan") file.planner = Planner::kPlan;
  if (planner == "auto") file.planner = Planner::kAuto;
  if (const auto* steps = find(agent, "steps")) file.steps = Json{{"steps", *steps}};
  file.parallel_calls_per_server =
      static_cast<std::size_t>(integer_at(agent, "parallel_calls_per_server", 8));
}

// {say}, {call: {name: arguments}}, {calls: [{name: arguments}]}, {cut}, {fail}, each with an optional
// {seconds: N} it takes.
FakeTurn turn_of(Situation& s, const Json& spec) {
  FakeTurn turn;
  Json all = Json::array();
  if (spec.contains("call")) all.push_back(spec["call"]);
  if (spec.contains("calls")) all = spec["calls"];
  for (const auto& each : all) {
    for (const auto& [tool, arguments] : each.items()) {
      turn.calls.emplace_back(tool, arguments.is_null() ? Json::object() : arguments);
    }
  }
  turn.text = string_at(spec, "say", string_at(spec, "cut"));
  if (!turn.calls.empty()) turn.finish = infer::FinishReason::kCalls;
  if (spec.contains("cut")) turn.finish = infer::FinishReason::kLength;
  if (spec.contains("fail")) turn.failure = Error(Code::kTransport, string_at(spec, "fail"));
  turn.usd = number_at(spec, "usd");
  if (const auto seconds = integer_at(spec, "seconds"); seconds > 0) {
    turn.before = [&s, seconds] { s.clock.advance(seconds * 1000); };
  }
  return turn;
}

void script(Situation& s, const Json& turns) {
  for (const auto& turn : turns) {
    for (std::int64_t i = 0; i < integer_at(turn, "times", 1); ++i)
      s.script.turns.push_back(turn_of(s, turn));
  }
}

// {SERVER: {TOOL: its new description, version: V}}
void change_servers(Situation& s, const Json& servers) {
  for (const auto& [server, tools] : servers.items()) {
    auto& fake = s.servers[server];
    fake.version = string_at(tools, "version", fake.version);
    for (auto& tool : fake.tools) tool.description = string_at(tools, tool.name, tool.description);
  }
}

// One act after the first: {approve|deny|retry|abort|done: CALL, result, reason}, {resume}, {run: TASK}, each
// with {model}.
Result<RunOutcome> act(Situation& s, const Json& step, Result<RunOutcome> before) {
  if (const auto* turns = find(step, "model")) script(s, *turns);
  const auto say = [&](Journal& journal, const std::string& root) -> Result<void> {
    auto run = root;
    if (const auto whose = string_at(step, "of"); !whose.empty()) {
      TSUKAI_TRY(const auto children, children_of(journal, root));
      for (const auto& child : children) {
        if (child.agent == whose) run = child.run.id;
      }
    }
    if (step.contains("cancel")) {
      TSUKAI_TRY_VOID(cancel_run(journal, run, "boss"));
    }
    for (const bool allowed : {true, false}) {
      const auto call = string_at(step, allowed ? "approve" : "deny");
      if (call.empty()) continue;
      TSUKAI_TRY_VOID(journal.give_approval(run, call, allowed, "boss", string_at(step, "reason")));
    }
    for (const auto& [key, resolution] : std::map<std::string, Resolution>{
             {"done", Resolution::kDone}, {"retry", Resolution::kRetry}, {"abort", Resolution::kAbort}}) {
      const auto call = string_at(step, key);
      if (call.empty()) continue;
      TSUKAI_TRY_VOID(resolve_call(journal, run, call, resolution, string_at(step, "result"), "boss"));
    }
    return {};
  };
  if (auto said = s.outside(say); !said) return fail(said.error());
  if (const auto* changed = find(step, "change")) change_servers(s, *changed);
  if (const auto server = string_at(step, "accept_pins"); !server.empty()) {
    TSUKAI_TRY(auto database, Database::open(s.database()));
    TSUKAI_TRY(auto pins, ToolPins::open(database, s.clock));
    TSUKAI_TRY_VOID(pins->accept(server, ""));
  }
  if (step.contains("run")) return s.run(string_at(step, "run"));
  return step.contains("resume") ? s.resume() : before;
}

class Check {
 public:
  explicit Check(const Json& expected) : expected_(expected) {}

  void equal(const std::string& key, const Json& value) {
    seen_.insert(key);
    const auto* wanted = find(expected_, key);
    if (wanted == nullptr || *wanted == value) return;
    faults_.push_back(fmt::format("{}: expected {}, was {}", key, print_json(*wanted), print_json(value)));
  }
  void has(const std::string& key, const std::string& text) {
    seen_.insert(key);
    const auto* wanted = find(expected_, key);
    if (wanted == nullptr) return;
    for (const auto& part : wanted->is_array() ? *wanted : Json::array({*wanted})) {
      if (text.find(part.get<std::string>()) != std::string::npos) continue;
      faults_.push_back(fmt::format("{}: \"{}\" is not in \"{}\"", key, part.get<std::string>(), text));
    }
  }
  void lacks(const std::string& key, const std::string& text) {
    seen_.insert(key);
    const auto wanted = string_at(expected_, key);
    if (!wanted.empty() && text.find(wanted) != std::string::npos) faults_.push_back(key + ": it is there");
  }
  void that(bool holds, const std::string& fault) {
    if (!holds) faults_.push_back(fault);
  }
  // A misspelt expectation would otherwise always hold.
  std::vector<std::string> done() {
    for (const auto& [key, value] : expected_.items()) {
      if (!seen_.contains(key)) faults_.push_back("expect: unknown key " + key);
    }
    return faults_;
  }

 private:
  const Json& expected_;
  std::set<std::string> seen_;
  std::vector<std::string> faults_;
};

std::string_view choice(infer::ToolChoice given) {
  return given == infer::ToolChoice::kAuto ? "auto" : given == infer::ToolChoice::kNone ? "none" : "required";
}

void check_model_side(Situation& s, Check& check) {
  Json choices = Json::array(), tools = Json::array();
  for (const auto& request : s.script.requests) choices.push_back(choice(request.tool_choice));
  std::string told, first;
  if (!s.script.requests.empty()) {
    for (const auto& tool : s.script.requests.front().tools) tools.push_back(tool.name);
    for (const auto& message : s.script.requests.back().messages) told += message.text + "\n";
    for (const auto& message : s.script.requests.back().messages) {
      if (first.empty() && message.role == infer::Role::kUser) first = message.text;
    }
  }
  check.equal("tool_choices", choices);
  check.equal("tools", tools);
  check.equal("first_message", first);
  check.has("told_has", told);
  check.lacks("told_lacks", told);
  check.equal("model_calls", s.script.requests.size());
  check.equal("turns_left", s.script.turns.size());
  check.equal("observations", s.observations());
}

void check_servers(Situation& s, const Json& expected, Check& check) {
  Json counts = Json::object();
  if (const auto* wanted = find(expected, "calls")) {
    for (const auto& [tool, unused] : wanted->items()) {
      const auto dot = tool.find('.');
      std::int64_t count = 0;
      for (const auto& call : s.servers[tool.substr(0, dot)].calls)
        count += call.first == tool.substr(dot + 1) ? 1 : 0;
      counts[tool] = count;
    }
  }
  check.equal("calls", counts);
}

// What holds for every run, whatever the scenario is about.
void check_always(Situation& s, Check& check) {
  const auto rows = s.rows();
  if (rows.empty()) return;
  const auto defects =
      s.outside([](Journal& journal, const std::string& run) { return journal.verify(run); });
  check.that(defects && defects->empty(), "the journal does not verify");
  const auto prompts = rebuild_prompts(rows);
  check.that(prompts.has_value(), "the prompts can't be rebuilt");
  if (prompts && !prompts->empty()) {
    const auto given = [&](const auto& prompt) { return prompt.text == prompts->back().text; };
    check.that(std::any_of(s.script.prompts.begin(), s.script.prompts.end(), given),
               "the last prompt is not rebuilt byte for byte");
  }
  const auto replayed = await(replay_run(rows, nullptr));
  check.that(replayed.has_value(), "the run can't be replayed: " + (replayed ? "" : replayed.error().text()));
  if (replayed && rows.back().kind == Kind::kRunDone && s.script.turns.empty()) {
    for (const auto& line : replayed->differences) check.that(false, "replay: " + line);
  }
  for (const auto& child : s.children()) {
    if (!child.begun) continue;
    const auto own = s.rows(child.run.id);
    const auto damage =
        s.outside([&](Journal& journal, const std::string&) { return journal.verify(child.run.id); });
    check.that(damage && damage->empty(), "the journal of a child does not verify");
    check.that(rebuild_prompts(own).has_value(), "the prompts of a child can't be rebuilt");
    const auto again = await(replay_run(own, nullptr));
    check.that(again.has_value(), "a child can't be replayed");
    if (!again || own.back().kind != Kind::kRunDone) continue;
    for (const auto& line : again->differences) check.that(false, "replay of a child: " + line);
  }
  check.that(s.servers.all_reaped() || !s.told("killed").empty(), "a server was not shut down");
}

}  // namespace

Result<Json> load_yaml(const std::string& path) {
  try {
    return to_json(YAML::LoadFile(path));
  } catch (const YAML::Exception& error) {
    return fail(Code::kInvalidArgument, path + ": " + error.what());
  }
}

std::vector<std::string> play_scenario(const Json& scenario) {
  Situation s;
  if (const auto* servers = find(scenario, "servers")) add_servers(s, *servers);
  if (const auto* agent = find(scenario, "agent")) configure(s.file, *agent);
  if (const auto* turns = find(scenario, "model")) script(s, *turns);
  s.script.context_tokens = static_cast<std::size_t>(integer_at(scenario, "context_tokens", 1'000'000));
  Result<RunOutcome> outcome = fail(Code::kInternal, "nothing was run");
  if (const auto* kill = find(scenario, "kill")) {
    s.run_killed_at(string_at(*kill, "at"), static_cast<int>(integer_at(*kill, "count", 1)));
    s.events.push_back({"killed", 0, Json::object()});
  } else {
    outcome = s.run(string_at(scenario, "task", "do it"));
  }
  if (const auto* then = find(scenario, "then")) {
    for (const auto& step : *then) outcome = act(s, step, std::move(outcome));
  }
  const Json expected = scenario.value("expect", Json::object());
  Check check(expected);
  check.that(!expected.empty(), "the scenario expects nothing");
  check.has("error_has", outcome ? "" : outcome.error().text());
  check.that(outcome.has_value() != expected.contains("error_has"),
             outcome ? "it ran" : outcome.error().text());
  check.equal("state", outcome ? std::string(name(outcome->state)) : "");
  check.equal("answer", outcome ? outcome->answer : "");
  check.has("answer_has", outcome ? outcome->answer : "");
  check.equal("kinds", s.kinds());
  check.has("kinds_has", s.kinds());
  std::string notices, results;
  for (const auto& data : s.told("notice")) notices += string_at(data, "message") + "\n";
  for (const auto& data : s.told("server_failed")) notices += string_at(data, "server") + " failed\n";
  for (const auto& data : s.told("tool_changed")) {
    notices += fmt::format("{}.{} has changed {}\n", string_at(data, "server"), string_at(data, "tool"),
                           string_at(data, "why"));
    for (const auto& line : data["differences"]) notices += line.get<std::string>() + "\n";
  }
  for (const auto& text : s.observations()) results += text + "\n";
  check.has("notice_has", notices);
  check.has("observation_has", results);
  check.lacks("at_rest_lacks", s.at_rest());
  if (const auto* totals = find(expected, "totals")) {
    for (const auto& [key, value] : totals->items()) {
      const Json actual = outcome ? outcome->totals->value(key, Json()) : Json();
      check.that(actual == value,
                 fmt::format("totals.{}: expected {}, was {}", key, value.dump(), actual.dump()));
    }
  }
  Json children = Json::array();
  for (const auto& child : s.children())
    children.push_back(fmt::format("{} {}", child.agent, child.begun ? name(child.run.state) : "not begun"));
  check.equal("children", children);
  check.equal("totals", expected.value("totals", Json()));
  check_model_side(s, check);
  check_servers(s, expected, check);
  check_always(s, check);
  return check.done();
}

}  // namespace tsukai::agent
