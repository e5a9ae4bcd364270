// The parameters of an agent file: declared under `params:`, given by whoever runs it, put in place of
// {{name}}.
#pragma once

#include <vector>

#include "agent/agent_file.h"
#include "agent/agent_file_reader.h"

namespace tsukai::agent {

// Reads `params:` of the file.
std::vector<Parameter> read_params(MappingReader& top);

// Replaces every {{name}} in the values of `root` (not in keys, not under `params`, not in agents written
// within) by its value: within a longer text as text, and alone as the value itself, so that `steps: "{{n}}"`
// may be a number. Values are only ever text or numbers: they can't add keys or structure. Files without
// `params:` are left as they are.
void fill_params(YamlNode& root, const std::vector<Parameter>& params, const AgentFileOptions& options,
                 Mistakes& mistakes);

}  // namespace tsukai::agent
