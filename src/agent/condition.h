// The `when:` of a policy rule: a tiny language over the arguments of one tool call.
//
//   total > 50 and currency == 'CNY'          items[0].price <= 9.5
//   recipient matches '.*@example\.com'       not (country in ['CN', 'JP']) or len(items) > 3
//
//   or, and, not ( )         == != < <= > >=        matches: RE2, the whole text        in: a list, or a text
//   in a text 'text' "text" 12 -1.5 true false null [a, b]    names and a.b[0]: members of the arguments;
//   null when absent len(x): characters of a text, items of a list, members of an object; exists(x): it is
//   there and not null
//
// Nothing is converted: '60' > 50 is an error, not false, and so is `<` with null. == and != compare any two
// values.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"

namespace tsukai::agent {

constexpr std::size_t kConditionBytesMax = 2048;
constexpr int kConditionDepthMax = 32;

// Immutable, cheap to copy. A default one always holds.
class Condition {
 public:
  Condition() = default;
  // kInvalidArgument: "column 9: expected a value after >".
  static Result<Condition> parse(std::string_view text);

  // Whether it holds for `arguments`. kInvalidArgument when the values have types that can't be compared:
  // whoever asks must then take the careful side (a rule that allows does not match, one that asks or denies
  // does).
  Result<bool> holds(const Json& arguments) const;

  bool always() const { return root_ == nullptr; }
  const std::string& text() const { return text_; }

  struct Node;
  const Node* root() const { return root_.get(); }  // Null: it always holds.

 private:
  std::shared_ptr<const Node> root_;
  std::string text_;
};

}  // namespace tsukai::agent
