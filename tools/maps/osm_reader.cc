#include "tools/maps/osm_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tsukai::maps {
namespace {

// A whole file, mapped for reading.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::string& path) {
    MappedFile file;
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
      return fail(Code::kNotFound, fmt::format("open {}: {}", path, std::strerror(errno)), "check the path");
    }
    struct stat about{};
    const bool plain = fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode);
    if (plain && about.st_size > 0) {
      void* bytes =
          mmap(nullptr, static_cast<std::size_t>(about.st_size), PROT_READ, MAP_PRIVATE, descriptor, 0);
      if (bytes != MAP_FAILED) {
        file.bytes_ = static_cast<const char*>(bytes);
        file.size_ = static_cast<std::size_t>(about.st_size);
      }
    }
    ::close(descriptor);
    if (!plain)
      return fail(Code::kInvalidArgument, fmt::format("{} is not a file", path),
                  "give an OpenStreetMap extract");
    if (file.bytes_ == nullptr)
      return fail(Code::kCorrupt, fmt::format("{} is empty", path), "download it again");
    return file;
  }
  MappedFile(MappedFile&& other) noexcept
      : bytes_(std::exchange(other.bytes_, nullptr)), size_(other.size_) {}
  ~MappedFile() {
    if (bytes_ != nullptr) munmap(const_cast<char*>(bytes_), size_);
  }
  std::string_view bytes() const { return {bytes_, size_}; }

 private:
  MappedFile() = default;
  const char* bytes_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace

std::string_view tag(const OsmTags& tags, std::string_view key) {
  for (const auto& [name, value] : tags) {
    if (name == key) return value;
  }
  return {};
}

Result<void> read_osm(const std::string& path, OsmHandler& handler) {
  TSUKAI_TRY(const MappedFile file, MappedFile::open(path));
  const std::string_view bytes = file.bytes();
  const std::size_t first = bytes.find_first_not_of("\xef\xbb\xbf \t\r\n");
  const bool xml = first != std::string_view::npos && bytes[first] == '<';
  // A PBF file begins with the length of its first header, then field 1 of that, "OSMHeader".
  const bool pbf = bytes.size() > 15 && bytes.substr(4, 2) == "\x0a\x09" && bytes.substr(6, 9) == "OSMHeader";
  Result<void> done;
  if (xml) {
    done = read_osm_xml(bytes, handler);
  } else if (pbf) {
    done = read_osm_pbf(bytes, handler);
  } else if (bytes.starts_with("\x1f\x8b") || bytes.starts_with("BZh")) {
    done = fail(Code::kUnsupported, "the file is compressed as a whole",
                "unpack it first with gunzip or bunzip2");
  } else {
    done = fail(Code::kInvalidArgument, "neither OpenStreetMap XML nor PBF",
                "give an extract that ends in .osm or .osm.pbf");
  }
  if (!done) return fail(std::move(done).error().in(path));
  return {};
}

}  // namespace tsukai::maps
