#include "infer/grammar/program.h"

#include <algorithm>
#include <queue>

namespace tsukai::infer::grammar {

NodeId Program::add(Node node) {
  nodes.push_back(std::move(node));
  return static_cast<NodeId>(nodes.size() - 1);
}

NodeId Program::literal(std::string text) {
  if (text.empty()) return empty();
  auto [it, added] = literals_.try_emplace(text, kNoNode);
  if (added) {
    texts.push_back(std::move(text));
    it->second = add({Node::kLiteral, static_cast<std::uint32_t>(texts.size() - 1)});
  }
  return it->second;
}

NodeId Program::words(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  return texts.empty() ? nothing() : words(texts, 0, texts.size(), 0);
}

// Those in [begin, end), which are the same up to `depth`.
NodeId Program::words(const std::vector<std::string>& sorted, std::size_t begin, std::size_t end,
                      std::size_t depth) {
  const std::string &first = sorted[begin], &last = sorted[end - 1];
  if (end - begin == 1) return literal(first.substr(depth));
  std::size_t same = depth;
  while (same < first.size() && first[same] == last[same]) ++same;
  std::vector<NodeId> ways;
  std::size_t at = begin;
  if (first.size() == same) ways.push_back(empty()), ++at;
  while (at < end) {
    std::size_t next = at;
    while (next < end && sorted[next][same] == sorted[at][same]) ++next;
    ways.push_back(words(sorted, at, next, same));
    at = next;
  }
  const auto rest = choice(std::move(ways));
  return same == depth ? rest : sequence({literal(first.substr(depth, same - depth)), rest});
}

NodeId Program::lexeme(Lexeme lexeme) {
  lexemes.push_back(std::move(lexeme));
  return add({Node::kLexeme, static_cast<std::uint32_t>(lexemes.size() - 1)});
}

NodeId Program::sequence(std::vector<NodeId> children) {
  if (children.size() == 1) return children.front();
  return add({Node::kSequence, 0, 0, 0, std::move(children)});
}

NodeId Program::choice(std::vector<NodeId> children) {
  std::vector<NodeId> unique;
  for (auto child : children) {
    if (std::find(unique.begin(), unique.end(), child) == unique.end()) unique.push_back(child);
  }
  if (unique.size() == 1) return unique.front();
  return add({Node::kChoice, 0, 0, 0, std::move(unique)});
}

NodeId Program::repeat(NodeId first, NodeId later, std::uint32_t min, std::uint32_t max) {
  return add({Node::kRepeat, 0, min, max, {first, later}});
}

NodeId Program::reserve() { return add({Node::kRef, kNoNode}); }

NodeId Program::append(const Program& other) {
  const auto node_base = static_cast<NodeId>(nodes.size());
  const auto text_base = static_cast<std::uint32_t>(texts.size());
  const auto lexeme_base = static_cast<std::uint32_t>(lexemes.size());
  texts.insert(texts.end(), other.texts.begin(), other.texts.end());
  lexemes.insert(lexemes.end(), other.lexemes.begin(), other.lexemes.end());
  for (Node node : other.nodes) {
    if (node.kind == Node::kLiteral)
      node.index += text_base;
    else if (node.kind == Node::kLexeme)
      node.index += lexeme_base;
    else if (node.kind == Node::kRef && node.index != kNoNode)
      node.index += node_base;
    for (auto& child : node.children) child += node_base;
    nodes.push_back(std::move(node));
  }
  return other.root + node_base;
}

// Knuth's generalisation of Dijkstra's algorithm: nodes are settled in the order of their shortest texts.
void Program::finish(NodeId start) {
  root = start;
  const auto n = static_cast<NodeId>(nodes.size());
  std::vector<std::vector<NodeId>> parents(n);
  std::vector<std::uint32_t> missing(n, 0);
  using Item = std::pair<std::uint64_t, NodeId>;
  std::priority_queue<Item, std::vector<Item>, std::greater<>> queue;
  auto offer = [&](NodeId id, std::uint64_t cost) {
    if (cost <= kShortestMax) queue.emplace(cost, id);
  };
  for (NodeId id = 0; id < n; ++id) {
    Node& node = nodes[id];
    node.shortest = kNever, node.best = kNoNode;
    switch (node.kind) {
      case Node::kLiteral:
        offer(id, texts[node.index].size());
        break;
      case Node::kLexeme: {
        const Lexeme& lexeme = lexemes[node.index];
        if (!lexeme.dfa->empty() && lexeme.min <= lexeme.max &&
            lexeme.dfa->state(0).characters_left <= lexeme.max) {
          offer(id, shortest_bytes(lexeme, 0, 0));
        }
        break;
      }
      case Node::kSequence:
        missing[id] = static_cast<std::uint32_t>(node.children.size());
        if (node.children.empty()) offer(id, 0);
        break;
      case Node::kChoice:
        break;
      case Node::kRepeat:
        missing[id] = node.min > 1 ? 2 : 1;
        if (node.min == 0) offer(id, 0);
        break;
      case Node::kRef:
        if (node.index != kNoNode) parents[node.index].push_back(id);
        break;
    }
    for (auto child : node.children) parents[child].push_back(id);
  }
  while (!queue.empty()) {
    const auto [cost, id] = queue.top();
    queue.pop();
    if (nodes[id].shortest != kNever) continue;
    nodes[id].shortest = cost;
    for (auto up : parents[id]) {
      Node& parent = nodes[up];
      if (parent.shortest != kNever) continue;
      if (parent.kind == Node::kRef) {
        offer(up, cost);
      } else if (parent.kind == Node::kChoice) {
        if (parent.best == kNoNode) parent.best = id;
        offer(up, cost);
      } else if (parent.kind == Node::kSequence) {
        if (--missing[up] != 0) continue;
        std::uint64_t sum = 0;
        for (auto child : parent.children) sum += nodes[child].shortest;
        offer(up, sum);
      } else if (parent.min > 0) {
        const auto first = nodes[parent.children[0]].shortest, later = nodes[parent.children[1]].shortest;
        if (first == kNever || (parent.min > 1 && later == kNever)) continue;
        offer(up, first + (parent.min > 1 ? later * (parent.min - 1) : 0));
      }
    }
  }
}

bool Program::left_recursive() const {
  // Depth first over "may start with", with an explicit stack.
  std::vector<unsigned char> colour(nodes.size(), 0);
  auto starts = [&](NodeId id) {
    std::vector<NodeId> out;
    const Node& node = nodes[id];
    if (node.kind == Node::kRef && node.index != kNoNode) out.push_back(node.index);
    if (node.kind == Node::kChoice) out = node.children;
    if (node.kind == Node::kRepeat) out = node.children;
    if (node.kind == Node::kSequence) {
      for (auto child : node.children) {
        out.push_back(child);
        if (nodes[child].shortest != 0) break;
      }
    }
    return out;
  };
  for (NodeId from = 0; from < nodes.size(); ++from) {
    if (colour[from] != 0) continue;
    std::vector<std::pair<NodeId, std::vector<NodeId>>> path;
    colour[from] = 1;
    path.emplace_back(from, starts(from));
    while (!path.empty()) {
      auto& [id, rest] = path.back();
      if (rest.empty()) {
        colour[id] = 2;
        path.pop_back();
        continue;
      }
      const auto next = rest.back();
      rest.pop_back();
      if (colour[next] == 1) return true;
      if (colour[next] == 2) continue;
      colour[next] = 1;
      path.emplace_back(next, starts(next));
    }
  }
  return false;
}

void Program::shortest_text(NodeId id, std::string& out) const {
  const Node& node = nodes[id];
  switch (node.kind) {
    case Node::kLiteral:
      out += texts[node.index];
      break;
    case Node::kLexeme:
      shortest_text(lexemes[node.index], 0, 0, out);
      break;
    case Node::kSequence:
      for (auto child : node.children) shortest_text(child, out);
      break;
    case Node::kChoice:
      shortest_text(node.best, out);
      break;
    case Node::kRepeat:
      for (std::uint32_t i = 0; i < node.min; ++i) shortest_text(node.children[i == 0 ? 0 : 1], out);
      break;
    case Node::kRef:
      shortest_text(node.index, out);
      break;
  }
}

// A lexeme that lacks characters first reaches a state between two characters, adds fillers, then ends.
void Program::shortest_text(const Lexeme& lexeme, std::uint32_t state, std::uint32_t characters,
                            std::string& out) const {
  const Dfa& dfa = *lexeme.dfa;
  const auto start = out.size();
  auto s = state;
  std::uint32_t count = characters;
  while (count < lexeme.min) {
    auto filled = dfa.next(s, lexeme.filler);
    unsigned char byte = lexeme.filler;
    if (filled == kDead || !dfa.state(filled).counts)
      byte = dfa.state(s).bytes_left_byte, filled = dfa.next(s, byte);
    out += static_cast<char>(byte);
    s = filled;
    if (dfa.state(s).counts) ++count;
    if (out.size() - start > 16ull * kShortestMax) return;
  }
  while (!dfa.state(s).accept) {
    const auto& info = dfa.state(s);
    const bool fits = lexeme.max == kDead || count + info.bytes_left_characters <= lexeme.max;
    const auto byte = fits ? info.bytes_left_byte : info.characters_left_byte;
    out += static_cast<char>(byte);
    s = dfa.next(s, byte);
    if (dfa.state(s).counts) ++count;
  }
}

std::uint64_t Program::shortest_bytes(const Lexeme& lexeme, std::uint32_t state,
                                      std::uint32_t characters) const {
  const auto& info = lexeme.dfa->state(state);
  if (characters >= lexeme.min &&
      (lexeme.max == kDead || characters + info.bytes_left_characters <= lexeme.max)) {
    return info.bytes_left;
  }
  if (lexeme.min > kShortestMax) return kNever;
  std::string text;
  shortest_text(lexeme, state, characters, text);
  return text.size();
}

}  // namespace tsukai::infer::grammar
