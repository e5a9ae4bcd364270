#include "infer/format/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tsukai::infer {

Result<std::unique_ptr<MappedFile>> MappedFile::open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    return fail(errno == ENOENT || errno == ENOTDIR ? Code::kNotFound : Code::kInvalidArgument,
                path + ": " + std::strerror(errno), "check the path of the model file");
  }
  struct stat facts{};
  if (::fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    ::close(file);
    return fail(Code::kInvalidArgument, path + " is not a file", "give the path of a model file");
  }
  if (facts.st_size == 0) {
    ::close(file);
    return fail(Code::kCorrupt, path + " is empty", "download it again");
  }
  const auto size = static_cast<std::size_t>(facts.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  const int error = errno;
  ::close(file);
  if (address == MAP_FAILED) return fail(Code::kExhausted, "map " + path + ": " + std::strerror(error));
  return std::unique_ptr<MappedFile>(new MappedFile({static_cast<const std::byte*>(address), size}));
}

MappedFile::~MappedFile() { ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size()); }

}  // namespace tsukai::infer
