#include "infer/tokenizer/vocabulary_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace tsukai::infer {
namespace {

// Control tokens that end a turn in some family, whatever else the file says of its ends.
constexpr std::array kEndSpellings = {
    "<|im_end|>",    "<|eot_id|>", "<|eom_id|>", "<|endoftext|>", "<|end_of_text|>",      "<|end|>",
    "<end_of_turn>", "<|EOT|>",    "<EOT>",      "</s>",          "<｜end▁of▁sentence｜>"};

// <tool_call>, </think>, <|fim_prefix|>: shaped like a tag.
bool looks_like_markup(std::string_view spelling) {
  return spelling.size() > 2 && spelling.front() == '<' && spelling.back() == '>';
}

}  // namespace

Result<void> check_vocabulary(const VocabularyData& data) {
  const std::size_t tokens = data.tokens.size();
  if (tokens == 0) return fail(Code::kCorrupt, "vocabulary: it holds no tokens");
  if (tokens > kTokensMax) {
    return fail(Code::kCorrupt, fmt::format("vocabulary: {} tokens, more than {}", tokens, kTokensMax));
  }
  if (data.kinds.size() != tokens) {
    return fail(Code::kCorrupt,
                fmt::format("vocabulary: {} tokens but {} token types", tokens, data.kinds.size()));
  }
  for (std::size_t i = 0; i < tokens; ++i) {
    if (data.tokens[i].size() > kTokenBytesMax) {
      return fail(Code::kCorrupt, fmt::format("vocabulary: token {} is {} bytes long, more than {}", i,
                                              data.tokens[i].size(), kTokenBytesMax));
    }
  }
  auto check = [&](TokenId id, std::string_view what) -> Result<void> {
    if (id >= -1 && id < static_cast<TokenId>(tokens)) return {};
    return fail(Code::kCorrupt,
                fmt::format("vocabulary: {} is token {}, but there are {} tokens", what, id, tokens));
  };
  TSUKAI_TRY_VOID(check(data.bos, "begin-of-text"));
  TSUKAI_TRY_VOID(check(data.eos, "end-of-text"));
  TSUKAI_TRY_VOID(check(data.eot, "end-of-turn"));
  TSUKAI_TRY_VOID(check(data.unknown, "unknown"));
  TSUKAI_TRY_VOID(check(data.padding, "padding"));
  for (const TokenId end : data.more_ends) TSUKAI_TRY_VOID(check(end, "a further end"));
  return {};
}

VocabularyTokenizer::VocabularyTokenizer(const VocabularyData& data,
                                         const std::vector<std::string>& spellings)
    : kinds_(data.kinds), ends_turn_(data.kinds.size(), false), bos_(data.bos), add_bos_(data.add_bos) {
  TSUKAI_CHECK(spellings.size() == kinds_.size(), "a spelling for every token");
  std::size_t total = 0;
  for (const auto& spelling : spellings) total += spelling.size();
  TSUKAI_CHECK(total < UINT32_MAX, "check_vocabulary() bounds the tokens");
  arena_.reserve(total);
  starts_.reserve(spellings.size() + 1);
  for (std::size_t i = 0; i < spellings.size(); ++i) {
    starts_.push_back(static_cast<std::uint32_t>(arena_.size()));
    arena_ += spellings[i];
    const auto token = static_cast<TokenId>(i);
    if (kinds_[i] == TokenKind::kControl) {
      markers_.add(spellings[i], token);
      controls_.emplace(spellings[i], token);
      if (std::find(kEndSpellings.begin(), kEndSpellings.end(), spellings[i]) != kEndSpellings.end())
        ends_turn_[i] = true;
    } else if (kinds_[i] == TokenKind::kUserDefined) {
      markers_.add(spellings[i], token);
      controls_.emplace(spellings[i], token);
      if (!looks_like_markup(spellings[i])) user_tokens_.add(spellings[i], token);
    }
  }
  starts_.push_back(static_cast<std::uint32_t>(arena_.size()));
  for (const TokenId end : {data.eos, data.eot}) {
    if (end >= 0) ends_turn_[static_cast<std::size_t>(end)] = true;
  }
  for (const TokenId end : data.more_ends) {
    if (end >= 0) ends_turn_[static_cast<std::size_t>(end)] = true;
  }
  end_of_turn_ = data.eot >= 0 ? data.eot : data.eos;
}

std::string_view VocabularyTokenizer::bytes(TokenId token, bool control) const {
  if (!valid(token)) return {};
  const auto i = static_cast<std::size_t>(token);
  if (kinds_[i] == TokenKind::kControl && !control) return {};
  return std::string_view(arena_).substr(starts_[i], starts_[i + 1] - starts_[i]);
}

TokenKind VocabularyTokenizer::kind(TokenId token) const {
  return valid(token) ? kinds_[static_cast<std::size_t>(token)] : TokenKind::kUnused;
}

bool VocabularyTokenizer::ends_turn(TokenId token) const {
  return valid(token) && ends_turn_[static_cast<std::size_t>(token)];
}

TokenId VocabularyTokenizer::find_control(std::string_view spelling) const {
  const auto found = controls_.find(std::string(spelling));
  return found == controls_.end() ? -1 : found->second;
}

std::vector<TokenId> VocabularyTokenizer::encode(std::string_view text) const {
  std::vector<TokenId> out;
  const DataRange all{0, text.size()};
  encode_cut(text, {&all, 1}, out);
  return out;
}

std::vector<TokenId> VocabularyTokenizer::encode_with_control(std::string_view text) const {
  std::vector<TokenId> out;
  encode_cut(text, {}, out);
  return out;
}

std::vector<TokenId> VocabularyTokenizer::encode_parts(std::span<const TextPart> parts) const {
  std::string text;
  std::vector<DataRange> data;
  for (const TextPart& part : parts) {
    if (part.from_data && !part.text.empty()) data.push_back({text.size(), text.size() + part.text.size()});
    text += part.text;
  }
  std::vector<TokenId> out;
  encode_cut(text, data, out);
  return out;
}

void VocabularyTokenizer::encode_cut(std::string_view text, std::span<const DataRange> data,
                                     std::vector<TokenId>& out) const {
  out.reserve(out.size() + text.size() / 4 + 4);
  std::size_t plain_begin = 0;
  bool after_marker = true;
  auto found = [&](std::size_t at, const MarkerTrie::Match& match) {
    if (at > plain_begin) encode_plain(text.substr(plain_begin, at - plain_begin), after_marker, out);
    out.push_back(match.token);
    plain_begin = at + match.length;
    after_marker = true;
  };
  // The template's own text up to the next data, then that data, by turns.
  std::size_t at = 0;
  for (std::size_t i = 0; i <= data.size(); ++i) {
    const bool last = i == data.size();
    const std::string_view own = text.substr(0, last ? text.size() : data[i].begin);
    while ((at = markers_.next_candidate(own, at)) < own.size()) {
      const auto match = markers_.longest(own, at);
      if (match.length == 0) {
        ++at;
        continue;
      }
      found(at, match);
      at += match.length;
    }
    if (last) break;
    const std::string_view foreign = text.substr(0, data[i].end);
    while ((at = user_tokens_.next_candidate(foreign, at)) < foreign.size()) {
      const auto match = user_tokens_.longest(foreign, at);
      if (match.length == 0) {
        ++at;
        continue;
      }
      found(at, match);
      at += match.length;
    }
  }
  if (plain_begin < text.size()) encode_plain(text.substr(plain_begin), after_marker, out);
}

}  // namespace tsukai::infer
