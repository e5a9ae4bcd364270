// The folders that are served, and their index, kept up to date: what a search needs to answer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/task.h"
#include "tools/search/index.h"

namespace tsukai::search {

struct RefreshReport {
  std::size_t files = 0;     // Looked at.
  std::size_t read = 0;      // New or changed, read (again).
  std::size_t gone = 0;      // Left the index.
  std::size_t problems = 0;  // Of those read: could not be.
  std::int64_t took_ms = 0;
};

// done of total files, and a word on what happens.
using OnIndexing = std::function<void(double done, double total, std::string message)>;

// Lives on one executor's thread.
class Library {
 public:
  // Folders with so many files together are looked over before every answer ...
  static constexpr std::size_t kQuickFiles = 2'000;
  // ... larger ones when that would cost less than a hundredth of the time since the last look.
  static constexpr std::int64_t kScanShare = 100;

  // `data`: the index file; `folders`: what to serve; empty: what the index already holds.
  // kInvalidArgument when there is nothing to serve.
  static Result<Library> open(const std::string& data, const std::vector<std::string>& folders);

  Index& index() { return index_; }
  std::size_t folders() const { return folders_.size(); }

  // Brings the index up to date if that is due. Several calls at once do the work once and all wait for it.
  Task<void> refresh_if_due(OnIndexing on_indexing);
  // The same at once. Files are read again when their size or time of modification is another.
  Task<RefreshReport> refresh(OnIndexing on_indexing);

 private:
  struct Served {
    std::int64_t id = 0;
    Folder folder;
  };
  Library(Index index, std::vector<Served> folders);
  Task<void> refresh_folder(std::size_t which, OnIndexing on_indexing, RefreshReport& report);
  bool due() const;

  Index index_;
  std::vector<Served> folders_;
  bool refreshing_ = false;
  std::int64_t scanned_at_ms_ = -1;  // Steady; -1: not yet.
  std::int64_t scan_ms_ = 0;         // What looking over all folders took then ...
  std::size_t scanned_files_ = 0;    // ... and how many files they had.
};

// $XDG_CACHE_HOME/tsukai/search-HASH.db, else ~/.cache/tsukai/...: one index for the same set of folders.
Result<std::string> cached_index(const std::vector<std::string>& folders);

// The made-up guide to the city of Lanwan that ships with tsukai: beside the program's folder in an
// installation (../share/tsukai/city-guide), or examples/city-guide above it in the repository. kNotFound.
Result<std::string> city_guide();

}  // namespace tsukai::search
