// How memory enters a run, and what a run leaves in it.
#pragma once

#include <string>
#include <vector>

#include "agent/agent_file.h"
#include "agent/progress.h"
#include "memory/memory.h"

namespace tsukai::agent {

// Of each recalled task and outcome; more is cut, with an ellipsis.
inline constexpr std::size_t kRecalledCharactersMax = 500;

// The scope to search: only the keys the agent file names. Episodes are kept under all known keys.
memory::Scope recall_scope(const AgentFile& file, const std::string& user);
memory::Scope episode_scope(const AgentFile& file, const std::string& user);

// The first user message: the recalled episodes as quoted data, a JSON line each, then the task. Without any,
// the task alone. No times and no scores: the same memories give the same bytes.
std::string opening_message(const std::string& task, const std::vector<memory::Recalled>& recalled);

// Payload of RECALLED.
Json recalled_record(const std::vector<memory::Recalled>& recalled, const std::string& message);

memory::Episode episode_of(const Progress& progress, const AgentFile& file, const std::string& user,
                           const std::string& run, const std::string& answer, std::string_view state,
                           std::int64_t at_ms);

}  // namespace tsukai::agent
