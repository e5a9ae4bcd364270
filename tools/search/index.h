// The index: one SQLite file with the text of every page and an FTS5 table over its words.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/database.h"
#include "tools/search/folder.h"
#include "tools/search/page_text.h"
#include "tools/search/query.h"

namespace tsukai::search {

struct NamedFolder {
  std::string name;  // As clients see it; the first part of every page's id.
  std::string path;  // Absolute.
};

struct StoredFile {
  std::int64_t id = 0;
  std::int64_t bytes = 0;
  std::int64_t changed_ns = 0;
};

// A file that is new or has changed: what is to be known about it.
struct Change {
  std::int64_t folder = 0;
  FileSeen file;
  PageText page;
  std::string problem;  // Not empty: it could not be read, and why. It is listed, not found.
};

struct Page {
  std::int64_t id = 0;
  std::string source, path;
  PageKind kind = PageKind::kText;
  std::string title;
  std::int64_t characters = 0;
  std::int64_t changed_ns = 0;
  bool cut = false;
  std::string problem;
  std::string address() const { return source + "/" + path; }
};

struct Source {
  std::int64_t id = 0;
  NamedFolder folder;
  std::map<std::string, std::int64_t> pages;  // By kind.
  std::int64_t characters = 0;
  std::int64_t skipped = 0;  // Files that could not be read.
};

struct Found {
  std::vector<Page> pages;
  bool more = false;
  // Terms that stand on no page, as they were written.
  std::vector<std::string> missing;
  // The terms that were looked for, for marking.
  std::vector<Term> terms;
  // Pages hold all terms that are not missing; false: only some of them.
  bool all = true;
};

class Index {
 public:
  // Ranking looks at so many matches at most; of a word that stands on more pages, title matches come first.
  static constexpr int kRankedMax = 5'000;
  static constexpr std::size_t kFoundMax = 200;  // Pages that one query can page through.
  static constexpr double kTitleWeight = 6.0;
  static constexpr std::size_t kPhrasesMax = kTermsMax;  // Of one expression: a term is a phrase.

  // Makes the file when it is not there. An index made by another version of the words is emptied.
  // kCorrupt, kUnsupported (made by a newer tsukai), kTransport.
  static Result<Index> open(const std::string& path);

  // The index serves exactly these folders from now on: pages of others leave it. Names are made from the
  // last part of the paths, told apart by numbers.
  Result<void> set_folders(const std::vector<std::string>& paths);
  Result<std::vector<Source>> sources();
  Result<std::vector<std::string>> source_names();  // Without counting.

  Result<std::map<std::string, StoredFile>> files(std::int64_t folder);
  // One transaction: replaces and adds pages, removes files by id.
  Result<void> apply(const std::vector<Change>& changes, const std::vector<std::int64_t>& gone);
  // After many changes: merges the parts of the FTS5 index into one, so that searches are quick.
  Result<void> optimise();

  // Best first: all terms in the title, then all terms anywhere, then as many as possible; bm25 within each.
  // `source`: only pages of that source; empty: all. REQUIRES: offset + limit <= kFoundMax.
  Result<Found> search(const std::vector<Term>& terms, const std::string& source, std::size_t offset,
                       std::size_t limit);

  // "guide/food/tea.md". kNotFound names similar pages.
  Result<Page> page(const std::string& address);
  Result<std::string> text(std::int64_t page);
  // By path. `problems`: those that could not be read instead.
  Result<std::vector<Page>> pages(const std::string& source, bool problems, std::size_t offset,
                                  std::size_t limit);

 private:
  explicit Index(Database database) : database_(std::move(database)) {}
  Result<void> remove(std::int64_t id);
  Result<void> add(const Change& change);
  // Pages with the term, up to kRankedMax + 1, and how many are likely in all.
  Result<std::pair<std::int64_t, std::int64_t>> count(const Term& term);
  Result<void> add_ranking();
  Result<std::vector<Page>> read_pages(Statement& statement);

  Database database_;
};

}  // namespace tsukai::search
