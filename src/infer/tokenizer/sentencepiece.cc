#include "infer/tokenizer/sentencepiece.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <queue>

#include "infer/tokenizer/piece_cache.h"
#include "infer/tokenizer/unicode_class.h"

namespace tsukai::infer {
namespace {

constexpr std::string_view kSpace = "\xe2\x96\x81";  // U+2581

// "<0x0A>" is 10; -1 for any other spelling.
int byte_value(std::string_view spelling) {
  if (spelling.size() != 6 || !spelling.starts_with("<0x") || spelling.back() != '>') return -1;
  int value = -1;
  const auto [end, error] = std::from_chars(spelling.data() + 3, spelling.data() + 5, value, 16);
  return error == std::errc() && end == spelling.data() + 5 ? value : -1;
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> SentencePieceTokenizer::make(const VocabularyData& data) {
  if (data.scores.size() != data.tokens.size()) {
    return fail(Code::kCorrupt,
                fmt::format("vocabulary: {} tokens but {} scores", data.tokens.size(), data.scores.size()));
  }
  std::vector<std::string> spellings;
  spellings.reserve(data.tokens.size());
  for (std::size_t i = 0; i < data.tokens.size(); ++i) {
    if (!std::isfinite(data.scores[i]))
      return fail(Code::kCorrupt, fmt::format("vocabulary: score {} is not finite", i));
    if (data.kinds[i] == TokenKind::kByte) {
      const int value = byte_value(data.tokens[i]);
      if (value < 0)
        return fail(Code::kCorrupt, fmt::format("vocabulary: byte token {} is not spelled <0xNN>", i));
      spellings.emplace_back(1, static_cast<char>(value));
      continue;
    }
    std::string text;
    const std::string_view stored = data.tokens[i];
    for (std::size_t at = 0; at < stored.size();) {
      const bool space = stored.substr(at).starts_with(kSpace);
      text += space ? ' ' : stored[at];
      at += space ? kSpace.size() : 1;
    }
    spellings.push_back(std::move(text));
  }
  return std::unique_ptr<Tokenizer>(new SentencePieceTokenizer(data, spellings));
}

SentencePieceTokenizer::SentencePieceTokenizer(const VocabularyData& data,
                                               const std::vector<std::string>& spellings)
    : VocabularyTokenizer(data, spellings),
      scores_(data.scores),
      unknown_(data.unknown),
      add_space_prefix_(data.add_space_prefix),
      reach_(std::make_unique<std::atomic<Reach>[]>(data.tokens.size())) {
  byte_tokens_.fill(-1);
  std::vector<TokenId> normal;
  for (std::size_t i = 0; i < spellings.size(); ++i) {
    if (data.kinds[i] == TokenKind::kByte)
      byte_tokens_[static_cast<unsigned char>(spellings[i][0])] = static_cast<TokenId>(i);
    if (data.kinds[i] != TokenKind::kNormal || spellings[i].empty()) continue;
    normal.push_back(static_cast<TokenId>(i));
    add_neighbours(spellings[i]);
  }
  spellings_.build(normal, [&](TokenId token) { return bytes(token, true); });
  for (std::size_t c = 0; c < ascii_tokens_.size(); ++c) {
    const char character = static_cast<char>(c);
    ascii_tokens_[c] = find({&character, 1});
  }
  add_merges();
}

void SentencePieceTokenizer::add_neighbours(std::string_view token) {
  std::uint32_t left = 0;
  for (std::size_t at = 0; at < token.size();) {
    const DecodedCharacter right = decode_character(token, at);
    if (at > 0 && left < 0x80 && right.code_point < 0x80)
      ascii_neighbours_[left][right.code_point] = true;
    else if (at > 0)
      neighbours_[neighbours(left, right.code_point)] = true;
    left = right.code_point;
    at += right.length;
  }
}

// The end of what may merge with the character at `at`.
std::size_t SentencePieceTokenizer::word_end(std::string_view text, std::size_t at) const {
  DecodedCharacter left = decode_character(text, at);
  at += left.length;
  while (at < text.size()) {
    const DecodedCharacter right = decode_character(text, at);
    const bool together = left.code_point < 0x80 && right.code_point < 0x80
                              ? ascii_neighbours_[left.code_point][right.code_point]
                              : neighbours_[neighbours(left.code_point, right.code_point)];
    if (!together) break;
    left = right;
    at += right.length;
  }
  return at;
}

void SentencePieceTokenizer::add_merges() {
  struct Pair {
    TokenId left, right, whole;
  };
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < size() && pairs_known_; ++i) {
    const auto token = static_cast<TokenId>(i);
    const std::string_view text = bytes(token, true);
    if (kind(token) != TokenKind::kNormal || text.empty() || find(text) != token) continue;
    for (std::size_t at = 0; at < text.size();) {
      const auto length = decode_character(text, at).length;
      if (find(text.substr(at, length)) < 0) pairs_known_ = false;
      if (at > 0) {
        const TokenId left = find(text.substr(0, at)), right = find(text.substr(at));
        if (left >= 0 && right >= 0) pairs.push_back({left, right, token});
      }
      at += length;
    }
  }
  if (!pairs_known_) return;
  const auto score = [this](TokenId token) { return scores_[static_cast<std::size_t>(token)]; };
  std::sort(pairs.begin(), pairs.end(),
            [&](const Pair& a, const Pair& b) { return score(a.whole) > score(b.whole); });
  merges_.reserve(pairs.size());
  std::uint32_t rank = 0;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    if (i > 0 && score(pairs[i].whole) != score(pairs[i - 1].whole)) ++rank;
    merges_.add(pairs[i].left, pairs[i].right, {rank, pairs[i].whole});
  }
}

TokenId SentencePieceTokenizer::find(std::string_view piece) const {
  return spellings_.find(piece, [this](TokenId token) { return bytes(token, true); });
}

void SentencePieceTokenizer::encode_plain(std::string_view text, bool after_marker,
                                          std::vector<TokenId>& out) const {
  std::string prefixed;
  if (add_space_prefix_ && after_marker) {
    prefixed.reserve(text.size() + 1);
    prefixed += ' ';
    prefixed += text;
    text = prefixed;
  }
  const WordMemories::Lease lease(memories_);
  PieceCache cache(text, out);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = word_end(text, at);
    const auto make = [&](std::string_view word) { encode_word(word, out); };
    if (lease.get() != nullptr && end - at <= WordMemory::kBytesMax)
      lease.get()->tokens_of(text, at, end, out, make);
    else
      cache.tokens_of(at, end, make);
    at = end;
  }
}

