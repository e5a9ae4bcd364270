#include "tools/search/pdf_text.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/process.h"
#include "base/text.h"
#include "tools/search/page_text.h"

namespace tsukai::search {
namespace {

// A file with a name nobody can guess, gone with its owner.
class TemporaryFile {
 public:
  static Result<TemporaryFile> write(const std::string& bytes) {
    std::error_code error;
    std::string path = (std::filesystem::temp_directory_path(error) / "tsukai-search-XXXXXX").string();
    const int fd = ::mkstemp(path.data());
    if (fd < 0) return fail(Code::kTransport, "no temporary file could be made", "set TMPDIR to a folder");
    TemporaryFile file(std::move(path));
    std::size_t written = 0;
    while (written < bytes.size()) {
      const ssize_t now = ::write(fd, bytes.data() + written, bytes.size() - written);
      if (now <= 0) break;
      written += static_cast<std::size_t>(now);
    }
    ::close(fd);
    if (written < bytes.size()) return fail(Code::kExhausted, "the temporary folder is full");
    return file;
  }
  TemporaryFile(TemporaryFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

Task<std::string> run(std::string path) {
  ProcessOptions options;
  options.command = "sh";
  // 127: sh found no pdftotext.
  options.args = {"-c", fmt::format("ulimit -v {}; exec pdftotext -q -enc UTF-8 \"$1\" -", kPdfMemoryKbMax),
                  "sh", path};
  options.env = minimal_environment();
  TSUKAI_CO_TRY(auto process, Process::start(co_await asio::this_coro::executor, std::move(options)));
  std::string text;
  while (text.size() <= kTextBytesMax) {
    TSUKAI_CO_TRY(auto piece, co_await process->out().next_chunk());
    if (!piece) break;
    text += *piece;
  }
  if (text.size() <= kTextBytesMax) {
    co_await process->wait_exit(std::chrono::seconds(2));
    const std::string fate = process->fate();
    if (fate == "exited with status 127") {
      co_return fail(Code::kUnsupported, "PDF files are read by pdftotext, which is not installed",
                     "install Debian's poppler-utils");
    }
    if (fate != "exited with status 0") {
      const std::string said(trimmed(process->stderr_tail()));
      co_return fail(Code::kInvalidArgument, fmt::format("pdftotext can't read it ({}{}{})", fate,
                                                         said.empty() ? "" : ": ", shortened(said, 120)));
    }
  }
  co_await process->shutdown();
  co_return text;
}

}  // namespace

Task<std::string> pdf_text(std::string bytes) {
  TSUKAI_CO_TRY(const auto file, TemporaryFile::write(bytes));
  co_return co_await with_deadline(run(file.path()), kPdfTimeMax, "reading a PDF");
}

}  // namespace tsukai::search
