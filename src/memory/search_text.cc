#include "memory/search_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/text.h"

namespace tsukai::memory {
namespace {

// Sorted. Words that stand in most English sentences: each would make bm25 score nearly every row and decide
// nothing.
constexpr auto kStopWords = std::to_array<std::string_view>(
    {"a",     "about", "all",  "am",    "an",   "and",  "any",  "are",   "as",   "at",   "be",   "been",
     "but",   "by",    "can",  "could", "did",  "do",   "does", "for",   "from", "had",  "has",  "have",
     "he",    "her",   "him",  "his",   "how",  "i",    "if",   "in",    "into", "is",   "it",   "its",
     "me",    "my",    "of",   "on",    "or",   "our",  "s",    "she",   "so",   "some", "t",    "that",
     "the",   "their", "them", "there", "they", "this", "to",   "was",   "we",   "were", "what", "when",
     "where", "which", "who",  "whom",  "why",  "will", "with", "would", "you",  "your"});
static_assert(std::is_sorted(kStopWords.begin(), kStopWords.end()));

bool stop_word(std::string_view word) {
  return std::binary_search(kStopWords.begin(), kStopWords.end(), word);
}

// One character of well-formed UTF-8.
struct Character {
  std::uint32_t code = 0;
  std::string_view bytes;
};

Character character_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, text.substr(at, 1)};
  if (first < 0xe0) return {(first & 0x1f) << 6 | (byte(1) & 0x3f), text.substr(at, 2)};
  if (first < 0xf0)
    return {(first & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f), text.substr(at, 3)};
  return {(first & 7) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 | (byte(3) & 0x3f),
          text.substr(at, 4)};
}

bool is_cjk(std::uint32_t c) {
  return (c >= 0x3041 && c <= 0x30ff && c != 0x30fb) ||  // Hiragana, Katakana without the middle dot
         (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7a3) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0xff66 && c <= 0xff9d) || (c >= 0x20000 && c <= 0x323af) ||
         c == 0x3005 || (c >= 0x31f0 && c <= 0x31ff);
}

// What belongs to a word beyond ASCII is left to FTS5's tokenizer, which knows Unicode's categories; a quoted
// term that it splits is a phrase. Only what certainly parts words is decided here: ASCII, general
// punctuation, CJK punctuation.
bool in_word(std::uint32_t c) {
  if (c < 0x80) return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  return c > 0xbf && !(c >= 0x2000 && c <= 0x206f) && !(c >= 0x3000 && c <= 0x3040) &&
         !(c >= 0xff00 && c <= 0xff0f) && c != 0xd7 && c != 0xf7 && c != 0x30fb && c != 0xfffd && !is_cjk(c);
}

// Full-width letters and digits become ASCII; malformed UTF-8 becomes U+FFFD; control characters become
// spaces.
std::string normalised(std::string_view text) {
  const std::string clean = repaired_utf8(text);
  std::string out;
  out.reserve(clean.size());
  for (std::size_t at = 0; at < clean.size();) {
    const Character c = character_at(clean, at);
    at += c.bytes.size();
    if (c.code >= 0xff01 && c.code <= 0xff5e)
      out += static_cast<char>(c.code - 0xff01 + 0x21);
    else if (c.code < 0x20 || c.code == 0x7f)
      out += ' ';
    else
      out += c.bytes;
  }
  return out;
}

}  // namespace

std::string word_text(std::string_view text) {
  const std::string clean = normalised(text);
  std::string out;
  out.reserve(clean.size());
  for (std::size_t at = 0; at < clean.size();) {
    const Character c = character_at(clean, at);
    at += c.bytes.size();
    if (is_cjk(c.code))
      out += ' ';
    else
      out += c.bytes;
  }
  return out;
}

std::string cjk_grams(std::string_view text) {
  const std::string clean = normalised(text);
  std::string out;
  std::string_view
      before;  // The CJK character just before, if any: it stands next to the present one in `clean`.
  for (std::size_t at = 0; at < clean.size();) {
    const Character c = character_at(clean, at);
    if (is_cjk(c.code)) {
      if (!before.empty()) out.append(before).append(c.bytes) += ' ';
      out.append(c.bytes) += ' ';
      before = c.bytes;
    } else {
      before = {};
    }
    at += c.bytes.size();
  }
  if (!out.empty()) out.pop_back();
  return out;
}

MatchExpressions match_expressions(std::string_view query) {
  const std::string clean = normalised(query);
  std::vector<std::string> terms, stopped;
  auto add = [&](std::string term) {
    for (char& c : term) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    auto& list = stop_word(term) ? stopped : terms;
    if (list.size() < kQueryTermsMax && std::find(list.begin(), list.end(), term) == list.end()) {
      list.push_back(std::move(term));
    }
  };
  std::string word;
  std::vector<std::string> run;  // The characters of a CJK run.
  auto end_run = [&] {
    if (run.size() == 1) add(run[0]);
    for (std::size_t i = 0; i + 1 < run.size(); ++i) add(run[i] + run[i + 1]);
    run.clear();
  };
  auto end_word = [&] {
    if (!word.empty()) add(std::move(word));
    word.clear();
  };
  for (std::size_t at = 0; at < clean.size();) {
    const Character c = character_at(clean, at);
    at += c.bytes.size();
    if (is_cjk(c.code)) {
      end_word();
      run.emplace_back(c.bytes);
    } else {
      end_run();
      if (in_word(c.code))
        word += c.bytes;
      else
        end_word();
    }
  }
  end_run();
  end_word();
  if (terms.empty()) terms = std::move(stopped);

  MatchExpressions expressions;
  for (const auto& term : terms) {
    // No term can hold a quote: in_word() keeps it out.
    if (!expressions.any.empty()) {
      expressions.all += " AND ";
      expressions.any += " OR ";
    }
    expressions.all += '"' + term + '"';
    expressions.any += '"' + term + '"';
  }
  if (terms.size() < 2) expressions.all.clear();
  return expressions;
}

}  // namespace tsukai::memory
