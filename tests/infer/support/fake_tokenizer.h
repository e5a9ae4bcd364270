// A Tokenizer over a list of byte strings, for tests of masks. Token i is bytes[i]; the last one ends the
// turn.
#pragma once

#include <random>
#include <set>
#include <string>
#include <vector>

#include "infer/tokenizer/tokenizer.h"

namespace tsukai::infer {

class FakeTokenizer : public Tokenizer {
 public:
  explicit FakeTokenizer(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
    tokens_.push_back("<end>");
  }

  // Every byte, pieces of JSON, and `more` words made of them by chance (the same ones each time).
  static FakeTokenizer json(std::size_t more) {
    std::vector<std::string> tokens;
    std::set<std::string> seen;
    auto add = [&](std::string token) {
      if (!token.empty() && seen.insert(token).second) tokens.push_back(std::move(token));
    };
    for (int b = 0; b < 256; ++b) add(std::string(1, static_cast<char>(b)));
    const std::vector<std::string> pieces{"{\"",
                                          "\":",
                                          "\",\"",
                                          "\"}",
                                          "},{",
                                          "[]",
                                          "{}",
                                          "true",
                                          "false",
                                          "null",
                                          "\"a\"",
                                          "a",
                                          "b",
                                          "c",
                                          "name",
                                          "age",
                                          "tags",
                                          "id",
                                          "x",
                                          "-",
                                          "0",
                                          "1",
                                          "12",
                                          "3.5",
                                          "e+",
                                          ".",
                                          ",",
                                          ":",
                                          "[",
                                          "]",
                                          "{",
                                          "}",
                                          "\"",
                                          "\\",
                                          "\\u00",
                                          "\\n",
                                          "\xE6\x97\xA5",
                                          "\xE6\x9C\xAC",
                                          "\xC3\xA9",
                                          "\xF0\x9F\x98",
                                          "\x80",
                                          "\xBF",
                                          "-0",
                                          "Z",
                                          "T",
                                          "2024",
                                          "@",
                                          "/",
                                          " ",
                                          "the",
                                          "city"};
    for (const auto& piece : pieces) add(piece);
    std::mt19937 random(7);
    while (tokens.size() < 256 + pieces.size() + more) {
      std::string token;
      for (auto n = 1 + random() % 4; n > 0; --n) token += pieces[random() % pieces.size()];
      add(token);
    }
    return FakeTokenizer(std::move(tokens));
  }

  std::vector<TokenId> encode(std::string_view) const override { return {}; }
  std::vector<TokenId> encode_with_control(std::string_view) const override { return {}; }
  std::vector<TokenId> encode_parts(std::span<const TextPart>) const override { return {}; }
  std::string_view bytes(TokenId token, bool control) const override {
    if (token == end_of_turn() && !control) return {};
    return tokens_[static_cast<std::size_t>(token)];
  }
  std::size_t size() const override { return tokens_.size(); }
  TokenKind kind(TokenId token) const override {
    return token == end_of_turn() ? TokenKind::kControl : TokenKind::kNormal;
  }
  TokenId bos() const override { return -1; }
  bool adds_bos() const override { return false; }
  bool ends_turn(TokenId token) const override { return token == end_of_turn(); }
  TokenId end_of_turn() const override { return static_cast<TokenId>(tokens_.size() - 1); }
  TokenId find_control(std::string_view) const override { return -1; }

 private:
  std::vector<std::string> tokens_;
};

}  // namespace tsukai::infer
