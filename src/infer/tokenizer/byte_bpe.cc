#include "infer/tokenizer/byte_bpe.h"

#include <fmt/format.h>

#include <cstring>
#include <queue>

#include "base/text.h"
#include "infer/tokenizer/byte_alphabet.h"
#include "infer/tokenizer/nfc.h"
#include "infer/tokenizer/piece_cache.h"

namespace tsukai::infer {
Result<std::unique_ptr<Tokenizer>> ByteBpeTokenizer::make(const VocabularyData& data) {
  const auto pretokenizer = find_pretokenizer(data.pre);
  if (!pretokenizer) {
    return fail(Code::kUnsupported, fmt::format("vocabulary: unknown pre-tokenizer \"{}\"", data.pre),
                "known are gpt-2, smollm, starcoder, llama-bpe, qwen2 and deepseek-r1-qwen");
  }
  std::vector<std::string> spellings;
  spellings.reserve(data.tokens.size());
  for (std::size_t i = 0; i < data.tokens.size(); ++i) {
    std::optional<std::string> bytes;
    if (data.kinds[i] != TokenKind::kControl && data.kinds[i] != TokenKind::kUserDefined) {
      bytes = bytes_from_alphabet(data.tokens[i]);
    }
    spellings.push_back(bytes ? *std::move(bytes) : data.tokens[i]);
  }
  std::unique_ptr<ByteBpeTokenizer> made(new ByteBpeTokenizer(data, spellings, *pretokenizer));
  TSUKAI_TRY_VOID(made->add_merges(data));
  return std::unique_ptr<Tokenizer>(std::move(made));
}

ByteBpeTokenizer::ByteBpeTokenizer(const VocabularyData& data, const std::vector<std::string>& spellings,
                                   Pretokenizer pretokenizer)
    : VocabularyTokenizer(data, spellings),
      pretokenizer_(pretokenizer),
      normalises_(data.nfc.value_or(pretokenizer == Pretokenizer::kQwen2)),
      whole_pieces_first_(data.ignore_merges.value_or(pretokenizer == Pretokenizer::kLlama3)),
      unknown_(data.unknown),
      reach_(std::make_unique<std::atomic<Reach>[]>(data.tokens.size())) {
  std::vector<TokenId> normal;
  for (std::size_t i = 0; i < spellings.size(); ++i) {
    if (data.kinds[i] == TokenKind::kNormal && !spellings[i].empty())
      normal.push_back(static_cast<TokenId>(i));
  }
  spellings_.build(normal, [&](TokenId token) { return bytes(token, true); });
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    byte_tokens_[static_cast<std::size_t>(b)] = find({&byte, 1});
  }
}

TokenId ByteBpeTokenizer::find(std::string_view piece) const {
  return spellings_.find(piece, [this](TokenId token) { return bytes(token, true); });
}

Result<void> ByteBpeTokenizer::add_merges(const VocabularyData& data) {
  merges_.reserve(data.merges.size());
  for (std::size_t rank = 0; rank < data.merges.size(); ++rank) {
    const std::string_view merge = data.merges[rank];
    auto wrong = [&](std::string_view why) {
      return fail(Code::kCorrupt,
                  fmt::format("vocabulary: merge {} \"{}\": {}", rank, shortened(merge, 60), why));
    };
    const std::size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos || space + 1 == merge.size())
      return wrong("not two tokens with a space between");
    const auto left = bytes_from_alphabet(merge.substr(0, space));
    const auto right = bytes_from_alphabet(merge.substr(space + 1));
    if (!left || !right) return wrong("a character outside the byte alphabet");
    const TokenId left_token = find(*left), right_token = find(*right), whole = find(*left + *right);
    if (left_token < 0 || right_token < 0 || whole < 0) return wrong("not all of its three tokens exist");
    merges_.add(left_token, right_token, {static_cast<std::uint32_t>(rank), whole});
  }
  byte_merges_.resize(256 * 256);
  for (std::size_t i = 0; i < byte_merges_.size(); ++i)
    byte_merges_[i] = merges_.find(byte_tokens_[i >> 8], byte_tokens_[i & 255]);
  return {};
}

