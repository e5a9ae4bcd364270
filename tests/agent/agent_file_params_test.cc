// Parameters, conditions, what depends on the caller's support, the document, and the published schema.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "agent/agent_file.h"
#include "agent/agent_file_yaml.h"
#include "base/json_schema.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

constexpr AgentFileSupport kAll = {.ask = true, .when = true, .plan = true, .usd = true};

AgentFile read(std::string_view yaml, AgentFileOptions options = {.supported = kAll}) {
  auto file = parse_agent_file(yaml, "agents/a.yaml", options);
  REQUIRE_MESSAGE(file.has_value(), (file ? "" : file.error().text()));
  return std::move(*file);
}

std::string agent_file_params_mistakes(std::string_view yaml,
                                       AgentFileOptions options = {.supported = kAll}) {
  auto file = parse_agent_file(yaml, "a.yaml", options);
  REQUIRE_FALSE_MESSAGE(file.has_value(), yaml);
  return file.error().message();
}

constexpr std::string_view kTrip = R"(
model: m.gguf
params:
  city: {type: string, description: where to}
  days: {type: integer, default: 2}
  pace: {type: string, enum: [slow, fast], default: slow}
instructions: "Plan {{days}} {{ pace }} days in {{city}}. Say {{ \"{{\" }}."
servers: {maps: {command: maps, args: ["--city", "{{city}}"]}}
budget: {steps: "{{days}}"}
)";

}  // namespace