void SentencePieceTokenizer::encode_word(std::string_view word, std::vector<TokenId>& out) const {
  if (const TokenId whole = find(word); whole >= 0) {
    auto& reach = reach_[static_cast<std::size_t>(whole)];
    const Reach known = reach.load(std::memory_order_relaxed);
    if (known == Reach::kReached) return out.push_back(whole);
    if (known == Reach::kNotAsked) {
      std::vector<TokenId> merged;
      merge_long(word, merged);
      reach.store(merged.size() == 1 && merged[0] == whole ? Reach::kReached : Reach::kNotReached,
                  std::memory_order_relaxed);
      out.insert(out.end(), merged.begin(), merged.end());
      return;
    }
  }
  if (pairs_known_ && word.size() <= kScanPartsMax)
    merge_short(word, out);
  else
    merge_long(word, out);
}

// A part that merging left: a token, or its bytes.
void SentencePieceTokenizer::spell_out(std::string_view piece, std::vector<TokenId>& out) const {
  if (const TokenId token = find(piece); token >= 0) return out.push_back(token);
  for (const char c : piece) {
    const TokenId byte = byte_tokens_[static_cast<unsigned char>(c)];
    if (byte >= 0)
      out.push_back(byte);
    else if (unknown_ >= 0)
      out.push_back(unknown_);
  }
}

