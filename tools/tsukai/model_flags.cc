#include "tools/tsukai/model_flags.h"

#include "infer/local_model.h"
#include "tools/tsukai/model_path.h"

namespace tsukai::cli {

Result<std::unique_ptr<infer::LocalModel>> open_model(const std::string& model, const ModelFlags& flags) {
  infer::LocalModelOptions options;
  TSUKAI_TRY(options.path, resolve_model(model));
  options.threads = flags.threads;
  options.context = flags.context;
  options.kv = flags.kv == "8bit" ? "q8" : "f16";
  return infer::LocalModel::open(std::move(options));
}

}  // namespace tsukai::cli
