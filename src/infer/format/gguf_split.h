// GGUF models split over several files: NAME-00001-of-00003.gguf and so on, in one folder.
// Source: github.com/ggml-org/llama.cpp tools/gguf-split.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "infer/format/gguf.h"

namespace tsukai::infer {

// The path of part `number` (from 1) of the model that `path` is a part of; nothing when its name is not of
// that form.
std::optional<std::string> split_part_path(const std::string& path, unsigned number);

// Opens all parts as one file. `part`: any one of them, opened. Metadata is that of the first part.
// kNotFound names the part that is not there; kCorrupt when parts do not belong together.
Result<std::shared_ptr<const GgufFile>> open_split_gguf(std::shared_ptr<const GgufFile> part);

}  // namespace tsukai::infer
