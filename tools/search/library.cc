#include "tools/search/library.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <filesystem>

#include "base/clock.h"
#include "base/hash.h"
#include "tools/search/pdf_text.h"

namespace tsukai::search {
namespace {

namespace fs = std::filesystem;

// One transaction holds no more than this.
constexpr std::size_t kBatchFiles = 256;
constexpr std::size_t kBatchBytes = 4u << 20;
// From so many changes on, the FTS5 index is worth merging.
constexpr std::size_t kOptimiseFrom = 2'000;
// A file that was changed this shortly before it was read may change once more within the same tick of the
// file system's clock: it is read again next time.
constexpr std::int64_t kSettledNs = 2'000'000'000;
constexpr auto kWaitStep = std::chrono::milliseconds(5);

Task<PageText> read_page(const Folder& folder, FileSeen file) {
  TSUKAI_CO_TRY(std::string bytes, folder.read(file.path));
  switch (file.kind) {
    case PageKind::kMarkdown:
      co_return markdown_page(bytes);
    case PageKind::kHtml:
      co_return html_page(bytes);
    case PageKind::kText:
      co_return plain_page(bytes);
    case PageKind::kPdf:
      break;
  }
  TSUKAI_CO_TRY(const std::string text, co_await pdf_text(std::move(bytes)));
  co_return pdf_page(text);
}

// "old-town.md" -> "old town", for pages that name no title.
std::string title_of(const std::string& path) {
  std::string title = fs::path(path).stem().string();
  std::replace_if(title.begin(), title.end(), [](char c) { return c == '-' || c == '_'; }, ' ');
  return title;
}

Task<Change> read_change(const Folder& folder, std::int64_t id, FileSeen file) {
  Change change{id, file, {}, {}};
  auto page = co_await read_page(folder, file);
  if (page) {
    change.page = *std::move(page);
    if (change.page.text.empty()) change.problem = "it holds no text";
  } else if (page.error().code() == Code::kCancelled) {
    co_return fail(std::move(page).error());
  } else {
    change.problem = page.error().text();
  }
  if (change.page.title.empty()) change.page.title = title_of(file.path);
  if (system_clock().wall_ms() * 1'000'000 - file.changed_ns < kSettledNs) change.file.changed_ns = -1;
  co_return change;
}

}  // namespace

Library::Library(Index index, std::vector<Served> folders)
    : index_(std::move(index)), folders_(std::move(folders)) {}

Result<Library> Library::open(const std::string& data, const std::vector<std::string>& folders) {
  TSUKAI_TRY(auto index, Index::open(data));
  std::vector<std::string> paths;
  for (const std::string& folder : folders) {
    TSUKAI_TRY(const auto opened, Folder::open(folder));
    if (std::find(paths.begin(), paths.end(), opened.path()) == paths.end()) paths.push_back(opened.path());
  }
  if (!paths.empty()) TSUKAI_TRY_VOID(index.set_folders(paths));
  TSUKAI_TRY(const auto sources, index.sources());
  if (sources.empty()) {
    return fail(Code::kInvalidArgument, fmt::format("{} holds no folder to serve", data),
                "name one with --folder");
  }
  std::vector<Served> served;
  for (const Source& source : sources) {
    TSUKAI_TRY(auto folder, Folder::open(source.folder.path));
    served.push_back({source.id, std::move(folder)});
  }
  return Library(std::move(index), std::move(served));
}

bool Library::due() const {
  if (scanned_at_ms_ < 0 || scanned_files_ <= kQuickFiles) return true;
  return system_clock().steady_ms() - scanned_at_ms_ > kScanShare * scan_ms_;
}

Task<void> Library::refresh_if_due(OnIndexing on_indexing) {
  while (refreshing_) TSUKAI_CO_TRY_VOID(co_await sleep_for(kWaitStep));
  if (!due()) co_return Result<void>();
  auto done = co_await refresh(std::move(on_indexing));
  if (!done) co_return fail(std::move(done).error());
  co_return Result<void>();
}

Task<RefreshReport> Library::refresh(OnIndexing on_indexing) {
  while (refreshing_) TSUKAI_CO_TRY_VOID(co_await sleep_for(kWaitStep));
  // Reset however this coroutine ends, so that another call can take over from one that was cancelled.
  struct Flag {
    bool& value;
    ~Flag() { value = false; }
  } flag{refreshing_};
  refreshing_ = true;
  const auto start = system_clock().steady_ms();
  RefreshReport report;
  std::int64_t scan_ms = 0;
  for (std::size_t i = 0; i < folders_.size(); ++i) {
    const auto before = report.took_ms;
    TSUKAI_CO_TRY_VOID(co_await refresh_folder(i, on_indexing, report));
    scan_ms += report.took_ms - before;
  }
  if (report.read + report.gone >= kOptimiseFrom) TSUKAI_CO_TRY_VOID(index_.optimise());
  scan_ms_ = scan_ms;
  scanned_files_ = report.files;
  scanned_at_ms_ = system_clock().steady_ms();
  report.took_ms = scanned_at_ms_ - start;
  co_return report;
}

// Adds the time of looking over to report.took_ms.
Task<void> Library::refresh_folder(std::size_t which, OnIndexing on_indexing, RefreshReport& report) {
  const auto executor = co_await asio::this_coro::executor;
  const Folder& folder = folders_[which].folder;
  const std::int64_t id = folders_[which].id;
  const auto start = system_clock().steady_ms();
  TSUKAI_CO_TRY(auto files, folder.files());
  TSUKAI_CO_TRY(auto known, index_.files(id));
  report.files += files.size();
  std::erase_if(files, [&](const FileSeen& file) {
    const auto stored = known.find(file.path);
    if (stored == known.end()) return false;
    const bool same = stored->second.bytes == file.bytes && stored->second.changed_ns == file.changed_ns;
    known.erase(stored);
    return same;
  });
  std::vector<std::int64_t> gone;
  for (const auto& [path, file] : known) gone.push_back(file.id);
  report.gone += gone.size();
  report.took_ms += system_clock().steady_ms() - start;

  std::vector<Change> batch;
  std::size_t batch_bytes = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    TSUKAI_CO_TRY(auto change, co_await read_change(folder, id, files[i]));
    ++report.read;
    report.problems += change.problem.empty() ? 0 : 1;
    batch_bytes += change.page.text.size();
    batch.push_back(std::move(change));
    if (batch.size() >= kBatchFiles || batch_bytes >= kBatchBytes) {
      TSUKAI_CO_TRY_VOID(index_.apply(batch, gone));
      batch.clear(), gone.clear();
      batch_bytes = 0;
      if (on_indexing)
        on_indexing(static_cast<double>(i + 1), static_cast<double>(files.size()),
                    "reading " + files[i].path);
    }
    // Other calls are served in between.
    co_await asio::post(executor, asio::use_awaitable);
  }
  if (!batch.empty() || !gone.empty()) TSUKAI_CO_TRY_VOID(index_.apply(batch, gone));
  if (on_indexing && !files.empty()) {
    on_indexing(static_cast<double>(files.size()), static_cast<double>(files.size()),
                fmt::format("{} files read", files.size()));
  }
  co_return Result<void>();
}

