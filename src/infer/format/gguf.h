// GGUF model files: a header of key-value metadata and tensor descriptions, then the tensors. Read in place
// (mmap). Source: github.com/ggml-org/ggml docs/gguf.md, versions 2 and 3.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "infer/format/model_file.h"

namespace tsukai::infer {

// Every offset, count and length was checked against the file's size.
class GgufFile : public ModelFile {
 public:
  // kNotFound; kCorrupt names the field and byte; kUnsupported names version or tensor type.
  // Any part of a split model stands for all of it (gguf_split.h).
  static Result<std::shared_ptr<const GgufFile>> open(const std::string& path);
  // This file alone.
  static Result<std::shared_ptr<const GgufFile>> open_part(const std::string& path);
  // The same checks over bytes in memory (fuzzing, tests); the bytes must outlive the file.
  static Result<std::shared_ptr<const GgufFile>> parse(std::span<const std::byte> bytes,
                                                       const std::string& name);
};

}  // namespace tsukai::infer
