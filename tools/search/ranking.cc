// Which pages answer a query, best first. Every step is bounded: a word that stands on most pages of a large
// folder costs no more than kRankedMax scores.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "tools/search/index.h"

namespace tsukai::search {
namespace {

struct Counted {
  Term term;
  std::int64_t pages = 0;  // Up to kRankedMax + 1.
};

std::string all_of(const std::vector<Counted>& terms, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += (i > 0 ? " AND " : "") + terms[i].term.expression();
  return out;
}

// The rarest terms, until together they stand on more pages than are ranked.
std::string any_of(const std::vector<Counted>& terms) {
  std::string out;
  std::int64_t pages = 0;
  for (const Counted& one : terms) {
    if (!out.empty() && pages + one.pages > Index::kRankedMax) break;
    out += (out.empty() ? "" : " OR ") + one.term.expression();
    pages += one.pages;
  }
  return out;
}

}  // namespace

Result<std::int64_t> Index::count(const Term& term) {
  TSUKAI_TRY(auto rows, database_.prepare(fmt::format("SELECT count(*) FROM (SELECT 1 FROM page_index WHERE "
                                                      "page_index MATCH ?1 LIMIT {})",
                                                      kRankedMax + 1)));
  TSUKAI_TRY(const bool row, rows.bind(1, std::string_view(term.expression())).step());
  return row ? rows.integer(0) : 0;
}

Result<Found> Index::search(const std::vector<Term>& terms, const std::string& source, std::size_t offset,
                            std::size_t limit) {
  Found found;
  std::vector<Counted> counted;
  for (const Term& term : terms) {
    TSUKAI_TRY(const std::int64_t pages, count(term));
    if (pages > 0) {
      counted.push_back({term, pages});
      continue;
    }
    // A run of Chinese that stands nowhere as a whole: its pairs, of those that do.
    bool any = false;
    for (const Term& pair : loosened(term)) {
      if (pair.forms == term.forms) break;
      TSUKAI_TRY(const std::int64_t pair_pages, count(pair));
      if (pair_pages == 0) continue;
      any = true;
      if (counted.size() < kTermsMax) counted.push_back({pair, pair_pages});
    }
    if (!any) found.missing.push_back(term.text);
  }
  for (const Counted& one : counted) found.terms.push_back(one.term);
  if (counted.empty()) return found;
  std::sort(counted.begin(), counted.end(), [](const Counted& a, const Counted& b) {
    return std::tie(a.pages, a.term.text) < std::tie(b.pages, b.term.text);
  });

  // bm25 within a subquery with a limit: SQLite then scores so many rows and no more.
  // Looked up for each match: fewer than the pages of a large source.
  const std::string in_source =
      source.empty() ? ""
                     : "AND (SELECT folder.name FROM page JOIN folder ON folder.id=page.folder "
                       "WHERE page.id=page_index.rowid)=?2 ";
  TSUKAI_TRY(auto ranked, database_.prepare(fmt::format(
                              "SELECT id FROM (SELECT rowid AS id, bm25(page_index, {}, 1.0) AS score FROM "
                              "page_index WHERE page_index MATCH ?1 {}LIMIT {}) ORDER BY score, id LIMIT {}",
                              kTitleWeight, in_source, kRankedMax, kFoundMax)));
  std::vector<std::int64_t> ids;
  std::set<std::int64_t> seen;
  const std::size_t wanted = offset + limit + 1;
  const auto collect = [&](const std::string& expression) -> Result<void> {
    ranked.reset();
    ranked.bind(1, std::string_view(expression));
    if (!source.empty()) ranked.bind(2, std::string_view(source));
    while (true) {
      TSUKAI_TRY(const bool row, ranked.step());
      if (!row) return {};
      if (ids.size() < kFoundMax && seen.insert(ranked.integer(0)).second) ids.push_back(ranked.integer(0));
    }
  };
  const std::size_t count = counted.size();
  TSUKAI_TRY_VOID(collect("{title} : (" + all_of(counted, count) + ")"));
  if (ids.size() < wanted) TSUKAI_TRY_VOID(collect(all_of(counted, count)));
  found.all = !ids.empty();
  // Without the commonest term, without the two commonest ...; only as long as nothing else is there: pages
  // with half of the words behind those with all of them would look like answers.
  for (std::size_t fewer = count; ids.empty() && fewer-- > 1;)
    TSUKAI_TRY_VOID(collect(all_of(counted, fewer)));
  if (!found.all && ids.size() < wanted) TSUKAI_TRY_VOID(collect(any_of(counted)));

  found.more = ids.size() > offset + limit && offset + limit < kFoundMax;
  TSUKAI_TRY(auto row, database_.prepare("SELECT page.id, folder.name, page.path, page.kind, page.title, "
                                         "page.characters, page.changed_ns, page.cut, page.problem FROM page "
                                         "JOIN folder ON folder.id=page.folder WHERE page.id=?1"));
  for (std::size_t i = offset; i < std::min(ids.size(), offset + limit); ++i) {
    row.reset();
    row.bind(1, ids[i]);
    TSUKAI_TRY(auto pages, read_pages(row));
    for (Page& page : pages) found.pages.push_back(std::move(page));
  }
  return found;
}

}  // namespace tsukai::search
