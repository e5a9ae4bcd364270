#include "infer/grammar/grammar.h"

#include <fmt/format.h>

#include <algorithm>

#include "infer/grammar/compiled.h"
#include "infer/grammar/lexemes.h"

namespace tsukai::infer {
namespace grammar {

std::shared_ptr<Workspace> Compiled::workspace(std::shared_ptr<const Vocabulary> vocabulary) const {
  const std::lock_guard lock(mutex_);
  for (auto& held : workspaces_) {
    if (held->vocabulary == vocabulary) return held;
  }
  if (workspaces_.size() >= 2) workspaces_.erase(workspaces_.begin());
  workspaces_.push_back(std::make_shared<Workspace>(program_, std::move(vocabulary)));
  return workspaces_.back();
}

namespace {
std::shared_ptr<const Grammar> finished(Program program, NodeId root) {
  program.finish(root);
  TSUKAI_CHECK(!program.left_recursive(), "a grammar composed of grammars refers to itself");
  return std::make_shared<Compiled>(std::move(program));
}
}  // namespace
}  // namespace grammar

using grammar::NodeId;
using grammar::Program;

Result<std::shared_ptr<const Grammar>> Grammar::from_regex(std::string_view pattern) {
  TSUKAI_TRY(auto dfa, grammar::compile_regex(pattern, {}));
  if (dfa->empty() || dfa->state(0).characters_left > grammar::kStringCharactersMax) {
    return fail(Code::kInvalidArgument,
                fmt::format("no text matches the regular expression \"{}\"", pattern));
  }
  Program program;
  const auto root = program.lexeme({std::move(dfa), 0, grammar::kStringCharactersMax});
  return grammar::finished(std::move(program), root);
}

std::shared_ptr<const Grammar> Grammar::choices(std::vector<std::string> texts) {
  Program program;
  const auto root = program.words(std::move(texts));
  return grammar::finished(std::move(program), root);
}

std::shared_ptr<const Grammar> Grammar::sequence(std::vector<Piece> pieces) {
  Program program;
  std::vector<NodeId> children;
  for (auto& piece : pieces) {
    children.push_back(piece.grammar ? program.append(grammar::program_of(*piece.grammar))
                                     : program.literal(std::move(piece.literal)));
  }
  const auto root = program.sequence(std::move(children));
  return grammar::finished(std::move(program), root);
}

std::shared_ptr<const Grammar> Grammar::any_of(std::vector<std::shared_ptr<const Grammar>> choices) {
  Program program;
  std::vector<NodeId> children;
  for (const auto& choice : choices) children.push_back(program.append(grammar::program_of(*choice)));
  const auto root = program.choice(std::move(children));
  return grammar::finished(std::move(program), root);
}

std::shared_ptr<const Grammar> Grammar::literal(std::string text) {
  Program program;
  const auto root = program.literal(std::move(text));
  return grammar::finished(std::move(program), root);
}

std::shared_ptr<const Grammar> Grammar::repeat(std::shared_ptr<const Grammar> item, std::string separator,
                                               std::size_t min, std::size_t max) {
  TSUKAI_CHECK(min <= max, "repeat: min above max");
  Program program;
  const auto first = program.append(grammar::program_of(*item));
  const auto later =
      separator.empty() ? first : program.sequence({program.literal(std::move(separator)), first});
  const auto bounded = [](std::size_t n) {
    return static_cast<std::uint32_t>(std::min<std::size_t>(n, grammar::kDead));
  };
  const auto root = program.repeat(first, later, bounded(min), bounded(max));
  return grammar::finished(std::move(program), root);
}

}  // namespace tsukai::infer
