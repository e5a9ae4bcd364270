// The flags of every command that opens a model: --threads, --context, --kv.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/result.h"

namespace tsukai::infer {
class LocalModel;
}

namespace tsukai::cli {

struct ModelFlags {
  int threads = 0;           // 0: one a core
  std::size_t context = 0;   // Tokens; 0: what the model was trained for, at most 8,192.
  std::string kv = "16bit";  // 16bit | 8bit
};

// Opens what resolve_model() finds.
Result<std::unique_ptr<infer::LocalModel>> open_model(const std::string& model, const ModelFlags& flags);

}  // namespace tsukai::cli
