#include "tools/search/snippet.h"

#include <algorithm>

namespace tsukai::search {
namespace {

struct Hit {
  std::size_t begin = 0, end = 0;
  std::size_t term = 0;
};

std::vector<Hit> hits_of(std::string_view text, const std::vector<Term>& terms) {
  constexpr std::size_t kHitsMax = 10'000;
  const auto all = words(text);
  std::vector<Hit> hits;
  for (std::size_t at = 0; at < all.size() && hits.size() < kHitsMax; ++at) {
    for (std::size_t t = 0; t < terms.size(); ++t) {
      const std::size_t count = terms[t].matches(all, at);
      if (count == 0) continue;
      // A single character is found as the beginning of a pair, but only it was asked for.
      const std::size_t end =
          terms[t].prefix ? all[at].begin + terms[t].text.size() : all[at + count - 1].end;
      hits.push_back({all[at].begin, std::min(end, text.size()), t});
    }
  }
  return hits;
}

bool continues_character(char c) { return (c & 0xc0) == 0x80; }

// The window [first, last] of hits that shows most: different terms count first, then hits.
std::pair<std::size_t, std::size_t> best_window(const std::vector<Hit>& hits, std::size_t terms) {
  std::pair<std::size_t, std::size_t> best{0, 0};
  std::size_t most = 0;
  std::vector<int> counts(terms, 0);
  std::size_t different = 0;
  for (std::size_t first = 0, last = 0; last < hits.size(); ++last) {
    if (counts[hits[last].term]++ == 0) ++different;
    while (hits[last].end - hits[first].begin > kSnippetBytes * 3 / 4 && first < last) {
      if (--counts[hits[first].term] == 0) --different;
      ++first;
    }
    const std::size_t score = different * 1000 + std::min<std::size_t>(last - first, 20);
    if (score > most) most = score, best = {first, last};
  }
  return best;
}

// Moves `at` outwards or inwards to where a word or a sentence begins, a few bytes at most.
std::size_t begin_near(std::string_view text, std::size_t at) {
  if (at == 0) return 0;
  const std::size_t end = std::min(text.size(), at + 40);
  for (std::size_t i = at; i < end; ++i) {
    if (text[i - 1] == '\n' || (text[i - 1] == ' ' && i > 1 && text[i - 2] == '.')) return i;
  }
  for (std::size_t i = at; i < end; ++i) {
    if (text[i - 1] == ' ') return i;
  }
  while (at < text.size() && continues_character(text[at])) ++at;
  return at;
}

std::size_t end_near(std::string_view text, std::size_t at) {
  if (at >= text.size()) return text.size();
  for (std::size_t i = at; i + 30 > at && i > 0; --i) {
    if (text[i] == ' ' || text[i] == '\n') return i;
  }
  while (at > 0 && continues_character(text[at])) --at;
  return at;
}

void append_line(std::string& out, std::string_view piece) {
  for (const char c : piece) {
    const bool blank = c == '\n' || c == '\t' || c == ' ';
    if (!blank)
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += ' ';
  }
}

}  // namespace

std::string snippet(std::string_view text, const std::vector<Term>& terms) {
  const auto hits = hits_of(text, terms);
  std::size_t begin = 0, end = 0;
  if (hits.empty()) {
    end = end_near(text, kSnippetBytes);
  } else {
    const auto [first, last] = best_window(hits, terms.size());
    const std::size_t shown = hits[last].end - hits[first].begin;
    const std::size_t room = shown < kSnippetBytes ? kSnippetBytes - shown : 0;
    const std::size_t from = hits[first].begin > room / 3 ? hits[first].begin - room / 3 : 0;
    begin = std::min(begin_near(text, from), hits[first].begin);
    end = std::max(end_near(text, begin + std::max(kSnippetBytes, shown)), hits[last].end);
  }
  std::string out = begin > 0 ? "… " : "";
  std::size_t at = begin;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    const std::size_t mark = hits[i].begin;
    std::size_t mark_end = hits[i].end;
    if (mark < at || mark_end > end) continue;
    // Pairs of one Chinese word overlap: they are one mark.
    while (i + 1 < hits.size() && hits[i + 1].begin < mark_end && hits[i + 1].end <= end) {
      mark_end = std::max(mark_end, hits[++i].end);
    }
    append_line(out, text.substr(at, mark - at));
    out += "**";
    append_line(out, text.substr(mark, mark_end - mark));
    out += "**";
    at = mark_end;
  }
  append_line(out, text.substr(at, end - at));
  while (out.ends_with(' ')) out.pop_back();
  if (end < text.size() && text.find_first_not_of(" \n", end) != std::string_view::npos) out += " …";
  return out;
}

}  // namespace tsukai::search
