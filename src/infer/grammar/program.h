// What a grammar is compiled to: a graph of nodes that call one another, run with stacks (see automaton.h).
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "infer/grammar/dfa.h"
#include "infer/grammar/grammar.h"

namespace tsukai::infer::grammar {

using NodeId = std::uint32_t;
constexpr NodeId kNoNode = ~NodeId{0};
constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
// Texts that can't be finished within this count as impossible.
constexpr std::uint64_t kShortestMax = 1 << 20;

struct Node {
  enum Kind : unsigned char { kLiteral, kLexeme, kSequence, kChoice, kRepeat, kRef };
  Kind kind = kSequence;
  std::uint32_t index = 0;         // kLiteral: into texts; kLexeme: into lexemes; kRef: the node referred to.
  std::uint32_t min = 0, max = 0;  // kRepeat; max kDead: no end.
  std::vector<NodeId> children;    // kRepeat: the first item, then every later one (separator included).
  std::uint64_t shortest = kNever;  // Bytes of the shortest text; kNever: there is none.
  NodeId best = kNoNode;            // kChoice: the alternative with that text.
};

class Program {
 public:
  NodeId literal(std::string text);
  NodeId lexeme(Lexeme lexeme);
  // One of these texts: a tree of what they begin with, so that a state holds at most 256 of its branches.
  NodeId words(std::vector<std::string> texts);
  NodeId sequence(std::vector<NodeId> children);
  NodeId choice(std::vector<NodeId> children);
  NodeId repeat(NodeId first, NodeId later, std::uint32_t min, std::uint32_t max);
  NodeId reserve();  // A kRef to be bound later.
  void bind(NodeId ref, NodeId target) { nodes[ref].index = target; }
  NodeId empty() { return sequence({}); }
  NodeId nothing() { return choice({}); }
  // Copies the nodes of another program; returns its root.
  NodeId append(const Program& other);

  // Computes `shortest` and `best` everywhere. Call once, when all nodes are there.
  void finish(NodeId root);
  // Whether following references, choices and possibly empty items can come back to a node without a byte
  // between.
  bool left_recursive() const;

  // One shortest text of a node, and of a lexeme from a state with a number of characters behind it.
  void shortest_text(NodeId node, std::string& out) const;
  void shortest_text(const Lexeme& lexeme, std::uint32_t state, std::uint32_t characters,
                     std::string& out) const;
  std::uint64_t shortest_bytes(const Lexeme& lexeme, std::uint32_t state, std::uint32_t characters) const;

  std::vector<Node> nodes;
  std::vector<std::string> texts;
  std::vector<Lexeme> lexemes;
  NodeId root = kNoNode;

 private:
  NodeId add(Node node);
  NodeId words(const std::vector<std::string>& sorted, std::size_t begin, std::size_t end, std::size_t depth);
  std::map<std::string, NodeId> literals_;
};

}  // namespace tsukai::infer::grammar
