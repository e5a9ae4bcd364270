// A tokenizer small enough to reason about: every byte is a token, and further ones are given; longest match
// first.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "infer/tokenizer/tokenizer.h"

namespace tsukai::infer {

class ByteTokenizer : public Tokenizer {
 public:
  // The first control token ends a turn.
  ByteTokenizer(std::vector<std::string> words, std::vector<std::string> controls) {
    for (int byte = 0; byte < 256; ++byte) spellings_.emplace_back(1, static_cast<char>(byte));
    for (auto& word : words) spellings_.push_back(std::move(word));
    first_control_ = spellings_.size();
    for (auto& control : controls) spellings_.push_back(std::move(control));
  }

  std::vector<TokenId> encode(std::string_view text) const override {
    return encode_parts(std::vector<TextPart>{{text, true}});
  }
  std::vector<TokenId> encode_with_control(std::string_view text) const override {
    return encode_parts(std::vector<TextPart>{{text, false}});
  }
  std::vector<TokenId> encode_parts(std::span<const TextPart> parts) const override {
    std::string text;
    std::vector<bool> data;
    for (const auto& part : parts) {
      text += part.text;
      data.resize(text.size(), part.from_data);
    }
    std::vector<TokenId> out;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t best = static_cast<unsigned char>(text[at]);
      for (std::size_t i = 256; i < spellings_.size(); ++i) {
        const std::string& spelling = spellings_[i];
        if (spelling.size() <= spellings_[best].size() || text.compare(at, spelling.size(), spelling) != 0)
          continue;
        const auto first = data.begin() + static_cast<std::ptrdiff_t>(at);
        const bool in_data = std::find(first, first + static_cast<std::ptrdiff_t>(spelling.size()), true) !=
                             first + static_cast<std::ptrdiff_t>(spelling.size());
        if (i < first_control_ || !in_data) best = i;
      }
      out.push_back(static_cast<TokenId>(best));
      at += spellings_[best].size();
    }
    return out;
  }
  std::string_view bytes(TokenId token, bool control = false) const override {
    const auto index = static_cast<std::size_t>(token);
    return index >= first_control_ && !control ? std::string_view() : std::string_view(spellings_[index]);
  }
  std::size_t size() const override { return spellings_.size(); }
  TokenKind kind(TokenId token) const override {
    return static_cast<std::size_t>(token) >= first_control_ ? TokenKind::kControl : TokenKind::kNormal;
  }
  TokenId bos() const override { return -1; }
  bool adds_bos() const override { return false; }
  bool ends_turn(TokenId token) const override { return token == end_of_turn(); }
  TokenId end_of_turn() const override { return static_cast<TokenId>(first_control_); }
  TokenId find_control(std::string_view spelling) const override {
    for (std::size_t i = first_control_; i < spellings_.size(); ++i) {
      if (spellings_[i] == spelling) return static_cast<TokenId>(i);
    }
    return -1;
  }

 private:
  std::vector<std::string> spellings_;
  std::size_t first_control_ = 0;
};

}  // namespace tsukai::infer
