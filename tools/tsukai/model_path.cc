#include "tools/tsukai/model_path.h"

#include <cstdlib>
#include <filesystem>

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
  if (fs::exists(model, ignored)) return model;
  if (model == "smollm2") {
    const std::string path = smollm2_path();
    if (!fs::exists(path, ignored)) {
      return fail(Code::kNotFound, "model smollm2: " + path + " is not there", "run tools/fetch_smollm2.sh");
    }
    return path;
  }
  if (model.empty()) {
    return fail(Code::kInvalidArgument, "no model is named",
                "give --model FILE.gguf, or `model:` in the agent file");
  }
  if (model.starts_with("hf:") || model.starts_with("ms:") || model.starts_with("http://") ||
      model.starts_with("https://")) {
    TSUKAI_TRY(const auto source, infer::parse_model_source(model));
    return infer::find_cached(model_cache(), source);
  }
  const auto unsupported = [&] {
    return fail(Code::kUnsupported,
                "model " + model + ": this version opens .gguf files, Hugging Face folders and smollm2 only",
                "give --model FILE.gguf or a folder");
  };
  if (model == "bundled" || model.starts_with("openai:")) return unsupported();
  if (!model.ends_with(".gguf")) {
    return fail(Code::kNotFound, "model " + model + ": no such file",
                "give the path of a .gguf file or of a model folder, or smollm2");
  }
  return model;  // Opening it says what is wrong with it.
}

agent::OpenModel open_named_models() {
  return [](const std::string& model, int threads) -> Result<std::unique_ptr<infer::ChatModel>> {
    TSUKAI_TRY(const std::string path, resolve_model(model));
    infer::LocalModelOptions options;
    options.path = path;
    options.threads = threads;
    TSUKAI_TRY(auto opened, infer::LocalModel::open(std::move(options)));
    return std::unique_ptr<infer::ChatModel>(std::move(opened));
  };
}

}  // namespace tsukai::cli
