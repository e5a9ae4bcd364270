#include "tools/maps/index_text.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/text.h"
#include "tools/maps/city.h"

namespace tsukai::maps {
namespace {

// One character of UTF-8 text and its code point; the text has been repaired before.
struct Character {
  std::string_view bytes;
  char32_t code = 0;
};

std::vector<Character> characters(std::string_view text) {
  std::vector<Character> all;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    char32_t code = length == 1 ? lead : lead & (0x7f >> length);
    for (std::size_t k = 1; k < length; ++k)
      code = code << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3f);
    all.push_back({text.substr(i, length), code});
    i += length;
  }
  return all;
}

bool is_kana(char32_t c) {
  return (c >= 0x3041 && c <= 0x30ff && c != 0x30fb) || (c >= 0xff66 && c <= 0xff9f);
}
bool is_han(char32_t c) {
  return (c >= 0x3400 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) || (c >= 0x20000 && c <= 0x3ffff) ||
         c == 0x3005;
}
bool is_paired(char32_t c) { return is_kana(c) || is_han(c); }
// What FTS5's unicode61 keeps inside words, closely enough: everything from Latin-1's letters on but CJK
// punctuation.
bool is_word(char32_t c) {
  if (c < 0x80) return std::isalnum(static_cast<int>(c)) != 0;
  return c >= 0xc0 && !(c >= 0x2000 && c <= 0x206f) && !(c >= 0x3000 && c <= 0x303f) &&
         !(c >= 0xff00 && c <= 0xff20) && c != 0x30fb && c != 0xfffd;
}

// Runs of paired characters and of other word characters, in order.
struct Run {
  bool paired = false;
  std::vector<std::string_view> characters;
};

std::vector<Run> runs(std::string_view text) {
  std::vector<Run> all;
  bool open = false;
  for (const Character& c : characters(text)) {
    if (!is_word(c.code)) {
      open = false;
      continue;
    }
    const bool paired = is_paired(c.code);
    if (!open || all.back().paired != paired) all.push_back({paired, {}});
    all.back().characters.push_back(c.bytes);
    open = true;
  }
  return all;
}

std::string pairs(const Run& run) {
  std::string text;
  for (std::size_t i = 0; i + 1 < run.characters.size(); ++i) {
    if (i > 0) text += ' ';
    text.append(run.characters[i]).append(run.characters[i + 1]);
  }
  return text;
}

std::string joined(const Run& run) {
  std::string text;
  for (const std::string_view c : run.characters) text += c;
  return text;
}

constexpr auto kStopWords = std::to_array<std::string_view>(
    {"a",    "an",    "the",    "of",     "in",   "at",    "on",      "to",   "for",   "and",
     "or",   "near",  "nearby", "around", "by",   "with",  "where",   "find", "some",  "any",
     "that", "which", "is",     "are",    "sell", "sells", "selling", "me",   "close", "from"});

}  // namespace

const std::string& Name::in(Language language) const {
  const std::string& wanted = language == Language::kEnglish ? en : language == Language::kChinese ? zh : ja;
  if (!wanted.empty()) return wanted;
  return !en.empty() ? en : !zh.empty() ? zh : ja;
}

Language language_of(std::string_view text, Language otherwise) {
  const std::string whole = repaired_utf8(text);
  bool han = false;
  for (const Character& c : characters(whole)) {
    if (is_kana(c.code)) return Language::kJapanese;
    han = han || is_han(c.code);
  }
  // Han alone does not tell Chinese from Japanese: a Japanese map stays Japanese.
  if (han) return otherwise == Language::kJapanese ? Language::kJapanese : Language::kChinese;
  return otherwise;
}

std::string index_text(std::string_view text) {
  const std::string whole = repaired_utf8(text);
  std::string out;
  for (const Run& run : runs(whole)) {
    if (!out.empty()) out += ' ';
    if (!run.paired) {
      out += joined(run);
      continue;
    }
    out += pairs(run);
    if (run.characters.size() > 1) out += ' ';
    out += run.characters.back();
  }
  return out;
}

std::vector<std::string> query_terms(std::string_view text) {
  const std::string whole = repaired_utf8(text);
  std::vector<std::string> terms, stopped;
  for (const Run& run : runs(whole)) {
    if (run.paired) {
      terms.push_back(run.characters.size() == 1 ? '"' + joined(run) + "\"*" : '"' + pairs(run) + '"');
      continue;
    }
    std::string word = joined(run);
    std::string lower = word;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    const bool stop = std::find(kStopWords.begin(), kStopWords.end(), lower) != kStopWords.end();
    (stop ? stopped : terms).push_back('"' + word + '"');
  }
  if (terms.empty()) terms = std::move(stopped);
  if (terms.size() > kTermsMax) terms.resize(kTermsMax);
  return terms;
}

}  // namespace tsukai::maps
