#include "tools/tsukai/model_path.h"

#include <cstdlib>
#include <filesystem>

#include "agent/remote_model.h"
#include "agent/remote_preset.h"
#include "infer/local_model.h"
#include "infer/pull/pull.h"

namespace tsukai::cli {
namespace fs = std::filesystem;

std::string model_cache() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  fs::path folder;
  if (cache != nullptr && *cache == '/') {  // The XDG specification: relative paths are to be ignored.
    folder = cache;
  } else {
    folder = fs::path(home != nullptr ? home : "/") / ".cache";
  }
  return folder / "tsukai" / "models";
}

std::string smollm2_path() { return model_cache() + "/SmolLM2-135M-Instruct.Q4_1.gguf"; }

Result<std::string> resolve_model(const std::string& model) {
  std::error_code ignored;
  if (agent::names_remote_model(model)) {
    TSUKAI_TRY_VOID(agent::parse_remote_spec(model));
    return model;
  }
  // Absolute, so that the run can be resumed from any folder.
  if (fs::exists(model, ignored)) return fs::absolute(model, ignored).lexically_normal().string();
  if (model == "smollm2") {
    const std::string path = smollm2_path();
    if (!fs::exists(path, ignored)) {
      return fail(Code::kNotFound, "model smollm2: " + path + " is not there", "run tools/fetch_smollm2.sh");
    }
    return path;
  }
  if (model.empty()) {
    return fail(Code::kInvalidArgument, "no model is named",
                "give --model MODEL, or `model:` in the agent file");
  }
  if (model == "bundled") {
    return fail(Code::kUnsupported, "model bundled: this version brings no model of its own",
                "give --model FILE.gguf, smollm2, or PROVIDER:MODEL");
  }
  if (model.starts_with("hf:") || model.starts_with("ms:") || model.starts_with("http://") ||
      model.starts_with("https://")) {
    TSUKAI_TRY(const auto source, infer::parse_model_source(model));
    return infer::find_cached(model_cache(), source);
  }
  if (!model.ends_with(".gguf")) {
    return fail(Code::kNotFound, "model " + model + ": no such file",
                "give the path of a .gguf file or of a model folder, smollm2, or PROVIDER:MODEL such as "
                "ollama:qwen3:8b");
  }
  return model;  // Opening it says what is wrong with it.
}

agent::OpenModel open_named_models() {
  return agent::open_remote_models(
      [](const std::string& model, int threads) -> Result<std::unique_ptr<infer::ChatModel>> {
        TSUKAI_TRY(const std::string path, resolve_model(model));
        infer::LocalModelOptions options;
        options.path = path;
        options.threads = threads;
        TSUKAI_TRY(auto opened, infer::LocalModel::open(std::move(options)));
        return std::unique_ptr<infer::ChatModel>(std::move(opened));
      });
}

}  // namespace tsukai::cli
