#include "infer/pull/download.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "base/hash.h"
#include "base/http_client.h"

namespace tsukai::infer {
namespace {

constexpr int kRedirectsMax = 8;

// PATH.part, locked against other processes, with the hash of what it holds.
class PartFile {
 public:
  ~PartFile() {
    if (file_ >= 0) ::close(file_);
  }

  Result<void> open(const std::string& path) {
    path_ = path;
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file_ < 0) return fail(Code::kInvalidArgument, path + ": " + std::strerror(errno));
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0)
      return fail(Code::kExhausted, path + " is being fetched by another process", "wait for it to end");
    hash_ = std::make_unique<Sha256>();
    std::string block(1 << 20, '\0');
    for (;;) {
      const ssize_t got = ::read(file_, block.data(), block.size());
      if (got < 0) return fail(Code::kTransport, path + ": " + std::strerror(errno));
      if (got == 0) return {};
      hash_->add(std::string_view(block).substr(0, static_cast<std::size_t>(got)));
      bytes_ += static_cast<std::uint64_t>(got);
    }
  }

  std::uint64_t bytes() const { return bytes_; }

  Result<void> append(std::string_view data) {
    hash_->add(data);
    while (!data.empty()) {
      const ssize_t put = ::write(file_, data.data(), data.size());
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0)
        return fail(Code::kExhausted, path_ + ": " + std::strerror(errno), "make room on the disk");
      data.remove_prefix(static_cast<std::size_t>(put));
      bytes_ += static_cast<std::uint64_t>(put);
    }
    return {};
  }

  Result<void> clear() {
    if (::ftruncate(file_, 0) != 0 || ::lseek(file_, 0, SEEK_SET) != 0)
      return fail(Code::kTransport, path_ + ": " + std::strerror(errno));
    hash_ = std::make_unique<Sha256>();
    bytes_ = 0;
    return {};
  }

  std::string finish_hash() { return hash_->finish_hex(); }
  Result<void> become(const std::string& path) {
    if (::fsync(file_) != 0 || ::rename(path_.c_str(), path.c_str()) != 0)
      return fail(Code::kExhausted, path + ": " + std::strerror(errno), "make room on the disk");
    return {};
  }

 private:
  std::string path_;
  int file_ = -1;
  std::uint64_t bytes_ = 0;
  std::unique_ptr<Sha256> hash_;
};

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// "bytes 100-199/1000": first byte and size of the whole ("*": 0).
struct ContentRange {
  std::uint64_t first = 0, whole = 0;
};
std::optional<ContentRange> parse_range(std::string_view text) {
  if (!text.starts_with("bytes ")) return std::nullopt;
  text.remove_prefix(6);
  const std::size_t dash = text.find('-'), slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) return std::nullopt;
  const auto first = number_in(text.substr(0, dash));
  const auto whole = text.substr(slash + 1) == "*" ? 0 : number_in(text.substr(slash + 1));
  if (!first || !whole) return std::nullopt;
  return ContentRange{*first, *whole};
}

std::string hash_of_file(const std::string& path) {
  Sha256 hash;
  std::ifstream file(path, std::ios::binary);
  std::string block(1 << 20, '\0');
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0)
    hash.add(std::string_view(block).substr(0, static_cast<std::size_t>(file.gcount())));
  return hash.finish_hex();
}

Error lies(const std::string& url, const std::string& what) {
  return Error(Code::kProtocol, url + ": " + what, "try again, or fetch the file from another place");
}

bool may_retry(const Error& error) {
  return error.code() == Code::kTransport || error.code() == Code::kTimeout;
}

class Download {
 public:
  Download(HttpClient& client, DownloadRequest request) : client_(client), request_(std::move(request)) {}

  Task<Downloaded> run() {
    std::error_code ignored;
    if (std::filesystem::exists(request_.path, ignored)) {
      if (auto there = check_existing()) co_return *there;
    }
    TSUKAI_CO_TRY_VOID(part_.open(request_.path + ".part"));
    whole_ = request_.bytes;
    const bool resumed = part_.bytes() > 0;
    TSUKAI_CO_TRY_VOID(co_await fetch_rest());
    auto done = finish();
    if (done || !resumed || done.error().code() != Code::kProtocol) co_return done;
    // What an earlier call left may have been of another version of the file: once more from the beginning.
    TSUKAI_CO_TRY_VOID(part_.clear());
    whole_ = request_.bytes;
    TSUKAI_CO_TRY_VOID(co_await fetch_rest());
    co_return finish();
  }

 private:
  Task<void> fetch_rest() {
    int failures = 0;
    while (whole_ == 0 || part_.bytes() < whole_) {
      const std::uint64_t before = part_.bytes();
      auto got = co_await attempt();
      if (got) {
        // Where the server tells no size, the end of the answer is the end.
        if (whole_ == 0 || part_.bytes() >= whole_) break;
        got = fail(Code::kTransport,
                   fmt::format("{}: ended after {} of {} bytes", request_.url, part_.bytes(), whole_));
      }
      if (!may_retry(got.error())) co_return fail(std::move(got).error());
      failures = part_.bytes() > before ? 1 : failures + 1;
      if (failures > request_.retries_max) co_return fail(std::move(got).error());
      TSUKAI_CO_TRY_VOID(co_await sleep_for(request_.retry_pause * (1 << std::min(failures - 1, 4))));
    }
    co_return Result<void>();
  }

