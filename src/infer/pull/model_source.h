// Where a model is fetched from: hf:ORG/REPO[:FILE], ms:ORG/REPO[:FILE] or a URL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tsukai::infer {

enum class ModelHub {
  kHuggingFace,
  kModelScope,
  kUrl,  // One file.
};

struct ModelSource {
  ModelHub hub = ModelHub::kUrl;
  std::string repository;  // "ORG/REPO"
  std::string file;  // A path in the repository, or part of the name of a GGUF file ("Q4_K_M"); may be empty.
  std::string url;   // kUrl only.
};
// kInvalidArgument says what the forms are.
Result<ModelSource> parse_model_source(std::string_view text);

// One file of a repository.
struct RemoteFile {
  std::string path;         // Relative, with '/'; checked: no "..", nothing hidden, nothing absolute.
  std::uint64_t bytes = 0;  // 0: not known.
  std::string sha256;       // 64 hexadecimal digits; empty: not known.
};

// The list of files as the hub's API gives it. Paths that point outside, and files whose names are not safe,
// are left out. kProtocol: the answer is of another form.
//   Hugging Face: GET /api/models/ORG/REPO/tree/main?recursive=true
//   ModelScope:   GET /api/v1/models/ORG/REPO/repo/files?Revision=master&Recursive=true
Result<std::vector<RemoteFile>> parse_file_list(ModelHub hub, std::string_view json);

// What of a repository makes the model that is asked for: the named file, the one GGUF model (all its parts),
// or the safetensors folder. kNotFound lists what there is; kInvalidArgument when several fit.
Result<std::vector<RemoteFile>> choose_files(const std::vector<RemoteFile>& all, const std::string& wanted);

// Is `path` a name below a folder that can do no harm? At most 200 bytes of [A-Za-z0-9._+@=- ] and '/', no
// part that begins with a dot.
bool is_safe_path(std::string_view path);

// Below `cache`: "hf/ORG/REPO", "ms/ORG/REPO" or "url/HOST".
std::string cache_folder(const std::string& cache, const ModelSource& source);

}  // namespace tsukai::infer
