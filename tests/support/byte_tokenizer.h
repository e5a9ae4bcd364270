// A tokenizer small enough to reason about: every byte is a token, and further ones are given; longest match
// first.
#pragma once

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
    return encode_up_to(text, first_control_);
  }
  std::vector<TokenId> encode_with_control(std::string_view text) const override {
    return encode_up_to(text, spellings_.size());
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
  std::vector<TokenId> encode_up_to(std::string_view text, std::size_t tokens) const {
    std::vector<TokenId> out;
    while (!text.empty()) {
      std::size_t best = static_cast<unsigned char>(text.front());
      for (std::size_t i = 256; i < tokens; ++i) {
        if (spellings_[i].size() > spellings_[best].size() &&
            text.substr(0, spellings_[i].size()) == spellings_[i])
          best = i;
      }
      out.push_back(static_cast<TokenId>(best));
      text.remove_prefix(spellings_[best].size());
    }
    return out;
  }

  std::vector<std::string> spellings_;
  std::size_t first_control_ = 0;
};

}  // namespace tsukai::infer