TEST_SUITE("agent/agent_file/params") {
  TEST_CASE("parameters take the place of their names, as text within text and as values alone") {
    const AgentFile file = read(kTrip, {.params = {{"city", "Kyoto: \"old\" {{days}}"}, {"days", "3"}}});
    CHECK(file.instructions == "Plan 3 slow days in Kyoto: \"old\" {{days}}. Say {{ \"{{\" }}.");
    CHECK(file.servers[0].args == std::vector<std::string>{"--city", "Kyoto: \"old\" {{days}}"});
    CHECK(file.budget.steps == 3);
    REQUIRE(file.params.size() == 3);
    CHECK(file.params[0].description == "where to");
    CHECK(file.params[1].otherwise.print() == "2");
  }

  TEST_CASE("a value that is missing, unknown or of the wrong type is told") {
    CHECK(agent_file_params_mistakes(kTrip) == "a.yaml: the parameter \"city\" needs a value: -p city=…");
    CHECK(agent_file_params_mistakes(kTrip, {.params = {{"city", "x"}, {"dys", "3"}}}) ==
          "a.yaml: there is no parameter \"dys\"; did you mean \"days\"?");
    CHECK(agent_file_params_mistakes(kTrip, {.params = {{"city", "x"}, {"days", "two"}}}) ==
          "a.yaml: the parameter \"days\" must be a whole number, not \"two\"");
    CHECK(agent_file_params_mistakes(kTrip, {.params = {{"city", "x"}, {"pace", "brisk"}}})
              .find("must be one of [\"slow\",\"fast\"], not \"brisk\"") != std::string::npos);
    CHECK(agent_file_params_mistakes("model: m", {.params = {{"x", "1"}}}) ==
          "a.yaml: there is no parameter \"x\"");
  }

  TEST_CASE("a name that was never declared is told with its place, unless nothing is declared at all") {
    CHECK(
        agent_file_params_mistakes("model: m\nparams: {city: {default: Kyoto}}\ninstructions: in {{cty}}") ==
        "a.yaml:3:15: there is no parameter \"cty\"; did you mean \"city\"?");
    CHECK(read("model: m\ninstructions: in {{city}}").instructions == "in {{city}}");
  }

  TEST_CASE("a file can be checked without values") {
    CHECK(read(kTrip, {.params_required = false}).budget.steps == 2);
  }

  TEST_CASE("mistakes in the declarations have their place") {
    auto has = [](std::string_view yaml, std::string_view part) {
      const std::string text = agent_file_params_mistakes(yaml);
      CHECK_MESSAGE(text.find(part) != std::string::npos, text);
    };
    has("model: m\nparams: [x]", "a.yaml:2:9: \"params\" must be a mapping");
    has("model: m\nparams: {\"a b\": {}}", "a.yaml:2:10: a parameter's name is letters");
    has("model: m\nparams: {a: 3}", "\"params.a\" must be a mapping");
    has("model: m\nparams: {a: {type: text}}",
        "\"params.a.type\" must be one of string, integer, number, boolean");
    has("model: m\nparams: {a: {type: integer, default: x}}",
        "the default of \"a\" must be a whole number, not text");
    has("model: m\nparams: {a: {enum: [x], default: y}}", "the default of \"a\" is not in its enum");
    has("model: m\nparams: {a: {enum: []}}", "\"enum\" must be a list");
    has("model: m\nparams: {a: {defalt: x}}", "unknown key \"defalt\"; did you mean \"default\"?");
  }

  TEST_CASE("filling in can't blow a text up") {
    std::string yaml = "model: m\nparams: {a: {default: x}}\ninstructions: \"";
    for (int i = 0; i < 2000; ++i) yaml += "{{a}}";
    CHECK(agent_file_params_mistakes(yaml + "\"", {.params = {{"a", std::string(1000, 'y')}}})
              .find("once its parameters are filled in") != std::string::npos);
    // None of the texts is too long, all together are.
    std::string many =
        "model: m\nparams: {a: {default: " + std::string(1000, 'x') + "}}\noutput:\n  schema:\n    enum:\n";
    for (int i = 0; i < 5'000; ++i) many += "    - \"{{a}}\"\n";
    const auto told = agent_file_params_mistakes(many);
    CHECK(told.find("the file's texts have over 4194304 bytes in all once its parameters are filled in") !=
          std::string::npos);
  }
}

TEST_SUITE("agent/agent_file/rules") {
  TEST_CASE("ask and when are read when the caller honours them") {
    const AgentFile file = read(
        "model: m\nservers: {shop: {command: s}}\npolicy:\n  - ask: shop.pay\n    when: \"amount > 50\"\n  - "
        "allow: \"*\"\n");
    REQUIRE(file.policy.size() == 2);
    CHECK(file.policy[0].action == PolicyRule::Action::kAsk);
    CHECK(file.policy[0].when.holds(Json{{"amount", 60}}).value());
    CHECK_FALSE(file.policy[0].when.holds(Json{{"amount", 50}}).value());
    CHECK(file.policy[1].when.always());
    CHECK(agent_file_params_mistakes("model: m\npolicy: [{allow: '*', when: 'a >'}]") ==
          "a.yaml:2:29: \"when\": column 4: expected a value, not the end");
    CHECK(agent_file_params_mistakes("model: m\npolicy: [{when: 'a'}]")
              .find("a rule needs allow, ask or deny") != std::string::npos);
    CHECK(agent_file_params_mistakes("model: m\npolicy: [{allow: '*', ask: '*'}]").find("a rule is either") !=
          std::string::npos);
  }

  TEST_CASE("planner and usd are read when the caller honours them") {
    CHECK(read("model: m\nplanner: auto").planner == Planner::kAuto);
    CHECK(read("model: m\nplanner: plan").planner == Planner::kPlan);
    CHECK(read("model: m\nbudget: {usd: 0.5}").budget.usd == doctest::Approx(0.5));
    CHECK(agent_file_params_mistakes("model: m\nbudget: {usd: -1}").find("\"budget.usd\" must be from 0") !=
          std::string::npos);
  }
}

TEST_SUITE("agent/agent_file/document") {
  TEST_CASE("the document gives the same file again and holds no secret from the environment") {
    const AgentFile file = read(kTrip, {.params = {{"city", "Kyoto"}}});
    CHECK(file.document->contains("params") == false);
    auto again = agent_file_from(*file.document, "agents/a.yaml");
    REQUIRE_MESSAGE(again.has_value(), (again ? "" : again.error().text()));
    CHECK(again->instructions == file.instructions);
    CHECK(again->model == "agents/m.gguf");
    CHECK(again->servers[0].args == file.servers[0].args);
    CHECK(again->budget.steps == 2);
    CHECK(again->document.print() == file.document.print());
  }

  TEST_CASE("text that looks like a number stays text") {
    const AgentFile file =
        read("model: m\ninstructions: '42'\noutput: {schema: {enum: ['1', 1, 'true', null]}}");
    const auto again = agent_file_from(*file.document, "a.yaml").value();
    CHECK(again.instructions == "42");
    CHECK(again.output_schema->print() == R"({"enum":["1",1,"true",null]})");
  }
}

TEST_SUITE("agent/agent_file/schema") {
  TEST_CASE("the published schema takes what the reader takes and refuses what it refuses") {
    auto parsed = parse_json(read_file(TSUKAI_SOURCE_DIR "/docs/formats/agent-file.schema.json"));
    REQUIRE(parsed.has_value());
    const auto schema = JsonSchema::compile(*parsed).value();
    auto by_schema = [&](std::string_view yaml) {
      Mistakes notes("a");
      const auto root = parse_yaml(yaml, notes);
      REQUIRE_MESSAGE(root.has_value(), yaml);
      return schema.check(to_json(*root, notes));
    };
    for (const std::string_view yaml :
         {kTrip, std::string_view("model: m"),
          std::string_view("model: m\nname: a-b_C9\ntool_choice: none\nplanner: plan\ntokens_per_step: 1"),
          std::string_view(
              "model: m\nservers: {a_b: {command: c}, s: {url: 'http://127.0.0.1:1/mcp'}}\ntools: ['s.*']"),
          std::string_view("model: m\nmemory: {scope: [user, session], recall: 0}\nbudget: {steps: 1, "
                           "tool_calls: 0, tokens: 5, seconds: 9, usd: 0.1}"),
          std::string_view("model: m\npolicy: [{allow: '*'}, {ask: '*.pay', when: 'a > 5'}, {deny: '*'}]"),
          std::string_view(
              "model: m\noutput: {schema: {type: object}}\nsampling: {temperature: 0.2, top_p: 1, top_k: 0, "
              "min_p: 0, seed: 1, repetition_penalty: 1, presence_penalty: 0, frequency_penalty: -1, "
              "logit_bias: {0: 1, 151935: -2.5}, stop: [a, 7]}")}) {
      CAPTURE(yaml);
      read(yaml, {.supported = kAll, .params_required = false});
      const auto errors = by_schema(yaml);
      CHECK_MESSAGE(errors.empty(), (errors.empty() ? "" : errors[0]));
    }
    for (const std::string_view yaml : {"name: a",
                                        "model: 3",
                                        "model: ' '",
                                        "model: m\nmodle: x",
                                        "model: m\nname: a b",
                                        "model: m\ntool_choice: maybe",
                                        "model: m\ntools: x",
                                        "model: m\nservers: [a]",
                                        "model: m\nservers: {a__b: {command: c}}",
                                        "model: m\nservers: {a: c}",
                                        "model: m\nplanner: dream",
                                        "model: m\nmemory: {scope: [users]}",
                                        "model: m\nmemory: {scope: [user, user]}",
                                        "model: m\nmemory: {recall: 101}",
                                        "model: m\nbudget: {steps: 0}",
                                        "model: m\nbudget: {step: 1}",
                                        "model: m\nbudget: {usd: -1}",
                                        "model: m\npolicy: [{}]",
                                        "model: m\npolicy: [{allow: '*', deny: '*'}]",
                                        "model: m\npolicy: [{allow: '*', wen: 'a'}]",
                                        "model: m\noutput: {}",
                                        "model: m\noutput: {schema: [1]}",
                                        "model: m\nsampling: {temperature: hot}",
                                        "model: m\nsampling: {top_p: 1.5}",
                                        "model: m\nsampling: {logit_bias: {a: 1}}",
                                        "model: m\nsampling: {logit_bias: {1: 200}}",
                                        "model: m\nsampling: {stop: ['']}",
                                        "model: m\nsampling: {stop: a}",
                                        "model: m\nparams: {'a b': {}}",
                                        "model: m\nparams: {a: {type: text}}",
                                        "model: m\nparams: {a: {enum: []}}",
                                        "model: m\ntokens_per_step: 0",
                                        "- a"}) {
      CAPTURE(yaml);
      CHECK_FALSE(
          parse_agent_file(yaml, "a.yaml", {.supported = kAll, .params_required = false}).has_value());
      CHECK_FALSE(by_schema(yaml).empty());
    }
  }
}
