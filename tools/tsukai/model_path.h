// Which file a model's name means.
#pragma once

#include <string>

#include "agent/runtime.h"

namespace tsukai::cli {

// ${XDG_CACHE_HOME:-~/.cache}/tsukai/models/SmolLM2-135M-Instruct.Q4_1.gguf, where tools/fetch_smollm2.sh
// puts it.
std::string smollm2_path();

// A path of a model file as it is; "smollm2" is the file above. kNotFound when that was not fetched yet;
// kUnsupported names what this version can't open.
Result<std::string> resolve_model(const std::string& model);

// agent::open_local_models() over resolve_model().
agent::OpenModel open_named_models();

}  // namespace tsukai::cli
