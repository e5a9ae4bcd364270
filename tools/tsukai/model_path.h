// Which file a model's name means.
#pragma once

#include <string>

#include "agent/runtime.h"

namespace tsukai::cli {

// ${XDG_CACHE_HOME:-~/.cache}/tsukai/models/SmolLM2-135M-Instruct.Q4_1.gguf, where tools/fetch_smollm2.sh
// puts it.
std::string smollm2_path();

// Where models are kept: ${XDG_CACHE_HOME:-~/.cache}/tsukai/models.
std::string model_cache();

// The path of a model file or folder, absolute; "smollm2" is the file above; hf:ORG/REPO[:FILE], ms:... and
// URLs are what `model pull` put into the cache; names of remote models (agent/remote_preset.h) as they are.
// kNotFound when it was not fetched yet; kUnsupported names what this version can't open.
Result<std::string> resolve_model(const std::string& model);

// Opens what resolve_model() knows, local or remote.
agent::OpenModel open_named_models();

}  // namespace tsukai::cli
