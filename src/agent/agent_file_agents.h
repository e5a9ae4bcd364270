// `agents:` of an agent file: the other agents that it may give tasks to.
#pragma once

#include "agent/agent_file.h"
#include "agent/agent_file_reader.h"

namespace tsukai::agent {

// Limits of what one file includes, directly or not.
inline constexpr std::size_t kAgentsPerFileMax = 32;
inline constexpr std::size_t kAgentsMax = 256;
inline constexpr std::size_t kAgentsDepthMax = 16;

// The files being read, outermost first, so that a circle is seen; and how many there were in all.
struct Including {
  std::vector<std::string> chain;
  std::size_t files = 0;
};

// Reads and checks every included agent whole, its own agents too. Their mistakes are told with their own
// places.
void read_agents(MappingReader& top, const AgentFileOptions& options, AgentFile& file);

// `document` (a file as JSON) with its `agents:` put in whole, so that nothing else has to be read again.
Json with_agents_inside(Json document, const std::vector<ChildAgent>& agents);

}  // namespace tsukai::agent
