// A file mapped into memory, read-only.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"

namespace tsukai::infer {

// Unmapped by the destructor. A file that another process truncates while it is mapped raises SIGBUS on
// access, as for any mapped file; model files are not expected to change under a running process.
class MappedFile {
 public:
  // kNotFound, kInvalidArgument (a folder), kCorrupt (empty).
  static Result<std::unique_ptr<MappedFile>> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace tsukai::infer
