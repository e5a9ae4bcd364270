#include "infer/kv_session.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/hash.h"
#include "infer/format/mapped_file.h"

namespace tsukai::infer {
namespace {

constexpr char kMagic[8] = {'T', 'S', 'U', 'K', 'A', 'I', 'K', 'V'};
constexpr std::uint32_t kVersion = 1;
constexpr std::uint64_t kSavedTokensMax = 1 << 24;
constexpr std::size_t kHashLetters = 64;
constexpr std::size_t kGroupPages = 16;

template <typename T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Reads forward through the mapped file; nothing is trusted before its checksum was compared.
class SavedReader {
 public:
  SavedReader(std::span<const std::byte> bytes, const std::string& path) : bytes_(bytes), path_(path) {}
  Result<std::span<const std::byte>> take(std::size_t length) {
    if (length > bytes_.size() - at_) return corrupt("ends too early");
    at_ += length;
    return bytes_.subspan(at_ - length, length);
  }
  template <typename T>
  Result<T> number() {
    TSUKAI_TRY(const auto bytes, take(sizeof(T)));
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  // The digest that follows must be that of `covered`.
  Result<void> check(std::span<const std::byte> covered, const std::string& what) {
    TSUKAI_TRY(const auto digest, take(kHashLetters));
    if (text_of(digest) != sha256_hex(text_of(covered)))
      return corrupt("the checksum of " + what + " does not match");
    return {};
  }
  std::span<const std::byte> so_far() const { return bytes_.first(at_); }
  bool at_end() const { return at_ == bytes_.size(); }
  tl::unexpected<Error> corrupt(const std::string& what) const {
    return fail(Code::kCorrupt, path_ + ": " + what, "delete the file; what it holds will be computed again");
  }

 private:
  std::span<const std::byte> bytes_;
  const std::string& path_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::size_t> save_session(Backend& backend, KvCache& cache, std::span<const TokenId> tokens,
                                 const std::string& identity, const std::string& path) {
  const auto sequence = cache.begin(tokens);
  const auto held = tokens.first(sequence->tokens());
  if (held.empty()) return fail(Code::kNotFound, "nothing of this sequence is in the KV cache");
  std::string header(kMagic, sizeof(kMagic));
  put<std::uint32_t>(header, kVersion);
  put<std::uint32_t>(header, kPageTokens);
  put<std::uint64_t>(header, backend.page_bytes());
  put<std::uint64_t>(header, held.size());
  put<std::uint32_t>(header, static_cast<std::uint32_t>(identity.size()));
  header += identity;
  header += text_of(std::as_bytes(held));
  header += sha256_hex(header);

  const std::string draft = path + ".part";  // renamed when whole: a file of this name is never half-written
  std::ofstream file(draft, std::ios::binary | std::ios::trunc);
  file.write(header.data(), static_cast<std::streamsize>(header.size()));
  // Copied from the backend in groups, each waited for once.
  std::vector<std::byte> group(kGroupPages * backend.page_bytes());
  const std::vector<std::int32_t>& pages = sequence->pages();
  for (std::size_t first = 0; first < pages.size(); first += kGroupPages) {
    const std::size_t count = std::min(kGroupPages, pages.size() - first);
    const auto page = [&](std::size_t i) {
      return std::span(group).subspan(i * backend.page_bytes(), backend.page_bytes());
    };
    for (std::size_t i = 0; i < count; ++i) backend.download_page(pages[first + i], page(i));
    backend.fence({})->wait();
    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view bytes = text_of(page(i));
      const std::string digest = sha256_hex(bytes);
      file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
      file.write(digest.data(), static_cast<std::streamsize>(digest.size()));
    }
  }
  file.close();
  if (!file || std::rename(draft.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    std::remove(draft.c_str());
    return fail(Code::kTransport, "write " + path + ": " + reason, "check the folder and the free space");
  }
  return held.size();
}

Result<std::size_t> load_session(Backend& backend, KvCache& cache, std::size_t vocabulary,
                                 const std::string& identity, const std::string& path) {
  TSUKAI_TRY(const auto mapping, MappedFile::open(path));
  SavedReader reader(mapping->bytes(), path);
  TSUKAI_TRY(const auto magic, reader.take(sizeof(kMagic)));
  if (text_of(magic) != std::string_view(kMagic, sizeof(kMagic)))
    return reader.corrupt("is no KV file of tsukai");
  TSUKAI_TRY(const auto version, reader.number<std::uint32_t>());
  TSUKAI_TRY(const auto page_tokens, reader.number<std::uint32_t>());
  TSUKAI_TRY(const auto page_bytes, reader.number<std::uint64_t>());
  TSUKAI_TRY(const auto count, reader.number<std::uint64_t>());
  TSUKAI_TRY(const auto length, reader.number<std::uint32_t>());
  TSUKAI_TRY(const auto made_by, reader.take(length));
  if (version != kVersion || page_tokens != kPageTokens || page_bytes != backend.page_bytes() ||
      text_of(made_by) != identity) {
    return fail(Code::kUnsupported, path + ": was saved with another model, other kernels or another KV type",
                "delete the file; what it holds will be computed again");
  }
  if (count == 0 || count > kSavedTokensMax)
    return reader.corrupt("claims " + std::to_string(count) + " tokens");
  TSUKAI_TRY(const auto token_bytes, reader.take(count * sizeof(TokenId)));
  TSUKAI_TRY_VOID(reader.check(reader.so_far(), "the header"));
  std::vector<TokenId> tokens(count);
  std::memcpy(tokens.data(), token_bytes.data(), token_bytes.size());
  for (const TokenId token : tokens) {
    if (token < 0 || static_cast<std::size_t>(token) >= vocabulary)
      return reader.corrupt("holds an impossible token");
  }
  // All pages are checked before the first one is believed.
  std::vector<std::span<const std::byte>> pages;
  for (std::size_t i = 0; i * kPageTokens < count; ++i) {
    TSUKAI_TRY(const auto page, reader.take(page_bytes));
    TSUKAI_TRY_VOID(reader.check(page, "page " + std::to_string(i)));
    pages.push_back(page);
  }
  if (!reader.at_end()) return reader.corrupt("goes on after its last page");

  const auto sequence = cache.begin(tokens);
  for (std::size_t i = sequence->tokens(); i < count; ++i) {
    std::int32_t slot;
    if (!sequence->append(tokens[i], slot)) {  // a new page was needed: those before are whole
      return fail(Code::kExhausted, path + ": the KV memory holds only " + std::to_string(i) + " of its " +
                                        std::to_string(count) + " tokens");
    }
    if ((i + 1) % kPageTokens == 0 || i + 1 == count) {
      backend.upload_page(sequence->pages()[i / kPageTokens], pages[i / kPageTokens]);
    }
  }
  return count;
}

}  // namespace tsukai::infer