void ByteBpeTokenizer::encode_plain(std::string_view text, bool, std::vector<TokenId>& out) const {
  std::optional<std::string> composed;
  if (normalises_ && (composed = normalised_nfc(text))) text = *composed;
  struct Context {
    const ByteBpeTokenizer& tokenizer;
    std::string_view text;
    WordMemory* memory;
    PieceCache cache;
    std::vector<TokenId>& out;
  };
  const WordMemories::Lease lease(memories_);
  Context context{*this, text, lease.get(), PieceCache(text, out), out};
  for_pieces(
      pretokenizer_, text,
      [](void* opaque, std::size_t begin, std::size_t end) {
        auto& [tokenizer, all, memory, cache, tokens] = *static_cast<Context*>(opaque);
        const auto make = [&](std::string_view piece) { tokenizer.encode_piece(piece, tokens); };
        if (memory != nullptr && end - begin <= WordMemory::kBytesMax)
          memory->tokens_of(all, begin, end, tokens, make);
        else
          cache.tokens_of(begin, end, make);
      },
      &context);
}

void ByteBpeTokenizer::encode_piece(std::string_view piece, std::vector<TokenId>& out) const {
  const TokenId whole = find(piece);
  if (whole >= 0) {
    if (whole_pieces_first_) {
      out.push_back(whole);
      return;
    }
    auto& reach = reach_[static_cast<std::size_t>(whole)];
    const Reach known = reach.load(std::memory_order_relaxed);
    if (known == Reach::kReached) {
      out.push_back(whole);
      return;
    }
    if (known == Reach::kNotAsked) {
      std::vector<TokenId> merged;
      merge_long(piece, merged);
      reach.store(merged.size() == 1 && merged[0] == whole ? Reach::kReached : Reach::kNotReached,
                  std::memory_order_relaxed);
      out.insert(out.end(), merged.begin(), merged.end());
      return;
    }
  }
  if (piece.size() <= kScanPartsMax)
    merge_short(piece, out);
  else
    merge_long(piece, out);
}

// Few parts: the best pair is found by looking at all of them.
void ByteBpeTokenizer::merge_short(std::string_view piece, std::vector<TokenId>& out) const {
  TokenId parts[kScanPartsMax];
  MergeTable::Merge pairs[kScanPartsMax];
  for (std::size_t i = 0; i < piece.size(); ++i) {
    const auto byte = static_cast<unsigned char>(piece[i]);
    parts[i] = byte_tokens_[byte];
    if (i > 0)
      pairs[i - 1] =
          byte_merges_[static_cast<std::size_t>(static_cast<unsigned char>(piece[i - 1])) << 8 | byte];
  }
  const std::size_t count = merge_parts(merges_, parts, pairs, piece.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (parts[i] >= 0)
      out.push_back(parts[i]);
    else if (unknown_ >= 0)
      out.push_back(unknown_);
  }
}

// Many parts: a linked list of them and a heap of candidate pairs, stale ones skipped when they come up.
void ByteBpeTokenizer::merge_long(std::string_view piece, std::vector<TokenId>& out) const {
  struct Part {
    TokenId token;
    std::uint32_t previous, next;
    std::uint32_t rank;  // Of the pair with the next part, as last looked up.
  };
  constexpr std::uint32_t kNone = UINT32_MAX;
  struct Candidate {
    std::uint32_t rank, at;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  const auto count = static_cast<std::uint32_t>(piece.size());
  std::vector<Part> parts(count);
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  auto look = [&](std::uint32_t at) {
    Part& part = parts[at];
    part.rank = UINT32_MAX;
    if (part.next == kNone) return;
    part.rank = merges_.find(part.token, parts[part.next].token).rank;
    if (part.rank != UINT32_MAX) candidates.push({part.rank, at});
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    parts[i] = {byte_tokens_[static_cast<unsigned char>(piece[i])], i == 0 ? kNone : i - 1,
                i + 1 == count ? kNone : i + 1, UINT32_MAX};
  }
  for (std::uint32_t i = 0; i < count; ++i) look(i);
  while (!candidates.empty()) {
    const Candidate best = candidates.top();
    candidates.pop();
    Part& part = parts[best.at];
    if (part.rank != best.rank || part.next == kNone) continue;
    Part& right = parts[part.next];
    part.token = merges_.find(part.token, right.token).token;
    part.next = right.next;
    right.rank = UINT32_MAX;  // The right part is gone: its candidates are stale.
    right.next = kNone;
    if (part.next != kNone) parts[part.next].previous = best.at;
    look(best.at);
    if (part.previous != kNone) look(part.previous);
  }
  for (std::uint32_t at = 0; at != kNone; at = parts[at].next) {
    if (parts[at].token >= 0)
      out.push_back(parts[at].token);
    else if (unknown_ >= 0)
      out.push_back(unknown_);
  }
}

}  // namespace tsukai::infer
