#include "tools/search/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/text.h"
#include "tools/search/words.h"

namespace tsukai::search {
namespace {

// page_index keeps no text of its own (content=''): what was indexed can be made again from page and
// page_text. The text stands apart from page, so that going over all pages does not read it.
const std::vector<std::string>& migrations() {
  static const std::vector<std::string> all = {
      R"(CREATE TABLE setting(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
         CREATE TABLE folder(id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, name TEXT NOT NULL UNIQUE) STRICT;
         CREATE TABLE page(id INTEGER PRIMARY KEY, folder INTEGER NOT NULL REFERENCES folder(id),
           path TEXT NOT NULL, kind INTEGER NOT NULL, title TEXT NOT NULL, characters INTEGER NOT NULL,
           bytes INTEGER NOT NULL, changed_ns INTEGER NOT NULL, cut INTEGER NOT NULL, problem TEXT NOT NULL,
           UNIQUE(folder, path)) STRICT;
         CREATE TABLE page_text(id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
         CREATE VIRTUAL TABLE page_index USING fts5(title, body, content='',
           tokenize="unicode61 remove_diacritics 0 categories 'L* N* M* Co'");)"};
  return all;
}

constexpr const char* kColumns =
    "page.id, folder.name, page.path, page.kind, page.title, page.characters, page.changed_ns, page.cut, "
    "page.problem";

// What stands in the title column: the title, and the name of the file, which often says more.
std::string title_words(const std::string& title, const std::string& path) {
  const auto slash = path.rfind('/');
  std::string file = path.substr(slash == std::string::npos ? 0 : slash + 1);
  file.resize(file.rfind('.'));
  std::string known = index_text(title);
  const std::string more = index_text(file);
  return known == more ? known : known + " " + more;
}

}  // namespace

Result<Index> Index::open(const std::string& path) {
  TSUKAI_TRY(auto database, Database::open(path));
  Index index(std::move(database));
  TSUKAI_TRY_VOID(index.add_ranking());
  TSUKAI_TRY_VOID(
      index.database_.execute("PRAGMA cache_size=-65536"));  // KiB: postings are read again and again.
  TSUKAI_TRY_VOID(index.database_.migrate("search", migrations()));
  const auto prepare = [&]() -> Result<void> {
    TSUKAI_TRY(auto version, index.database_.prepare("SELECT value FROM setting WHERE name='words'"));
    TSUKAI_TRY(const bool known, version.step());
    if (known && version.integer(0) == kWordsVersion) return {};
    if (known) {
      TSUKAI_TRY_VOID(
          index.database_.execute("INSERT INTO page_index(page_index) VALUES('delete-all'); DELETE FROM "
                                  "page_text; DELETE FROM page;"));
    }
    return index.database_.execute(
        fmt::format("INSERT OR REPLACE INTO setting VALUES('words', {})", kWordsVersion));
  };
  TSUKAI_TRY_VOID(index.database_.write(prepare));
  return index;
}

Result<void> Index::set_folders(const std::vector<std::string>& paths) {
  TSUKAI_TRY(const auto known, sources());
  const std::set<std::string> wanted(paths.begin(), paths.end());
  std::set<std::string> names;
  for (const Source& source : known) {
    if (wanted.contains(source.folder.path)) names.insert(source.folder.name);
  }
  return database_.write([&]() -> Result<void> {
    for (const Source& source : known) {
      if (wanted.contains(source.folder.path)) continue;
      TSUKAI_TRY(const auto old, files(source.id));
      for (const auto& [path, file] : old) TSUKAI_TRY_VOID(remove(file.id));
      TSUKAI_TRY(auto drop, database_.prepare("DELETE FROM folder WHERE id=?1"));
      TSUKAI_TRY_VOID(drop.bind(1, source.id).run());
    }
    for (const std::string& path : paths) {
      const bool there =
          std::any_of(known.begin(), known.end(), [&](const Source& s) { return s.folder.path == path; });
      if (there) continue;
      std::string last = std::filesystem::path(path).filename().string();
      if (last.empty()) last = "root";
      std::string name = last;
      for (int i = 2; !names.insert(name).second; ++i) name = fmt::format("{}-{}", last, i);
      TSUKAI_TRY(auto add, database_.prepare("INSERT OR IGNORE INTO folder(path, name) VALUES(?1, ?2)"));
      TSUKAI_TRY_VOID(add.bind(1, std::string_view(path)).bind(2, std::string_view(name)).run());
    }
    return {};
  });
}

Result<std::vector<Source>> Index::sources() {
  TSUKAI_TRY(auto folders, database_.prepare("SELECT id, name, path FROM folder ORDER BY name"));
  TSUKAI_TRY(auto counts, database_.prepare(
                              "SELECT kind, problem<>'', count(*), sum(characters) FROM page WHERE folder=?1 "
                              "GROUP BY 1, 2"));
  std::vector<Source> all;
  while (true) {
    TSUKAI_TRY(const bool row, folders.step());
    if (!row) return all;
    Source source{folders.integer(0), {folders.text(1), folders.text(2)}, {}, 0, 0};
    counts.reset();
    counts.bind(1, source.id);
    while (true) {
      TSUKAI_TRY(const bool count, counts.step());
      if (!count) break;
      if (counts.integer(1) != 0) {
        source.skipped += counts.integer(2);
      } else {
        source.pages[std::string(name(static_cast<PageKind>(counts.integer(0))))] = counts.integer(2);
        source.characters += counts.integer(3);
      }
    }
    all.push_back(std::move(source));
  }
}

Result<std::vector<std::string>> Index::source_names() {
  TSUKAI_TRY(auto rows, database_.prepare("SELECT name FROM folder ORDER BY name"));
  std::vector<std::string> names;
  while (true) {
    TSUKAI_TRY(const bool row, rows.step());
    if (!row) return names;
    names.push_back(rows.text(0));
  }
}

Result<std::map<std::string, StoredFile>> Index::files(std::int64_t folder) {
  TSUKAI_TRY(auto rows, database_.prepare("SELECT path, id, bytes, changed_ns FROM page WHERE folder=?1"));
  rows.bind(1, folder);
  std::map<std::string, StoredFile> all;
  while (true) {
    TSUKAI_TRY(const bool row, rows.step());
    if (!row) return all;
    all.emplace(rows.text(0), StoredFile{rows.integer(1), rows.integer(2), rows.integer(3)});
  }
}

Result<void> Index::remove(std::int64_t id) {
  TSUKAI_TRY(auto old, database_.prepare(
                           "SELECT page.title, page.path, page_text.text FROM page JOIN page_text USING(id) "
                           "WHERE page.id=?1"));
  TSUKAI_TRY(const bool indexed, old.bind(1, id).step());
  if (indexed) {
    TSUKAI_TRY(auto forget, database_.prepare("INSERT INTO page_index(page_index, rowid, title, body) "
                                              "VALUES('delete', ?1, ?2, ?3)"));
    forget.bind(1, id)
        .bind(2, std::string_view(title_words(old.text(0), old.text(1))))
        .bind(3, std::string_view(index_text(plain_text(old.text(2)))));
    TSUKAI_TRY_VOID(forget.run());
  }
  for (const char* sql : {"DELETE FROM page_text WHERE id=?1", "DELETE FROM page WHERE id=?1"}) {
    TSUKAI_TRY(auto drop, database_.prepare(sql));
    TSUKAI_TRY_VOID(drop.bind(1, id).run());
  }
  return {};
}

Result<void> Index::add(const Change& change) {
  TSUKAI_TRY(
      auto insert,
      database_.prepare("INSERT INTO page(folder, path, kind, title, characters, bytes, changed_ns, cut, "
                        "problem) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
  const FileSeen& file = change.file;
  insert.bind(1, change.folder)
      .bind(2, std::string_view(file.path))
      .bind(3, static_cast<std::int64_t>(file.kind))
      .bind(4, std::string_view(change.page.title))
      .bind(5, characters_of(change.page.text))
      .bind(6, file.bytes)
      .bind(7, file.changed_ns)
      .bind(8, static_cast<std::int64_t>(change.page.cut))
      .bind(9, std::string_view(change.problem));
  TSUKAI_TRY_VOID(insert.run());
  if (!change.problem.empty()) return {};
  const std::int64_t id = database_.last_insert_id();
  TSUKAI_TRY(auto text, database_.prepare("INSERT INTO page_text VALUES(?1, ?2)"));
  TSUKAI_TRY_VOID(text.bind(1, id).bind(2, std::string_view(change.page.text)).run());
  TSUKAI_TRY(auto words, database_.prepare("INSERT INTO page_index(rowid, title, body) VALUES(?1, ?2, ?3)"));
  return words.bind(1, id)
      .bind(2, std::string_view(title_words(change.page.title, file.path)))
      .bind(3, std::string_view(index_text(plain_text(change.page.text))))
      .run();
}

Result<void> Index::apply(const std::vector<Change>& changes, const std::vector<std::int64_t>& gone) {
  return database_.write([&]() -> Result<void> {
    for (const std::int64_t id : gone) TSUKAI_TRY_VOID(remove(id));
    for (const Change& change : changes) {
      // Another process may have indexed the same folder meanwhile.
      TSUKAI_TRY(auto known, database_.prepare("SELECT id FROM page WHERE folder=?1 AND path=?2"));
      TSUKAI_TRY(const bool there,
                 known.bind(1, change.folder).bind(2, std::string_view(change.file.path)).step());
      const std::int64_t id = there ? known.integer(0) : 0;
      known.reset();
      if (there) TSUKAI_TRY_VOID(remove(id));
      TSUKAI_TRY_VOID(add(change));
    }
    return {};
  });
}

Result<void> Index::optimise() {
  return database_.write(
      [&] { return database_.execute("INSERT INTO page_index(page_index) VALUES('optimize')"); });
}

Result<std::vector<Page>> Index::read_pages(Statement& statement) {
  std::vector<Page> all;
  while (true) {
    TSUKAI_TRY(const bool row, statement.step());
    if (!row) return all;
    all.push_back({statement.integer(0), statement.text(1), statement.text(2),
                   static_cast<PageKind>(statement.integer(3)), statement.text(4), statement.integer(5),
                   statement.integer(6), statement.integer(7) != 0, statement.text(8)});
  }
}

Result<Page> Index::page(const std::string& address) {
  const std::size_t slash = address.find('/');
  const std::string source = address.substr(0, slash);
  const std::string path = slash == std::string::npos ? "" : address.substr(slash + 1);
  TSUKAI_TRY(auto one,
             database_.prepare(fmt::format("SELECT {} FROM page JOIN folder ON folder.id=page.folder "
                                           "WHERE folder.name=?1 AND page.path=?2",
                                           kColumns)));
  one.bind(1, std::string_view(source)).bind(2, std::string_view(path));
  TSUKAI_TRY(auto found, read_pages(one));
  if (!found.empty()) return found[0];
  // Models tend to forget the folder, or the ending: the file's name still tells.
  TSUKAI_TRY(auto similar,
             database_.prepare(fmt::format("SELECT {} FROM page JOIN folder ON folder.id=page.folder WHERE "
                                           "problem='' AND (instr(page.path, ?1) OR page.title=?2) ORDER BY "
                                           "page.path LIMIT 3",
                                           kColumns)));
  const auto last = path.rfind('/');
  std::string file =
      slash == std::string::npos ? address : path.substr(last == std::string::npos ? 0 : last + 1);
  if (const auto dot = file.rfind('.'); dot != std::string::npos && dot > 0) file.resize(dot);
  if (file.empty()) file = source;
  similar.bind(1, std::string_view(file)).bind(2, std::string_view(address));
  TSUKAI_TRY(found, read_pages(similar));
  std::string names;
  for (const Page& page : found) names += (names.empty() ? "; similar: " : ", ") + page.address();
  return fail(Code::kNotFound, fmt::format("there is no page \"{}\"{}", shortened(address, 120), names),
              "take a page from the results of search, as it is written there");
}

Result<std::string> Index::text(std::int64_t page) {
  TSUKAI_TRY(auto row, database_.prepare("SELECT text FROM page_text WHERE id=?1"));
  TSUKAI_TRY(const bool there, row.bind(1, page).step());
  return there ? row.text(0) : std::string();
}

Result<std::vector<Page>> Index::pages(const std::string& source, bool problems, std::size_t offset,
                                       std::size_t limit) {
  TSUKAI_TRY(auto rows,
             database_.prepare(fmt::format(
                 "SELECT {} FROM page JOIN folder ON folder.id=page.folder WHERE folder.name=?1 AND "
                 "(page.problem<>'')=?2 ORDER BY page.path LIMIT ?3 OFFSET ?4",
                 kColumns)));
  rows.bind(1, std::string_view(source))
      .bind(2, static_cast<std::int64_t>(problems))
      .bind(3, static_cast<std::int64_t>(limit))
      .bind(4, static_cast<std::int64_t>(offset));
  return read_pages(rows);
}

}  // namespace tsukai::search
