#include "tools/search/folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "base/text.h"

namespace tsukai::search {
namespace {

constexpr int kFolderFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct Descriptor {
  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(-1); }
  void reset(int next) {
    if (fd >= 0) ::close(fd);
    fd = next;
  }
  int fd;
};

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

tl::unexpected<Error> no_file(const std::string& path, int error) {
  if (error == ELOOP || error == ENOTDIR)
    return fail(Code::kDenied, fmt::format("{} is reached through a link", path));
  if (error == ENOENT) return fail(Code::kNotFound, fmt::format("{} is gone", path));
  return fail(Code::kDenied, fmt::format("{}: {}", path, std::strerror(error)));
}

// Takes `fd` over.
Result<void> list(int fd, const std::string& prefix, int depth, std::vector<FileSeen>& found) {
  std::unique_ptr<DIR, CloseDir> dir(::fdopendir(fd));
  if (!dir) {
    ::close(fd);
    return {};
  }
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name.starts_with('.') || !valid_utf8(name)) continue;
    struct stat info{};
    if (entry->d_type == DT_REG && !kind_of_file(name)) continue;
    if (::fstatat(::dirfd(dir.get()), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(info.st_mode)) {
      if (depth >= kDepthMax) continue;
      const int inner = ::openat(::dirfd(dir.get()), name.c_str(), kFolderFlags);
      if (inner < 0) continue;
      TSUKAI_TRY_VOID(list(inner, prefix + name + "/", depth + 1, found));
    } else if (S_ISREG(info.st_mode)) {
      const auto kind = kind_of_file(name);
      if (!kind) continue;
      if (found.size() >= kFilesMax) {
        return fail(Code::kExhausted, fmt::format("more than {} files", kFilesMax),
                    "name folders further down, each with its own --folder");
      }
      found.push_back(
          {prefix + name, *kind, info.st_size,
           static_cast<std::int64_t>(info.st_mtim.tv_sec) * 1'000'000'000 + info.st_mtim.tv_nsec});
    }
  }
  return {};
}

}  // namespace

Folder::Folder(Folder&& other) noexcept : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

Folder& Folder::operator=(Folder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  return *this;
}

Folder::~Folder() {
  if (fd_ >= 0) ::close(fd_);
}

Result<Folder> Folder::open(const std::string& path) {
  std::error_code error;
  const std::string whole = std::filesystem::canonical(path, error).string();
  if (error) {
    return fail(Code::kNotFound, fmt::format("folder {}: {}", path, error.message()),
                "name a folder with --folder");
  }
  const int fd = ::open(whole.c_str(), kFolderFlags);
  if (fd < 0) {
    return fail(errno == ENOTDIR ? Code::kInvalidArgument : Code::kDenied,
                errno == ENOTDIR ? fmt::format("{} is no folder", path)
                                 : fmt::format("folder {}: {}", path, std::strerror(errno)),
                "name a folder with --folder");
  }
  return Folder(whole, fd);
}

Result<std::vector<FileSeen>> Folder::files() const {
  std::vector<FileSeen> found;
  // A descriptor of its own: reading a directory moves its position.
  const int fd = ::openat(fd_, ".", kFolderFlags);
  if (fd < 0) return fail(Code::kDenied, fmt::format("folder {}: {}", path_, std::strerror(errno)));
  if (auto done = list(fd, "", 0, found); !done) return fail(std::move(done).error().in("folder " + path_));
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return found;
}

Result<std::string> Folder::read(const std::string& relative) const {
  Descriptor at(::openat(fd_, ".", kFolderFlags));
  const auto parts = split(relative, '/');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty() || parts[i] == "." || parts[i] == "..")
      return fail(Code::kDenied, fmt::format("\"{}\" is no path inside the folder", relative));
    const bool last = i + 1 == parts.size();
    // O_NONBLOCK: opening a FIFO must not wait for its other end.
    const int next = ::openat(at.fd, parts[i].c_str(),
                              last ? O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK : kFolderFlags);
    if (next < 0) return no_file(relative, errno);
    at.reset(next);
  }
  struct stat info{};
  if (::fstat(at.fd, &info) != 0) return no_file(relative, errno);
  if (!S_ISREG(info.st_mode)) return fail(Code::kDenied, fmt::format("{} is no regular file", relative));
  std::string bytes;
  bytes.resize(static_cast<std::size_t>(std::min<std::int64_t>(info.st_size, kFileBytesMax)) + 1);
  std::size_t size = 0;
  // One byte more than there should be, so that a file which is too large, or grows, is noticed.
  while (size < bytes.size()) {
    const ssize_t now = ::read(at.fd, bytes.data() + size, bytes.size() - size);
    if (now < 0 && errno == EINTR) continue;
    if (now < 0) return no_file(relative, errno);
    if (now == 0) break;
    size += static_cast<std::size_t>(now);
  }
  if (size > kFileBytesMax)
    return fail(Code::kExhausted, fmt::format("it is larger than {} MiB", kFileBytesMax >> 20));
  bytes.resize(size);
  return bytes;
}

}  // namespace tsukai::search
