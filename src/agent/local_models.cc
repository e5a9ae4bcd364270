// Apart from runtime.cc, so that what runs with another model does not link the engine.
#include <fmt/format.h>

#include "agent/runtime.h"
#include "infer/local_model.h"

namespace tsukai::agent {

OpenModel open_local_models() {
  return [](const std::string& model, int threads) -> Result<std::unique_ptr<infer::ChatModel>> {
    if (!model.ends_with(".gguf")) {
      return fail(Code::kInvalidArgument,
                  model.empty() ? std::string("the agent names no model")
                                : fmt::format("model \"{}\" is not supported by this build", model),
                  "name a local model file that ends in .gguf (`model:` in the agent file, or --model)");
    }
    infer::LocalModelOptions options;
    options.path = model;
    options.threads = threads;
    TSUKAI_TRY(auto opened, infer::LocalModel::open(std::move(options)));
    return std::unique_ptr<infer::ChatModel>(std::move(opened));
  };
}

}  // namespace tsukai::agent
