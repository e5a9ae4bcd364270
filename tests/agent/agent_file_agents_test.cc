#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/agent_file.h"
#include "agent/child_run.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

std::string mistakes(const Result<AgentFile>& file) { return file ? std::string() : file.error().message(); }

}  // namespace

TEST_SUITE("agent/agent_file_agents") {
  TEST_CASE("an agent file includes others by path, with what their models are told of them") {
    const ScratchDir folder;
    folder.write("sub/weather.yaml",
                 "instructions: You know the weather. Be brief.\n"
                 "params: {city: {type: string, description: where}, days: {type: integer, default: 3}}\n");
    const auto path =
        folder.write("day.yaml",
                     "model: m.gguf\n"
                     "agents:\n"
                     "  weather: sub/weather.yaml\n"
                     "  buyer: {file: sub/weather.yaml, description: Buys things., share: 0.25}\n");
    const auto file = load_agent_file(path);
    REQUIRE_MESSAGE(file, mistakes(file));
    REQUIRE(file->agents.size() == 2);
    CHECK(file->agents[0].name == "weather");
    CHECK(file->agents[0].description == "Gives a task to the agent weather: You know the weather.");
    CHECK(file->agents[0].share == 1);
    CHECK(file->agents[1].description == "Buys things.");
    CHECK(file->agents[1].share == 0.25);
    const auto tool = agent_tool(file->agents[0]);
    REQUIRE(tool);
    CHECK(tool->definition.name == "agents__weather");
    CHECK(tool->qualified == "agents.weather");
    const auto& schema = *tool->definition.input_schema;
    CHECK(schema["required"] == Json{"task", "city"});
    CHECK(schema["properties"]["city"] == Json{{"type", "string"}, {"description", "where"}});
    CHECK(schema["properties"]["days"] == Json{{"type", "integer"}, {"default", 3}});
  }

  TEST_CASE("a child's file takes its parameters, its parent's model and the smaller budget") {
    const ScratchDir folder;
    folder.write("weather.yaml",
                 "params: {city: {type: string}}\n"
                 "instructions: \"Only {{city}}.\"\n"
                 "budget: {steps: 3, tokens: 100000}\n");
    const auto path = folder.write("day.yaml", "model: m.gguf\nagents: {weather: weather.yaml}\n");
    const auto file = load_agent_file(path);
    REQUIRE_MESSAGE(file, mistakes(file));
    ChildStart start;
    start.file = &*file;
    start.agent = "weather";
    start.arguments = Json{{"task", "x"}, {"city", "Kyoto"}};
    start.budget = {.steps = 10, .tool_calls = 4, .tokens = 500, .seconds = 60, .usd = 0.5, .depth = 2};
    const auto child = child_file(start);
    REQUIRE_MESSAGE(child, mistakes(child));
    CHECK(child->instructions == "Only Kyoto.");
    CHECK(child->model == file->model);
    CHECK(child->name == "weather");
    CHECK(child->budget.steps == 3);
    CHECK(child->budget.tool_calls == 4);
    CHECK(child->budget.tokens == 500);
    CHECK(child->budget.seconds == 60);
    CHECK(child->budget.usd == 0.5);
    CHECK(child->budget.depth == 2);
  }

  TEST_CASE("files that include each other in a circle are a mistake that names the circle") {
    const ScratchDir folder;
    folder.write("b.yaml", "agents: {c: c.yaml}\n");
    folder.write("c.yaml", "agents: {again: ./../" +
                               std::filesystem::path(folder.path()).filename().string() + "/b.yaml}\n");
    const auto path = folder.write("a.yaml", "model: m.gguf\nagents: {b: b.yaml}\n");
    const auto text = mistakes(load_agent_file(path));
    CAPTURE(text);
    CHECK(text.find("include each other in a circle: b.yaml -> c.yaml -> b.yaml") != std::string::npos);
    CHECK(text.find("a.yaml:2:13: agents.b: ") != std::string::npos);
    const auto own = folder.write("own.yaml", "model: m.gguf\nagents: {me: own.yaml}\n");
    CHECK(mistakes(load_agent_file(own)).find("circle: own.yaml -> own.yaml") != std::string::npos);
  }

  TEST_CASE("mistakes of an included file are told with their own places") {
    const ScratchDir folder;
    folder.write("bad.yaml", "instructions: x\nbudgett: {steps: 3}\n");
    const auto path = folder.write("a.yaml",
                                   "model: m.gguf\n"
                                   "agents:\n"
                                   "  bad: bad.yaml\n"
                                   "  gone: gone.yaml\n"
                                   "  both: {file: bad.yaml, agent: {}}\n"
                                   "  a__b: bad.yaml\n"
                                   "  named: {agent: {params: {task: {type: string}}}}\n");
    const auto text = mistakes(load_agent_file(path));
    CAPTURE(text);
    CHECK(text.find("a.yaml:3:8: agents.bad: ") != std::string::npos);
    CHECK(text.find("bad.yaml:2:1: ") != std::string::npos);
    CHECK(text.find("agents.gone: there is no agent file") != std::string::npos);
    CHECK(text.find("agents.both: give either \"file\"") != std::string::npos);
    CHECK(text.find("a.yaml:6:3: an agent's name is letters") != std::string::npos);
    CHECK(text.find("its parameter \"task\" has the name of what every agent is given") != std::string::npos);
  }

  TEST_CASE("rules and steps may name agents, and a misspelt one is a mistake") {
    const std::string head = "model: m.gguf\nagents: {buyer: {agent: {instructions: x}}}\n";
    CHECK(parse_agent_file(head + "policy: [{ask: agents.buyer}, {deny: \"agents.*\"}]\n", "a.yaml"));
    CHECK(parse_agent_file(head + "steps: [{id: a, tool: agents.buyer, arguments: {task: x}}]\n", "a.yaml"));
    const auto text = mistakes(parse_agent_file(head + "policy: [{deny: agents.byer}]\n", "a.yaml"));
    CHECK(text.find("\"agents.byer\" names none of the agents; did you mean \"agents.buyer\"?") !=
          std::string::npos);
    CHECK(mistakes(parse_agent_file(head + "servers: {agents: {command: x}}\n", "a.yaml"))
              .find("a server is called \"agents\"") != std::string::npos);
  }

  TEST_CASE("an agent written within has parameters of its own, which its includer's do not fill") {
    const auto file = parse_agent_file(
        "model: m.gguf\n"
        "params: {who: {type: string, default: mika}}\n"
        "agents:\n"
        "  inner:\n"
        "    description: \"For {{who}}.\"\n"
        "    agent: {params: {city: {type: string}}, instructions: \"In {{city}}.\"}\n",
        "a.yaml");
    REQUIRE_MESSAGE(file, mistakes(file));
    CHECK(file->agents[0].description == "For mika.");
    CHECK(file->agents[0].document->at("instructions") == "In {{city}}.");
  }

  TEST_CASE("more agents than the limit, or nested too deep, are refused") {
    std::string deep = "{instructions: x}";
    for (int i = 0; i < 20; ++i) deep = "{agents: {a: {agent: " + deep + "}}}";
    CHECK_FALSE(parse_agent_file("model: m.gguf\nagents: {a: {agent: " + deep + "}}\n", "a.yaml"));
    std::string many = "model: m.gguf\nagents:\n";
    for (int i = 0; i < 33; ++i) many += "  a" + std::to_string(i) + ": {agent: {instructions: x}}\n";
    CHECK(mistakes(parse_agent_file(many, "a.yaml")).find("at most 32 agents") != std::string::npos);
  }
}
