#include "agent/agent_file_agents.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/child_run.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kAgentNameLettersMax = 40;
constexpr std::size_t kDescriptionBytesMax = 1'024;

// One path for one file, however it is written.
std::string canonical(const std::string& path) {
  std::error_code error;
  const auto whole = std::filesystem::weakly_canonical(std::filesystem::absolute(path, error), error);
  return error ? path : whole.string();
}

bool good_agent_name(std::string_view name) {
  return !name.empty() && name.size() <= kAgentNameLettersMax && name.find("__") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                  c == '-';
         });
}

// A mistake of the included file, at the place that includes it; its own places stand in the text.
void add_mistakes(MappingReader& agents, Place place, const std::string& name, const Error& error) {
  for (const auto& line : split(error.message(), '\n'))
    agents.mistake(place, fmt::format("agents.{}: {}", name, line));
}

// How an included agent is described where its includer says nothing: by the beginning of its instructions.
std::string described(const ChildAgent& child, const AgentFile& file) {
  if (!child.description.empty()) return child.description;
  const auto first = file.instructions.substr(0, file.instructions.find_first_of(".\n"));
  return fmt::format("Gives a task to the agent {}{}", child.name,
                     trimmed(first).empty() ? "." : ": " + shortened(std::string(trimmed(first)), 200) + ".");
}

void read_agent(MappingReader& agents, const YamlNode& key, const YamlNode& value, Including& including,
                const AgentFileOptions& options, AgentFile& file) {
  ChildAgent child;
  child.name = key.scalar;
  if (!good_agent_name(child.name)) {
    agents.mistake(
        key.place,
        fmt::format("an agent's name is letters, digits, - and single _, at most {}; \"{}\" is not",
                    kAgentNameLettersMax, shortened(child.name, 80)));
    return;
  }
  AgentFileOptions inner = options;
  inner.params.clear();
  inner.params_required = false;
  inner.model_required = false;
  Result<AgentFile> loaded = fail(Code::kInternal, "not read");
  const auto load = [&](const std::string& path) {
    const auto whole = canonical(path);
    const auto& chain = including.chain;
    if (const auto again = std::find(chain.begin(), chain.end(), whole); again != chain.end()) {
      std::vector<std::string> circle;
      for (auto each = again; each != chain.end(); ++each)
        circle.push_back(std::filesystem::path(*each).filename().string());
      circle.push_back(circle.front());
      agents.mistake(value.place, fmt::format("agents.{}: the files include each other in a circle: {}",
                                              child.name, fmt::join(circle, " -> ")));
      return false;
    }
    including.chain.push_back(whole);
    loaded = load_agent_file(path, inner);
    including.chain.pop_back();
    child.path = whole;
    return true;
  };
  if (value.kind == YamlNode::Kind::kScalar) {
    if (!load(beside(file.path, value.scalar))) return;
  } else {
    MappingReader entry(value, "agents." + child.name, agents.mistakes());
    if (value.kind != YamlNode::Kind::kMapping) return;
    const auto path = entry.string("file");
    const YamlNode* within = entry.get("agent");
    const auto relative_to = entry.string("path");
    child.description = shortened(entry.string("description").value_or(""), kDescriptionBytesMax);
    child.share = entry.real("share", {0.01, 1}).value_or(1);
    entry.done();
    if (path.has_value() == (within != nullptr)) {
      entry.mistake(value.place, fmt::format("agents.{}: give either \"file\", the path of an agent file, or "
                                             "\"agent\", the agent itself",
                                             child.name));
      return;
    }
    if (path) {
      if (!load(beside(file.path, *path))) return;
    } else {
      child.path = relative_to.value_or(file.path);
      loaded = agent_file_from(to_json(*within, agents.mistakes()), child.path, inner);
    }
  }
  if (!loaded) {
    add_mistakes(agents, value.place, child.name, loaded.error());
    return;
  }
  for (const auto& param : loaded->params) {
    if (param.name != kTaskArgument) continue;
    agents.mistake(value.place,
                   fmt::format("agents.{}: its parameter \"{}\" has the name of what every agent "
                               "is given; call it otherwise",
                               child.name, kTaskArgument));
  }
  child.description = described(child, *loaded);
  child.params = loaded->params;
  child.document = loaded->source;
  child.servers = loaded->servers;
  for (const auto& inside : loaded->agents)
    child.servers.insert(child.servers.end(), inside.servers.begin(), inside.servers.end());
  file.agents.push_back(std::move(child));
}

}  // namespace

void read_agents(MappingReader& top, const AgentFileOptions& options, AgentFile& file) {
  const YamlNode* node = top.get("agents");
  if (node == nullptr) return;
  MappingReader agents(*node, "agents", top.mistakes());
  if (node->kind != YamlNode::Kind::kMapping) return;
  AgentFileOptions inner = options;
  if (!inner.including) {
    inner.including = std::make_shared<Including>();
    if (!file.path.empty()) inner.including->chain.push_back(canonical(file.path));
  }
  auto& including = *inner.including;
  if (node->members.size() > kAgentsPerFileMax) {
    agents.mistake(node->place, fmt::format("at most {} agents", kAgentsPerFileMax));
    return;
  }
  for (const auto& server : file.servers) {
    if (server.name == kAgentServer)
      agents.mistake(node->place,
                     fmt::format("a server is called \"{0}\", and rules could not tell {0}.x apart: "
                                 "call it otherwise",
                                 kAgentServer));
  }
  for (const auto& [key, value] : node->members) {
    if (++including.files > kAgentsMax || including.chain.size() > kAgentsDepthMax) {
      agents.mistake(key.place, fmt::format("more than {} agents in all, or nested more than {} deep",
                                            kAgentsMax, kAgentsDepthMax));
      return;
    }
    read_agent(agents, key, value, including, inner, file);
  }
}

Json with_agents_inside(Json document, const std::vector<ChildAgent>& agents) {
  if (agents.empty()) return document;
  Json inside = Json::object();
  for (const auto& child : agents) {
    inside[child.name] = {
        {"agent", *child.document}, {"path", child.path}, {"description", child.description}};
    if (child.share < 1) inside[child.name]["share"] = child.share;
  }
  document["agents"] = std::move(inside);
  return document;
}

}  // namespace tsukai::agent