  // What lies at the path already, if it is the right one. Without a SHA-256 its size must do.
  std::optional<Downloaded> check_existing() const {
    std::error_code error;
    const std::uint64_t bytes = std::filesystem::file_size(request_.path, error);
    if (error || (request_.bytes != 0 && bytes != request_.bytes)) return std::nullopt;
    if (request_.sha256.empty() && request_.bytes == 0) return std::nullopt;
    const std::string hash = hash_of_file(request_.path);
    if (!request_.sha256.empty() && hash != request_.sha256) return std::nullopt;
    return Downloaded{bytes, 0, hash};
  }

  // One connection: whatever arrives is appended.
  Task<void> attempt() {
    HttpRequest http;
    http.url = request_.url;
    http.headers = request_.headers;
    http.headers.emplace_back("Accept-Encoding", "identity");
    if (part_.bytes() > 0) http.headers.emplace_back("Range", fmt::format("bytes={}-", part_.bytes()));
    http.idle_timeout = request_.idle_timeout;
    http.redirects_max = kRedirectsMax;
    http.body_bytes_max = request_.bytes_max;
    TSUKAI_CO_TRY(auto stream, co_await client_.open(std::move(http)));
    TSUKAI_CO_TRY_VOID(begin(*stream));
    for (;;) {
      TSUKAI_CO_TRY(auto piece, co_await stream->read());
      if (!piece) co_return Result<void>();
      const std::uint64_t limit = whole_ != 0 ? whole_ : request_.bytes_max;
      if (piece->size() > limit - part_.bytes()) {
        TSUKAI_CO_TRY_VOID(part_.clear());
        co_return fail(lies(request_.url, fmt::format("more than {} bytes arrive", limit)));
      }
      TSUKAI_CO_TRY_VOID(part_.append(*piece));
      fetched_ += piece->size();
      if (request_.on_progress) request_.on_progress(part_.bytes(), whole_);
    }
  }

  // Does the head of the answer fit what was asked?
  Result<void> begin(const HttpStream& stream) {
    const int status = stream.status();
    if (status == 416 && part_.bytes() > 0) {
      TSUKAI_TRY_VOID(part_.clear());  // What is there is longer than the file: begin again.
      return fail(Code::kTransport, request_.url + ": no such range");
    }
    if (status == 404) return fail(Code::kNotFound, request_.url + " is not there (404)");
    if (status == 401 || status == 403) {
      return fail(Code::kDenied, fmt::format("{}: the server refuses ({})", request_.url, status),
                  "accept the model's terms on its page and set HF_TOKEN");
    }
    if (status == 429 || status >= 500)
      return fail(Code::kTransport, fmt::format("{}: the server answers {}", request_.url, status));
    if (status != 200 && status != 206)
      return fail(Code::kProtocol, fmt::format("{}: the server answers {}", request_.url, status));
    std::uint64_t whole = 0;
    if (status == 206) {
      const auto range = parse_range(header_text(stream.headers(), "Content-Range"));
      if (!range || range->first != part_.bytes() || (range->whole != 0 && range->whole <= range->first)) {
        Error lie = lies(request_.url, fmt::format("asked for bytes from {}, got \"{}\"", part_.bytes(),
                                                   header_text(stream.headers(), "Content-Range")));
        TSUKAI_TRY_VOID(part_.clear());
        return fail(std::move(lie));
      }
      whole = range->whole;
    } else {
      if (part_.bytes() > 0) TSUKAI_TRY_VOID(part_.clear());  // It does not resume.
      whole = number_in(header_text(stream.headers(), "Content-Length")).value_or(0);
    }
    if (whole_ != 0 && whole != 0 && whole != whole_) {
      TSUKAI_TRY_VOID(part_.clear());
      return fail(lies(request_.url, fmt::format("the file has {} bytes, expected {}", whole, whole_)));
    }
    if (whole > request_.bytes_max) {
      return fail(Code::kExhausted,
                  fmt::format("{} has {} bytes, more than {}", request_.url, whole, request_.bytes_max));
    }
    if (whole != 0) whole_ = whole;
    return {};
  }

  Result<Downloaded> finish() {
    if (whole_ != 0 && part_.bytes() != whole_) {
      TSUKAI_TRY_VOID(part_.clear());
      return fail(lies(request_.url, fmt::format("there are more than {} bytes", whole_)));
    }
    const std::string hash = part_.finish_hash();
    if (!request_.sha256.empty() && hash != request_.sha256) {
      TSUKAI_TRY_VOID(part_.clear());
      return fail(lies(request_.url, "its SHA-256 is " + hash + ", not " + request_.sha256));
    }
    TSUKAI_TRY_VOID(part_.become(request_.path));
    return Downloaded{part_.bytes(), fetched_, hash};
  }

  HttpClient& client_;
  DownloadRequest request_;
  PartFile part_;
  std::uint64_t whole_ = 0, fetched_ = 0;
};

}  // namespace

Task<Downloaded> download(HttpClient& client, DownloadRequest request) {
  Download one(client, std::move(request));
  co_return co_await one.run();
}

}  // namespace tsukai::infer
