#include "agent/agent_file.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/text.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

AgentFile agent_file_read(std::string_view yaml, const std::string& path = "agents/a.yaml") {
  auto file = parse_agent_file(yaml, path);
  REQUIRE_MESSAGE(file.has_value(), (file ? "" : file.error().text()));
  return std::move(*file);
}

// The message for a file that must be refused.
std::string agent_file_mistakes(std::string_view yaml) {
  auto file = parse_agent_file(yaml, "a.yaml");
  REQUIRE_FALSE(file.has_value());
  CHECK(file.error().code() == Code::kInvalidArgument);
  return file.error().message();
}

}  // namespace

TEST_SUITE("agent/agent_file") {
  TEST_CASE("every key is read") {
    const AgentFile file = agent_file_read(R"(
name: day-out
model: models/tiny.gguf
tool_choice: required-first
instructions: |
  You plan days out.
  Never invent a place.
servers:
  maps: {command: tsukai-maps}
  search: {command: ./bin/search, args: [--index, ./docs]}
tools: ["maps.*", search.find]
planner: react
memory: {scope: [user, agent], recall: 3}
budget: {steps: 5, tool_calls: 6, tokens: 700, seconds: 8}
policy:
  - allow: "maps.*"
  - deny: "search.*"
output: {schema: {type: object, properties: {answer: {type: string}}, required: [answer]}}
sampling: {temperature: 0.7, top_p: 0.9, top_k: 40, min_p: 0.05, seed: 11, repetition_penalty: 1.1,
  logit_bias: {271: -100, 9: 2.5}, stop: [END, "\n\n"]}
tokens_per_step: 256
)");
    CHECK(file.name == "day-out");
    CHECK(file.model == "agents/models/tiny.gguf");
    CHECK(file.tool_choice == infer::ToolChoice::kRequired);
    CHECK(file.tool_choice_first_only);
    CHECK(file.instructions == "You plan days out.\nNever invent a place.\n");
    REQUIRE(file.servers.size() == 2);
    CHECK(file.servers[0].name == "maps");
    CHECK(file.servers[0].command == "tsukai-maps");
    CHECK(file.servers[1].command == "agents/bin/search");
    CHECK(file.servers[1].args == std::vector<std::string>{"--index", "./docs"});
    CHECK(file.tools == std::vector<std::string>{"maps.*", "search.find"});
    CHECK(file.memory_scope == std::vector<std::string>{"user", "agent"});
    CHECK(file.memory_recall == 3);
    CHECK(file.budget.steps == 5);
    CHECK(file.budget.tool_calls == 6);
    CHECK(file.budget.tokens == 700);
    CHECK(file.budget.seconds == 8);
    REQUIRE(file.policy.size() == 2);
    CHECK(file.policy[0].action == PolicyRule::Action::kAllow);
    CHECK(file.policy[1].action == PolicyRule::Action::kDeny);
    CHECK(file.policy[1].pattern == "search.*");
    CHECK(file.policy[1].line == 17);
    CHECK(file.output_schema->get()["required"][0] == "answer");
    CHECK(file.sampling.temperature == doctest::Approx(0.7));
    CHECK(file.sampling.top_k == 40);
    CHECK(file.sampling.seed == 11);
    CHECK(file.sampling.logit_bias ==
          std::vector<std::pair<infer::TokenId, float>>{{271, -100.0f}, {9, 2.5f}});
    CHECK(file.stop == std::vector<std::string>{"END", "\n\n"});
    CHECK(file.tokens_per_step == 256);
  }

  TEST_CASE("a file with a model alone has the documented defaults") {
    const AgentFile file = agent_file_read("model: m.gguf", "x/planner.yaml");
    CHECK(file.name == "planner");
    CHECK(file.model == "x/m.gguf");
    CHECK(file.tool_choice == infer::ToolChoice::kAuto);
    CHECK_FALSE(file.tool_choice_first_only);
    CHECK(file.memory_recall == 0);
    CHECK(file.budget.steps == 24);
    CHECK(file.sampling.temperature == 0);
    CHECK(file.tokens_per_step == 512);
  }

  TEST_CASE("paths are relative to the file's folder; names and absolute paths stay") {
    CHECK(agent_file_read("model: /abs/m.gguf").model == "/abs/m.gguf");
    CHECK(agent_file_read("model: bundled").model == "bundled");
    CHECK(agent_file_read("model: smollm2").model == "smollm2");
    CHECK(agent_file_read("model: weights/qwen3").model == "agents/weights/qwen3");
    CHECK(agent_file_read("model: \"openai:qwen@http://127.0.0.1:1/v1\"").model ==
          "openai:qwen@http://127.0.0.1:1/v1");
    CHECK(agent_file_read("model: ../m.gguf").model == "m.gguf");
    CHECK(agent_file_read("model: m.gguf", "a.yaml").model == "m.gguf");
    CHECK(agent_file_read("model: m\nservers: {s: {command: c, cwd: data}}").servers[0].cwd == "agents/data");
  }

  TEST_CASE("every mistake is told, each with its place and the nearest key") {
    CHECK(agent_file_mistakes("modle: x\n"
                              "tool_choice: requird\n"
                              "budget:\n"
                              "  step: 3\n"
                              "  tokens: many\n"
                              "  seconds: 0\n"
                              "memory: {scope: [users]}\n"
                              "sampling: [1]\n") ==
          "a.yaml:1:1: \"model\" is missing, for example `model: weights.gguf`\n"
          "a.yaml:1:1: unknown key \"modle\"; did you mean \"model\"?\n"
          "a.yaml:2:14: \"tool_choice\" must be one of auto, required, none, required-first, not "
          "\"requird\"; did you mean \"required\"?\n"
          "a.yaml:4:3: unknown key \"step\"; did you mean \"steps\"?\n"
          "a.yaml:5:11: \"budget.tokens\" must be a whole number, not text\n"
          "a.yaml:6:12: \"budget.seconds\" must be from 1 to 2592000, not 0\n"
          "a.yaml:7:18: \"memory.scope\" takes tenant, user, agent and session, not \"users\"; did you mean "
          "\"user\"?\n"
          "a.yaml:8:11: \"sampling\" must be a mapping (key: value), not a list");
  }

  TEST_CASE("a wrong type says what was wanted and what is there") {
    auto has = [](std::string_view yaml, std::string_view part) {
      const std::string text = agent_file_mistakes(yaml);
      CHECK_MESSAGE(text.find(part) != std::string::npos, text);
    };
    has("model: 3", "a.yaml:1:8: \"model\" must be text (put it in quotes), not a whole number");
    has("model: [a]", "\"model\" must be text, not a list");
    has("model:", "\"model\" must be text, not nothing");
    has("model: ''", "\"model\" is empty");
    has("model: m\nname: true", "a.yaml:2:7: \"name\" must be text (put it in quotes), not true");
    has("model: m\nname: a b", "a.yaml:2:7: \"name\" is letters, digits");
    has("model: m\nservers: [a]", "\"servers\" must be a mapping (key: value), not a list");
    has("model: m\nservers: {s: tsukai-maps}", "a.yaml:2:14: \"servers.s\" must be a mapping");
    has("model: m\nservers: {\"a b\": {command: x}}", "a.yaml:2:11: a server's name is letters");
    has("model: m\nservers: {a__b: {command: x}}", "a server's name is letters");
    has("model: m\nservers:\n  s: {command: x, bogus: 1}", "a.yaml:3:19: ");
    has("model: m\ncalls_per_step: 0", "\"calls_per_step\" must be from 1 to 64, not 0");
    has("model: m\ntools: x.y", "\"tools\" must be a list, not text");
    has("model: m\npolicy: {allow: x}", "\"policy\" must be a list of rules");
    has("model: m\npolicy: [3]", "\"policy\" must be a mapping (key: value), not a whole number");
    has("model: m\npolicy: [{}]", "a rule needs allow, ask or deny");
    has("model: m\npolicy: [{allow: '*', deny: '*'}]", "a rule is either allow, ask or deny");
    has("model: m\nsampling: {temperature: -1}", "\"sampling.temperature\" must be from 0 to 10, not -1");
    has("model: m\nsampling: {seed: 18446744073709551615}", "\"sampling.seed\" must be from 0");
    has("model: m\nsampling: {logit_bias: [3]}", "\"sampling.logit_bias\" must be a mapping");
    has("model: m\nsampling: {logit_bias: {gate: 1}}",
        "a.yaml:2:25: \"sampling.logit_bias\": \"gate\" is no token; write its number");
    has("model: m\nsampling: {logit_bias: {-1: 1}}", "\"-1\" is no token");
    has("model: m\nsampling: {logit_bias: {01: 1}}", "\"01\" is no token");
    has("model: m\nsampling: {logit_bias: {99999999999: 1}}", "\"99999999999\" is no token");
    has("model: m\nsampling: {logit_bias: {1: 101}}",
        "\"sampling.logit_bias.1\" must be from -100 to 100, not 101");
    has("model: m\nsampling: {logit_bias: {1: x}}", "\"sampling.logit_bias.1\" must be a number, not text");
    has("model: m\nsampling: {stop: x}", "\"sampling.stop\" must be a list, not text");
    has("model: m\nsampling: {stop: ['']}",
        "a.yaml:2:19: a text in \"sampling.stop\" has 1 to 1024 bytes, not 0");
    has("model: m\nsampling: {stop: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q]}",
        "\"sampling.stop\" has 17 texts; at most 16 are watched for");
    has("model: m\noutput: {}", "\"output\" needs a \"schema\"");
    has("model: m\noutput: {schema: {type: 7}}", "\"output.schema\" is no JSON Schema");
    has("- a\n- b", "a.yaml:1:1: an agent file must be a mapping (key: value), not a list");
    has("just text", "an agent file must be a mapping (key: value), not text");
    has("", "a.yaml: the file is empty");
    has("# nothing\n", "the file is empty");
    has("model: m\nmodel: n", "a.yaml:2:1: the key \"model\" stands here twice");
    has("model: m\n? [a]\n: b", "a key must be text, not a list");
    has("model: m\n---\nmodel: n", "a.yaml:2:1: a second YAML document");
    has(",,", "a.yaml:1:1: not YAML: no value can begin so");
    has("model: m\n,", "a.yaml:2:1: ");
    has("---\n,", "a.yaml:2:1: ");
    has("model: \"m", "a.yaml:1:");
    has("model: *nowhere", "a.yaml:1:");
    has("model: m\n\tname: x", "not YAML");
    has(std::string_view("model: m\0", 9), "zero byte");
  }

  TEST_CASE("what a caller can't honour is refused, not ignored") {
    auto has = [](std::string_view yaml, std::string_view part) {
      const auto file = parse_agent_file(
          yaml, "a.yaml", {.supported = {.ask = false, .when = false, .plan = false, .usd = false}});
      REQUIRE_FALSE(file);
      CHECK_MESSAGE(file.error().message().find(part) != std::string::npos, file.error().message());
    };
    has("model: m\nservers: {shop: {command: s}}\npolicy:\n  - ask: shop.pay\n",
        "a.yaml:4:5: \"ask\": this build can't ask a person yet");
    has("model: m\nservers: {shop: {command: s}}\npolicy:\n  - {allow: shop.pay, when: \"a > 5\"}\n",
        "a.yaml:4:23: \"when\"");
    has("model: m\nbudget: {usd: 0.5}", "a.yaml:2:10: \"budget.usd\"");
    has("model: m\nplanner: plan", "a.yaml:2:10: \"planner\" must be one of react");
  }

  TEST_CASE("a rule for a server that is not there is a mistake, with the nearest") {
    const std::string text = agent_file_mistakes(
        "model: m\nservers: {shop: {command: s}}\npolicy:\n  - deny: shp.refund\ntools: [refund]\n");
    CHECK(text ==
          "a.yaml:4:11: \"shp.refund\": there is no server \"shp\"; did you mean \"shop\"?\n"
          "a.yaml:5:9: \"refund\" names no tool: write server.tool, where * stands for anything");
    CHECK(agent_file_read("model: m\npolicy: [{deny: '*'}, {allow: '*.read'}]").policy.size() == 2);
  }

  TEST_CASE("YAML values become the JSON values of its core types") {
    const Json schema = agent_file_read(R"(
model: m
output:
  schema:
    type: object
    enum: [yes, on, "3", 3, -4, 0x1f, 0o17, 1.5, .5, 2e3, ~, null, true, False, 12:30, 1_000, +7, 3., 9223372036854775808, !!str 5, '', 007]
)")
                            .output_schema->get();
    CHECK(
        schema["enum"].dump() ==
        R"(["yes","on","3",3,-4,31,15,1.5,0.5,2000.0,null,null,true,false,"12:30","1_000",7,3.0,9223372036854775808,"5","",7])");
  }

  TEST_CASE("what JSON can't hold is a mistake with its place") {
    CHECK(agent_file_mistakes("model: m\noutput: {schema: {maximum: .inf}}")
              .find("a.yaml:2:28: .inf can't be written in JSON") != std::string::npos);
  }

  TEST_CASE("anchors and aliases work, within limits") {
    CHECK(agent_file_read("model: m\nservers: {a: &s {command: c}, b: *s}").servers[1].command == "c");
    std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 10; ++i) {
      laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
      for (int k = 0; k < 10; ++k) laughs += (k > 0 ? ", *a" : "*a") + std::to_string(i - 1);
      laughs += "]\n";
    }
    CHECK(agent_file_mistakes(laughs).find("more than 20000 values once its aliases are expanded") !=
          std::string::npos);
    // 60 kB whose aliases stand for 600 MB.
    std::string texts =
        "model: m\ninstructions: &a " + std::string(60'000, 'x') + "\noutput:\n  schema:\n    enum:\n";
    for (int i = 0; i < 10'000; ++i) texts += i == 0 ? "      [*a" : ",*a";
    CHECK(agent_file_mistakes(texts + "]")
              .find("more than 1048576 bytes of text once its aliases are expanded") != std::string::npos);
    CHECK_FALSE(parse_agent_file("model: &m [*m]", "a.yaml").has_value());
    CHECK_FALSE(parse_agent_file("&a {model: m, x: *a}", "a.yaml").has_value());
  }

  TEST_CASE("depth, size and the number of mistakes are limited") {
    CHECK(
        agent_file_mistakes("model: m\noutput: {schema: " + std::string(40, '[') + std::string(40, ']') + "}")
            .find("nested deeper") != std::string::npos);
    CHECK_FALSE(parse_agent_file("model: " + std::string(100'000, '['), "a.yaml").has_value());
    CHECK_FALSE(parse_agent_file("model: " + std::string(100'000, '{'), "a.yaml").has_value());
    CHECK(agent_file_mistakes("model: " + std::string(300'000, 'x')).find("over the limit") !=
          std::string::npos);
    std::string many = "model: m\n";
    for (int i = 0; i < 200; ++i) many += "zzzzzz" + std::to_string(i) + ": 1\n";
    CHECK(split(agent_file_mistakes(many), '\n').size() == 51);
  }

  TEST_CASE("a missing file, a folder and a readable file are told apart") {
    ScratchDir scratch;
    CHECK(load_agent_file(scratch / "no.yaml").error().code() == Code::kNotFound);
    CHECK(load_agent_file(scratch.path()).error().code() == Code::kInvalidArgument);
    const std::string path = scratch.write("a.yaml", "model: m.gguf");
    CHECK(load_agent_file(path)->model == scratch / "m.gguf");
  }
}
