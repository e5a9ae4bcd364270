// The syntax of conditions (condition.h): text to tree.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "agent/condition.h"

namespace re2 {
class RE2;
}

namespace tsukai::agent {

struct Condition::Node {
  enum class Op {
    kConstant,
    kPath,
    kList,  // values
    kOr,
    kAnd,
    kNot,  // of truth values
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kMatches,
    kIn,
    kLength,
    kExists,
  };
  struct Step {
    std::string name;
    std::int64_t index = -1;  // >= 0: an item of a list, else the member `name`.
  };
  Op op = Op::kConstant;
  Json constant;
  std::vector<Step> path;
  std::vector<std::shared_ptr<const Node>> children;
  std::shared_ptr<const re2::RE2> pattern;  // kMatches
};

Result<std::shared_ptr<const Condition::Node>> parse_condition(std::string_view text);

}  // namespace tsukai::agent
