#include "tools/tsukai/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tsukai::cli {

Result<std::string> read_text_file(const std::string& path) {
  const bool standard = path == "-";
  const int file = standard ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    const Code code = errno == ENOENT || errno == ENOTDIR ? Code::kNotFound : Code::kInvalidArgument;
    return fail(code, path + ": " + std::strerror(errno));
  }
  std::string text;
  char buffer[1 << 16];
  int failure = 0;
  while (text.size() <= kTextFileBytesMax) {
    const ssize_t count = ::read(file, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) failure = errno;
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  if (!standard) ::close(file);
  if (failure != 0) return fail(Code::kInvalidArgument, path + ": " + std::strerror(failure));
  if (text.size() > kTextFileBytesMax) {
    return fail(Code::kExhausted,
                path + ": is larger than " + std::to_string(kTextFileBytesMax >> 20) + " MiB");
  }
  return text;
}

Result<void> write_text_file(const std::string& path, std::string_view text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  int failure = file < 0 ? errno : 0;
  while (failure == 0 && !text.empty()) {
    const ssize_t count = ::write(file, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      failure = errno;
    } else {
      text.remove_prefix(static_cast<std::size_t>(count));
    }
  }
  if (file >= 0 && ::close(file) != 0 && failure == 0) failure = errno;
  if (failure != 0) return fail(Code::kInvalidArgument, path + ": " + std::strerror(failure));
  return {};
}

}  // namespace tsukai::cli
