#include "infer/tokenizer/sentencepiece.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
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
      words_apart_(true),
      reach_(std::make_unique<std::atomic<Reach>[]>(data.tokens.size())) {
  byte_tokens_.fill(-1);
  std::vector<TokenId> normal;
  for (std::size_t i = 0; i < spellings.size(); ++i) {
    if (data.kinds[i] == TokenKind::kByte)
      byte_tokens_[static_cast<unsigned char>(spellings[i][0])] = static_cast<TokenId>(i);
    if (data.kinds[i] != TokenKind::kNormal || spellings[i].empty()) continue;
    normal.push_back(static_cast<TokenId>(i));
    for (std::size_t j = 1; j < spellings[i].size(); ++j) {
      if (spellings[i][j] == ' ' && spellings[i][j - 1] != ' ') words_apart_ = false;
    }
  }
  spellings_.build(normal, [&](TokenId token) { return bytes(token, true); });
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
  PieceCache cache(text, out);
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = text.size();
    if (words_apart_) {  // Spaces, then others, up to the next space.
      end = at;
      while (end < text.size() && text[end] == ' ') ++end;
      const void* space = std::memchr(text.data() + end, ' ', text.size() - end);
      end = space == nullptr ? text.size()
                             : static_cast<std::size_t>(static_cast<const char*>(space) - text.data());
    }
    cache.tokens_of(at, end, [&](std::string_view word) { encode_word(word, out); });
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
  if (word.size() <= kScanPartsMax)
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
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  std::uint8_t begins[kScanPartsMax + 1];  // Part i is word[begins[i], begins[i + 1]).
  float scores[kScanPartsMax];             // scores[i] joins parts i and i + 1.
  std::size_t count = 0;
  for (std::size_t at = 0; at < word.size(); at += decode_character(word, at).length)
    begins[count++] = static_cast<std::uint8_t>(at);
  begins[count] = static_cast<std::uint8_t>(word.size());
  const auto score = [&](std::size_t i) {
    const TokenId token = find(word.substr(begins[i], static_cast<std::size_t>(begins[i + 2] - begins[i])));
    return token < 0 ? kNever : scores_[static_cast<std::size_t>(token)];
  };
  for (std::size_t i = 0; i + 1 < count; ++i) scores[i] = score(i);
  while (count > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < count; ++i) {
      if (scores[i] > scores[best]) best = i;
    }
    if (scores[best] == kNever) break;
    --count;
    std::memmove(begins + best + 1, begins + best + 2, count - best);
    std::memmove(scores + best, scores + best + 1, (count - best - 1) * sizeof(float));
    if (best > 0) scores[best - 1] = score(best - 1);
    if (best + 1 < count) scores[best] = score(best);
  }
  for (std::size_t i = 0; i < count; ++i)
    spell_out(word.substr(begins[i], static_cast<std::size_t>(begins[i + 1] - begins[i])), out);
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
