// Grammars: which bytes, and so which tokens, may come next.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "infer/tokenizer/tokenizer.h"

namespace tsukai::infer {

// A set of token ids, one bit each.
class TokenMask {
 public:
  explicit TokenMask(std::size_t tokens) : words_((tokens + 63) / 64), tokens_(tokens) {}
  void set(TokenId token) {
    words_[static_cast<std::size_t>(token) / 64] |= std::uint64_t{1} << (token % 64);
  }
  void clear(TokenId token) {
    words_[static_cast<std::size_t>(token) / 64] &= ~(std::uint64_t{1} << (token % 64));
  }
  bool test(TokenId token) const {
    return (words_[static_cast<std::size_t>(token) / 64] >> (token % 64)) & 1;
  }
  void reset() { words_.assign(words_.size(), 0); }
  std::size_t size() const { return tokens_; }
  std::vector<std::uint64_t>& words() { return words_; }
  const std::vector<std::uint64_t>& words() const { return words_; }

 private:
  std::vector<std::uint64_t> words_;
  std::size_t tokens_;
};

// A compiled byte-level grammar. Immutable, shared, usable from several threads.
class Grammar {
 public:
  virtual ~Grammar() = default;

  struct SchemaOptions {
    // Members that a schema neither names nor describes, but allows by saying nothing (or `true`) of further
    // ones, may follow those in `properties`. Off: a model is kept to the declared members, which is always
    // valid too.
    bool open_objects = false;
  };
  // The JSON texts of a schema (draft-07 and 2020-12), canonical layout: no optional white space, the members
  // named in `properties` and `required` sorted (as Json sorts them), then any others. Fails closed:
  // kUnsupported names each keyword and its place; kExhausted the limit that the schema is over;
  // kInvalidArgument: no value can satisfy it.
  static Result<std::shared_ptr<const Grammar>> from_schema(const Json& schema,
                                                            SchemaOptions options = {false});
  // What from_schema would refuse in this schema: "/properties/a: keyword \"not\"". Empty: nothing.
  static std::vector<std::string> unsupported(const Json& schema, SchemaOptions options = {false});

  // The texts that a regular expression matches from end to end (the part of ECMA-262 that RE2 shares;
  // UTF-8). A text has at most 4,096 characters. kUnsupported names a construct outside it, kInvalidArgument
  // a mistake in it.
  static Result<std::shared_ptr<const Grammar>> from_regex(std::string_view pattern);
  // Any UTF-8 text, of any length, that holds none of `stops`. kInvalidArgument: a stop is not ASCII, or
  // begins with what it ends with (then text and stop could be told apart in two ways).
  static Result<std::shared_ptr<const Grammar>> text_until(std::vector<std::string> stops);
  // Exactly one of these texts.
  static std::shared_ptr<const Grammar> choices(std::vector<std::string> texts);

  // One piece of a sequence: literal text, or any text that a grammar allows.
  struct Piece {
    std::string literal;  // used when grammar is null
    std::shared_ptr<const Grammar> grammar;
  };
  // Pieces one after another; and one of several grammars.
  static std::shared_ptr<const Grammar> sequence(std::vector<Piece> pieces);
  static std::shared_ptr<const Grammar> any_of(std::vector<std::shared_ptr<const Grammar>> choices);
  static std::shared_ptr<const Grammar> literal(std::string text);
  // `item` min to max times, `separator` between.
  static std::shared_ptr<const Grammar> repeat(std::shared_ptr<const Grammar> item, std::string separator,
                                               std::size_t min, std::size_t max);
};

// The vocabulary of one tokenizer arranged for masks (a trie over token bytes). Built once per model (tens of
// ms).
class MaskVocabulary {
 public:
  virtual ~MaskVocabulary() = default;
  // Control, unused and byte-less tokens are never part of a mask.
  static std::shared_ptr<const MaskVocabulary> make(const Tokenizer& tokenizer);
};

// Where a text stands in a grammar. Copyable by clone(); not thread-safe.
class Matcher {
 public:
  virtual ~Matcher() = default;
  static std::unique_ptr<Matcher> make(std::shared_ptr<const Grammar> grammar,
                                       std::shared_ptr<const MaskVocabulary> vocabulary);
  virtual std::unique_ptr<Matcher> clone() const = 0;

  // False, and nothing changes, when the bytes can't come here.
  virtual bool accept(std::string_view bytes) = 0;
  // The tokens whose bytes may all come next. Cleared first.
  virtual void mask(TokenMask& out) const = 0;
  // The text may end here / must end here.
  virtual bool may_end() const = 0;
  virtual bool must_end() const = 0;
  // The bytes that must come next in any case ("" when there is a choice), at most `bytes_max`.
  virtual std::string forced(std::size_t bytes_max = 256) const = 0;
  // The fewest further bytes after which the text may end, and one such text: used to close a text under a
  // budget.
  virtual std::string shortest_completion() const = 0;
};

}  // namespace tsukai::infer
