#include "infer/format/model_file.h"

#include <filesystem>

#include "infer/format/gguf.h"
#include "infer/format/hf_folder.h"

namespace tsukai::infer {

Result<std::shared_ptr<const ModelFile>> ModelFile::open(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    TSUKAI_TRY(auto folder, HfFolder::open(path));
    return std::shared_ptr<const ModelFile>(std::move(folder));
  }
  TSUKAI_TRY(auto file, GgufFile::open(path));
  return std::shared_ptr<const ModelFile>(std::move(file));
}

}  // namespace tsukai::infer
