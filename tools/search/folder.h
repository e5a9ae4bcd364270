// A folder of pages on disk: which files there are, and their bytes, without ever leaving the folder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "tools/search/page_text.h"

namespace tsukai::search {

inline constexpr std::size_t kFilesMax = 1'000'000;  // Of one folder.
inline constexpr int kDepthMax = 32;                 // Folders within folders.

struct FileSeen {
  std::string path;  // Relative, parts joined by '/', well-formed UTF-8.
  PageKind kind = PageKind::kText;
  std::int64_t bytes = 0;
  std::int64_t changed_ns = 0;  // Modification time.
};

// Symbolic links inside the folder are not followed, neither when it is listed nor when a file is read, and
// hidden files and folders (.git) are passed over.
class Folder {
 public:
  // `path` itself may be a link. kNotFound, kDenied, kInvalidArgument: no folder.
  static Result<Folder> open(const std::string& path);
  Folder(Folder&& other) noexcept;
  Folder& operator=(Folder&& other) noexcept;
  ~Folder();

  // Absolute, without links.
  const std::string& path() const { return path_; }

  // All pages by their endings, sorted by path. Folders that may not be read are passed over. kExhausted
  // beyond kFilesMax.
  Result<std::vector<FileSeen>> files() const;

  // kDenied when any part of the way is a link or "..", kExhausted beyond kFileBytesMax.
  Result<std::string> read(const std::string& relative) const;

 private:
  Folder(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  std::string path_;
  int fd_ = -1;
};

}  // namespace tsukai::search
