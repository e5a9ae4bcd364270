// Which pages answer a query, best first. Every step is bounded: a word that stands on most pages of a large
// folder costs no more than kRankedMax scores.
#include <fmt/format.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <tuple>

#include "tools/search/index.h"

namespace tsukai::search {
namespace {

struct Counted {
  Term term;
  std::int64_t pages = 0;   // Up to kRankedMax + 1.
  std::int64_t likely = 0;  // Beyond that, how many there are if the others are as close together.
};

// What page_score keeps during one statement.
struct Weights {
  double average_words = 1;                         // Of a page.
  std::array<double, Index::kPhrasesMax> rarity{};  // Of each phrase: BM25's inverse document frequency.
};

// page_score(page_index, N...): BM25 as FTS5's own bm25() computes it (k1 = 1.2, b = 0.75, the smaller the
// better, titles kTitleWeight times), but for the number of pages with each phrase, which are given. bm25()
// counts them, so that one common word costs a walk over all of its pages however few are ranked.
void page_score(const Fts5ExtensionApi* api, Fts5Context* fts, sqlite3_context* context, int count,
                sqlite3_value** values) {
  const auto failed = [&](int rc) {
    if (rc != SQLITE_OK) sqlite3_result_error_code(context, rc);
    return rc != SQLITE_OK;
  };
  auto* weights = static_cast<Weights*>(api->xGetAuxdata(fts, 0));
  if (weights == nullptr) {
    sqlite3_int64 pages = 0, words = 0;
    if (failed(api->xRowCount(fts, &pages)) || failed(api->xColumnTotalSize(fts, -1, &words))) return;
    const int phrases = api->xPhraseCount(fts);
    if (count != phrases || phrases > static_cast<int>(Index::kPhrasesMax))
      return void(failed(SQLITE_MISUSE));
    weights = new Weights;
    if (pages > 0 && words > 0)
      weights->average_words = static_cast<double>(words) / static_cast<double>(pages);
    for (int i = 0; i < phrases; ++i) {
      const auto with = static_cast<double>(sqlite3_value_int64(values[i]));
      const double rarity = std::log((static_cast<double>(pages) - with + 0.5) / (with + 0.5));
      weights->rarity[static_cast<std::size_t>(i)] = rarity > 0 ? rarity : 1e-6;
    }
    if (failed(api->xSetAuxdata(fts, weights, [](void* p) { delete static_cast<Weights*>(p); }))) return;
  }
  int hits = 0, words = 0;
  if (failed(api->xInstCount(fts, &hits)) || failed(api->xColumnSize(fts, -1, &words))) return;
  std::array<double, Index::kPhrasesMax> frequency{};
  for (int i = 0; i < hits; ++i) {
    int phrase = 0, column = 0, at = 0;
    if (failed(api->xInst(fts, i, &phrase, &column, &at))) return;
    frequency[static_cast<std::size_t>(phrase)] += column == 0 ? Index::kTitleWeight : 1.0;
  }
  const double length = 1.2 * (1 - 0.75 + 0.75 * words / weights->average_words);
  double score = 0;
  for (int i = 0; i < count; ++i) {
    const double f = frequency[static_cast<std::size_t>(i)];
    score += weights->rarity[static_cast<std::size_t>(i)] * (f * (1.2 + 1)) / (f + length);
  }
  sqlite3_result_double(context, -score);
}

// A MATCH expression, and how many pages hold each of its phrases, in their order.
struct Expression {
  std::string text, counts;
};

void add(Expression& expression, std::string_view joint, const Counted& one) {
  if (!expression.text.empty()) expression.text += joint;
  expression.text += one.term.expression();
  expression.counts += fmt::format(", {}", one.likely);
}

Expression all_of(const std::vector<Counted>& terms, std::size_t count) {
  Expression out;
  for (std::size_t i = 0; i < count; ++i) add(out, " AND ", terms[i]);
  return out;
}

// The rarest terms, until together they stand on more pages than are ranked.
Expression any_of(const std::vector<Counted>& terms) {
  Expression out;
  std::int64_t pages = 0;
  for (const Counted& one : terms) {
    if (!out.text.empty() && pages + one.pages > Index::kRankedMax) break;
    add(out, " OR ", one);
    pages += one.pages;
  }
  return out;
}

}  // namespace

Result<void> Index::add_ranking() {
  TSUKAI_TRY(fts5_api* const api, database_.fts5());
  const int rc = api->xCreateFunction(api, "page_score", nullptr, page_score, nullptr);
  return rc == SQLITE_OK ? Result<void>{}
                         : fail(Code::kInternal, "page_score can't be registered with SQLite", "");
}

Result<std::pair<std::int64_t, std::int64_t>> Index::count(const Term& term) {
  TSUKAI_TRY(auto rows, database_.prepare(fmt::format(
                            "SELECT count(*), max(rowid), (SELECT max(id) FROM page_text) FROM (SELECT "
                            "rowid FROM page_index WHERE page_index MATCH ?1 LIMIT {})",
                            kRankedMax + 1)));
  TSUKAI_TRY(const bool row, rows.bind(1, std::string_view(term.expression())).step());
  const std::int64_t pages = row ? rows.integer(0) : 0;
  // Rows come by their id: what was walked over tells what remains.
  const bool all = pages <= kRankedMax;
  return std::pair(pages, all ? pages
                              : pages * std::max<std::int64_t>(
                                            1, rows.integer(2) / std::max<std::int64_t>(1, rows.integer(1))));
}

Result<Found> Index::search(const std::vector<Term>& terms, const std::string& source, std::size_t offset,
                            std::size_t limit) {
  Found found;
  std::vector<Counted> counted;
  for (const Term& term : terms) {
    TSUKAI_TRY(const auto pages, count(term));
    if (pages.first > 0) {
      counted.push_back({term, pages.first, pages.second});
      continue;
    }
    // A run of Chinese that stands nowhere as a whole: its pairs, of those that do.
    bool any = false;
    for (const Term& pair : loosened(term)) {
      if (pair.forms == term.forms) break;
      TSUKAI_TRY(const auto pair_pages, count(pair));
      if (pair_pages.first == 0) continue;
      any = true;
      if (counted.size() < kTermsMax) counted.push_back({pair, pair_pages.first, pair_pages.second});
    }
    if (!any) found.missing.push_back(term.text);
  }
  for (const Counted& one : counted) found.terms.push_back(one.term);
  if (counted.empty()) return found;
  std::sort(counted.begin(), counted.end(), [](const Counted& a, const Counted& b) {
    return std::tie(a.pages, a.term.text) < std::tie(b.pages, b.term.text);
  });

  // Looked up for each match: fewer than the pages of a large source.
  const std::string in_source =
      source.empty() ? ""
                     : "AND (SELECT folder.name FROM page JOIN folder ON folder.id=page.folder "
                       "WHERE page.id=page_index.rowid)=?2 ";
  std::vector<std::int64_t> ids;
  std::set<std::int64_t> seen;
  const std::size_t wanted = offset + limit + 1;
  // The score within a subquery with a limit: SQLite then scores so many rows and no more.
  const auto collect = [&](const Expression& expression, std::string_view columns = "") -> Result<void> {
    TSUKAI_TRY(auto ranked,
               database_.prepare(
                   fmt::format("SELECT id FROM (SELECT rowid AS id, page_score(page_index{}) AS score FROM "
                               "page_index WHERE page_index MATCH ?1 {}LIMIT {}) ORDER BY score, id LIMIT {}",
                               expression.counts, in_source, kRankedMax, kFoundMax)));
    const std::string match = fmt::format("{}({})", columns, expression.text);
    ranked.bind(1, std::string_view(match));
    if (!source.empty()) ranked.bind(2, std::string_view(source));
    while (true) {
      TSUKAI_TRY(const bool row, ranked.step());
      if (!row) return {};
      if (ids.size() < kFoundMax && seen.insert(ranked.integer(0)).second) ids.push_back(ranked.integer(0));
    }
  };
  const std::size_t count = counted.size();
  TSUKAI_TRY_VOID(collect(all_of(counted, count), "{title} : "));
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