// Few parts: the best pair is found by looking at all of them.
void SentencePieceTokenizer::merge_short(std::string_view word, std::vector<TokenId>& out) const {
  TokenId parts[kScanPartsMax];
  MergeTable::Merge pairs[kScanPartsMax];
  std::uint8_t begins[kScanPartsMax];  // Of the characters: where one is no token, its bytes are written.
  std::size_t characters = 0;
  bool all_tokens = true;
  for (std::size_t at = 0; at < word.size(); ++characters) {
    const auto first = static_cast<unsigned char>(word[at]);
    const std::size_t length = first < 0x80 ? 1 : decode_character(word, at).length;
    parts[characters] = first < 0x80 ? ascii_tokens_[first] : find(word.substr(at, length));
    // One that is no token merges with none: its pairs are not in the table.
    all_tokens = all_tokens && parts[characters] >= 0;
    begins[characters] = static_cast<std::uint8_t>(at);
    if (characters > 0) pairs[characters - 1] = merges_.find(parts[characters - 1], parts[characters]);
    at += length;
  }
  const std::size_t count = merge_parts(merges_, parts, pairs, characters);
  if (all_tokens) {
    out.insert(out.end(), parts, parts + count);
    return;
  }
  std::size_t character = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (parts[i] >= 0) {
      out.push_back(parts[i]);
      for (std::size_t left = bytes(parts[i], true).size(); left > 0; ++character)
        left -= decode_character(word, begins[character]).length;
    } else {
      spell_out(word.substr(begins[character], decode_character(word, begins[character]).length), out);
      ++character;
    }
  }
}

// Many parts: a linked list of them and a heap of candidate pairs, stale ones skipped when they come up.
void SentencePieceTokenizer::merge_long(std::string_view text, std::vector<TokenId>& out) const {
  // Parts are spans of `text`: neighbours join into the token of the highest score, leftmost first.
  constexpr std::uint32_t kNone = UINT32_MAX;
  struct Part {
    std::uint32_t begin, length, previous, next;  // length 0: joined into another.
  };
  struct Candidate {
    float score;
    std::uint32_t at, next, length;  // Stale when the parts' lengths no longer add up to `length`.
    bool operator<(const Candidate& other) const {
      return score != other.score ? score < other.score : at > other.at;
    }
  };
  std::vector<Part> parts;
  for (std::uint32_t at = 0; at < text.size();) {
    const std::uint32_t length = decode_character(text, at).length;
    const auto index = static_cast<std::uint32_t>(parts.size());
    parts.push_back(
        {at, length, index == 0 ? kNone : index - 1, at + length < text.size() ? index + 1 : kNone});
    at += length;
  }
  std::priority_queue<Candidate> candidates;
  auto look = [&](std::uint32_t at) {
    if (at == kNone || parts[at].next == kNone) return;
    const Part &left = parts[at], &right = parts[left.next];
    const TokenId token = find(text.substr(left.begin, left.length + right.length));
    if (token >= 0) {
      candidates.push({scores_[static_cast<std::size_t>(token)], at, left.next, left.length + right.length});
    }
  };
  for (std::uint32_t i = 0; i < parts.size(); ++i) look(i);
  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Part &left = parts[best.at], &right = parts[best.next];
    if (left.length == 0 || right.length == 0 || left.length + right.length != best.length) continue;
    left.length = best.length;
    right.length = 0;
    left.next = right.next;
    if (left.next != kNone) parts[left.next].previous = best.at;
    look(best.at);
    look(left.previous);
  }
  for (std::uint32_t at = parts.empty() ? kNone : 0; at != kNone; at = parts[at].next) {
    spell_out(text.substr(parts[at].begin, parts[at].length), out);
  }
}

}  // namespace tsukai::infer