Result<std::string> cached_index(const std::vector<std::string>& folders) {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const bool has_cache = cache != nullptr && *cache != '\0';
  if (!has_cache && (home == nullptr || *home == '\0')) {
    return fail(Code::kNotFound,
                "neither $XDG_CACHE_HOME nor $HOME is set, so there is no folder for the index",
                "give --data FILE");
  }
  const fs::path folder = (has_cache ? fs::path(cache) : fs::path(home) / ".cache") / "tsukai";
  std::vector<std::string> sorted;
  for (const std::string& path : folders) {
    std::error_code error;
    sorted.push_back(fs::weakly_canonical(path, error).string());
  }
  std::sort(sorted.begin(), sorted.end());
  std::string all;
  for (const std::string& path : sorted) all += path + '\n';
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return fail(Code::kDenied, fmt::format("create {}: {}", folder.string(), error.message()),
                "set $XDG_CACHE_HOME, or give --data FILE");
  }
  return (folder / fmt::format("search-{}.db", sha256_hex(all).substr(0, 16))).string();
}

Result<std::string> city_guide() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  fs::path up = program.parent_path();
  if (const fs::path installed = up.parent_path() / "share/tsukai/city-guide";
      fs::is_directory(installed, error))
    return installed.string();
  // build/dev/bin/tsukai-search
  for (int i = 0; i < 4 && up.has_relative_path(); ++i, up = up.parent_path()) {
    if (const fs::path there = up / "examples/city-guide"; fs::is_directory(there, error))
      return there.string();
  }
  return fail(Code::kNotFound,
              "the guide to Lanwan, served when no folder is named, is not beside this program",
              "name a folder with --folder");
}

}  // namespace tsukai::search
