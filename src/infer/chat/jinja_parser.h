// Parsing a template's tokens into a tree.
#pragma once

#include <string>

#include "infer/chat/jinja_ast.h"

namespace tsukai::infer::jinja {

// The deepest nesting of expressions and of blocks.
inline constexpr int kExprDepthMax = 250;
inline constexpr int kBlockDepthMax = 100;

struct Program {
  Body body;
  bool mentions_tools = false;  // The name `tools` stands somewhere in it.
};

// `source` is normalised_source(). Throws Failure, which names the construct that is wrong or not known.
Program parse(const std::string& source);

}  // namespace tsukai::infer::jinja
