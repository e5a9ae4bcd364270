// A parsed template: a tree of statements and expressions.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "infer/chat/jinja_value.h"

namespace tsukai::infer::jinja {

enum class ExprKind : std::uint8_t {
  kLiteral,
  kName,
  kAttribute,  // children[0].text
  kItem,       // children[0][children[1]]
  kSlice,      // children[0][children[1]:children[2]:children[3]], absent ones null
  kCall,       // children[0](arguments, keywords)
  kFilter,     // children[0] | text(arguments); children[0] null in a filter block
  kTest,       // children[0] is text(arguments)
  kNot,
  kNegate,
  kPlus,
  kBinary,  // text is one of + - * / // % ** ~
  kAnd,
  kOr,
  kCompare,      // children[0] operators[0] children[1] operators[1] ...
  kConditional,  // children[1] if children[0] else children[2] (may be null)
  kList,
  kDict,  // children: key, value, key, value, ...
};

struct Expr {
  ExprKind kind;
  std::size_t offset;
  int depth = 1;  // Levels below and including this one; bounded, so that walking may recurse.
  std::string text;
  Value literal;
  std::vector<std::unique_ptr<Expr>> children;
  std::vector<std::unique_ptr<Expr>> arguments;
  std::vector<std::pair<std::string, std::unique_ptr<Expr>>> keywords;
  std::vector<std::string> operators;
};
using ExprPtr = std::unique_ptr<Expr>;

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

enum class StatementKind : std::uint8_t {
  kText,
  kPrint,
  kIf,        // branches; an else branch has no condition
  kFor,       // targets, expressions[0] iterated, expressions[1] the condition or null; body, otherwise
  kSet,       // targets = expressions[0]
  kSetBlock,  // targets[0] = body, through expressions[0] (filters) when there is one
  kMacro,     // text = name; targets = parameters; expressions = defaults of the last parameters
  kCall,      // expressions[0] is a call whose caller() is body
  kFilter,    // expressions[0] over body
  kScope,     // with: targets[i] = expressions[i] in a scope of its own around body
  kGroup,     // body as it is (generation)
  kBreak,
  kContinue,
};

// What can be assigned to: NAME, or NAMESPACE.ATTRIBUTE.
struct Target {
  std::string name;
  std::string attribute;
};

struct Branch {
  ExprPtr condition;
  Body body;
};

struct Statement {
  StatementKind kind;
  std::size_t offset;
  Text text;
  std::vector<Target> targets;
  std::vector<ExprPtr> expressions;
  std::vector<Branch> branches;
  Body body, otherwise;
};

}  // namespace tsukai::infer::jinja
