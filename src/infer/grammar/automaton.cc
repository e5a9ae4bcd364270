#include "infer/grammar/automaton.h"

#include <algorithm>

namespace tsukai::infer::grammar {
namespace {

// A count against its limits, forgetting what `slack` further steps can't reveal.
std::uint32_t canonical(std::uint32_t count, std::uint32_t min, std::uint32_t max, std::uint32_t slack) {
  const bool far_from_max = max == kDead || max - count > slack;
  if (!far_from_max) return count;
  if (count >= min) return max == kDead || max - min > slack ? min : count;
  if (min - count > slack && (max == kDead || max > slack)) return 0;
  return count;
}

}  // namespace

std::size_t Automaton::KeyHash::operator()(const Frame& f) const {
  std::uint64_t h = (std::uint64_t{f.node} << 32 | f.parent) * 0x9E3779B97F4A7C15ull;
  h ^= (std::uint64_t{f.a} << 32 | f.b) * 0xC2B2AE3D27D4EB4Full;
  h ^= h >> 29;
  h *= 0xBF58476D1CE4E5B9ull;
  return h ^ h >> 32;
}

Automaton::Automaton(const Program& program, std::size_t token_bytes_max)
    : program_(program), slack_(static_cast<std::uint32_t>(token_bytes_max) + 1) {
  frames_.emplace_back();  // kEnd
}

StackId Automaton::push(NodeId node, std::uint32_t a, std::uint32_t b, StackId parent) {
  Frame frame{node, a, b, parent};
  auto [it, added] = ids_.try_emplace(frame, static_cast<StackId>(frames_.size()));
  if (!added) return it->second;
  const auto id = it->second;
  frames_.push_back(frame);
  const Node& n = program_.nodes[node];
  std::uint32_t ka = a, kb = b;
  if (n.kind == Node::kLexeme) {
    const Lexeme& lexeme = program_.lexemes[n.index];
    kb = canonical(b, lexeme.min, lexeme.max, slack_ + lexeme.dfa->characters_left_max());
  } else if (n.kind == Node::kRepeat) {
    ka = canonical(a, n.min, n.max, slack_);
  }
  const auto parent_key = frames_[parent].key;
  const auto key = ka == a && kb == b && parent_key == parent ? id : push(node, ka, kb, parent_key);
  frames_[id].key = key;
  return id;
}

void Automaton::begin(State& to) {
  to.clear();
  out_ = &to;
  entered_.clear();
}

void Automaton::settle() {
  std::sort(out_->begin(), out_->end());
  out_->erase(std::unique(out_->begin(), out_->end()), out_->end());
}

void Automaton::emit(StackId stack) {
  if (out_->size() >= stacks_max_) {
    settle();
    if (out_->size() >= stacks_max_) {
      dropped_ = true;
      return;
    }
  }
  out_->push_back(stack);
}

void Automaton::enter(NodeId id, StackId parent, std::uint32_t fresh) {
  const Node* node = &program_.nodes[id];
  while (node->kind == Node::kRef) id = node->index, node = &program_.nodes[id];
  if (node->shortest == kNever) return;
  switch (node->kind) {
    case Node::kLiteral:
      emit(push(id, 0, 0, parent));
      break;
    case Node::kLexeme: {
      const Lexeme& lexeme = program_.lexemes[node->index];
      const auto& info = lexeme.dfa->state(0);
      if (info.characters_next != kDead && info.characters_next <= lexeme.max) emit(push(id, 0, 0, parent));
      if (info.accept && lexeme.min == 0) leave(parent, fresh);
      break;
    }
    case Node::kSequence:
      if (node->children.empty())
        leave(parent, fresh);
      else
        enter(node->children[0], push(id, 1, 0, parent), fresh + 1);
      break;
    case Node::kChoice: {
      const std::pair<std::uint64_t, bool> mark{std::uint64_t{id} << 32 | parent, fresh > 0};
      if (std::find(entered_.begin(), entered_.end(), mark) != entered_.end()) return;
      if (entered_.size() >= stacks_max_) {
        dropped_ = true;
        return;
      }
      entered_.push_back(mark);
      for (auto child : node->children) enter(child, parent, fresh);
      break;
    }
    case Node::kRepeat:
      if (node->min == 0) leave(parent, fresh);
      if (node->max > 0) enter(node->children[0], push(id, 1, 0, parent), fresh + 1);
      break;
    case Node::kRef:
      break;
  }
}

void Automaton::leave(StackId stack, std::uint32_t fresh) {
  if (stack == kEnd) {
    emit(kEnd);
    return;
  }
  const Frame frame = frames_[stack];
  const Node& node = program_.nodes[frame.node];
  const bool nothing = fresh > 0;
  const std::uint32_t below = fresh > 0 ? fresh - 1 : 0;
  if (node.kind == Node::kSequence) {
    const auto child = node.children[frame.a];
    if (frame.a + 1 == node.children.size())
      enter(child, frame.parent, below);
    else
      enter(child, push(frame.node, frame.a + 1, 0, frame.parent), below + 1);
    return;
  }
  // kRepeat. An item that matched nothing stands for all that may match nothing.
  if (frame.a >= node.min || nothing) leave(frame.parent, below);
  if (nothing || (node.max != kDead && frame.a >= node.max)) return;
  const auto begun = node.max == kDead && frame.a >= node.min ? frame.a : frame.a + 1;
  enter(node.children[1], push(frame.node, begun, 0, frame.parent), below + 1);
}

State Automaton::start() {
  State out;
  begin(out);
  enter(program_.root, kEnd, 0);
  settle();
  return out;
}

void Automaton::step(const State& from, unsigned char byte, State& to) {
  begin(to);
  for (auto stack : from) {
    if (stack == kEnd) continue;
    const Frame frame = frames_[stack];
    const Node& node = program_.nodes[frame.node];
    if (node.kind == Node::kLiteral) {
      const auto& text = program_.texts[node.index];
      if (static_cast<unsigned char>(text[frame.a]) != byte) continue;
      if (frame.a + 1 < text.size())
        emit(push(frame.node, frame.a + 1, 0, frame.parent));
      else
        leave(frame.parent, 0);
      continue;
    }
    const Lexeme& lexeme = program_.lexemes[node.index];
    const auto next = lexeme.dfa->next(frame.a, byte);
    if (next == kDead) continue;
    const auto& info = lexeme.dfa->state(next);
    const std::uint32_t characters = frame.b + (info.counts ? 1 : 0);
    if (lexeme.max != kDead && characters + info.characters_left > lexeme.max) continue;
    if (info.accept && characters < lexeme.min && info.characters_next == kDead) continue;
    if (info.characters_next != kDead &&
        (lexeme.max == kDead || characters + info.characters_next <= lexeme.max)) {
      emit(push(frame.node, next, characters, frame.parent));
    }
    if (info.accept && characters >= lexeme.min) leave(frame.parent, 0);
  }
  settle();
}

void Automaton::after(StackId stack, State& to) {
  begin(to);
  leave(frames_[stack].parent, 0);
  settle();
}

ByteSet Automaton::bytes(const State& state) const {
  ByteSet out;
  for (auto stack : state) {
    if (stack == kEnd) continue;
    const Frame& frame = frames_[stack];
    const Node& node = program_.nodes[frame.node];
    if (node.kind == Node::kLiteral)
      out.set(static_cast<unsigned char>(program_.texts[node.index][frame.a]));
    else
      out |= program_.lexemes[node.index].dfa->state(frame.a).bytes;
  }
  return out;
}

bool Automaton::allows(StackId stack, unsigned char byte) const {
  if (stack == kEnd) return false;
  const Frame& frame = frames_[stack];
  const Node& node = program_.nodes[frame.node];
  if (node.kind == Node::kLiteral)
    return static_cast<unsigned char>(program_.texts[node.index][frame.a]) == byte;
  const Lexeme& lexeme = program_.lexemes[node.index];
  const auto next = lexeme.dfa->next(frame.a, byte);
  if (next == kDead) return false;
  const auto& info = lexeme.dfa->state(next);
  const std::uint32_t characters = frame.b + (info.counts ? 1 : 0);
  if (lexeme.max != kDead && characters + info.characters_left > lexeme.max) return false;
  return !(info.accept && characters < lexeme.min && info.characters_next == kDead);
}

StackId Automaton::import(const Automaton& other, StackId stack) {
  std::vector<StackId> path;
  for (auto at = stack; at != kEnd; at = other.frames_[at].parent) path.push_back(at);
  StackId here = kEnd;
  for (auto it = path.rbegin(); it != path.rend(); ++it) {
    const Frame& frame = other.frames_[*it];
    here = push(frame.node, frame.a, frame.b, here);
  }
  return here;
}

std::uint64_t Automaton::shortest_bytes(StackId stack) const {
  std::uint64_t sum = 0;
  for (auto at = stack; at != kEnd; at = frames_[at].parent) {
    const Frame& frame = frames_[at];
    const Node& node = program_.nodes[frame.node];
    switch (node.kind) {
      case Node::kLiteral:
        sum += program_.texts[node.index].size() - frame.a;
        break;
      case Node::kLexeme:
        sum += program_.shortest_bytes(program_.lexemes[node.index], frame.a, frame.b);
        break;
      case Node::kSequence:
        for (auto i = frame.a; i < node.children.size(); ++i)
          sum += program_.nodes[node.children[i]].shortest;
        break;
      case Node::kRepeat:
        if (frame.a < node.min) sum += (node.min - frame.a) * program_.nodes[node.children[1]].shortest;
        break;
      default:
        break;
    }
  }
  return sum;
}

void Automaton::shortest_text(StackId stack, std::string& out) const {
  for (auto at = stack; at != kEnd; at = frames_[at].parent) {
    const Frame& frame = frames_[at];
    const Node& node = program_.nodes[frame.node];
    switch (node.kind) {
      case Node::kLiteral:
        out += program_.texts[node.index].substr(frame.a);
        break;
      case Node::kLexeme:
        program_.shortest_text(program_.lexemes[node.index], frame.a, frame.b, out);
        break;
      case Node::kSequence:
        for (auto i = frame.a; i < node.children.size(); ++i) program_.shortest_text(node.children[i], out);
        break;
      case Node::kRepeat:
        for (auto i = frame.a; i < node.min; ++i) program_.shortest_text(node.children[1], out);
        break;
      default:
        break;
    }
  }
}

}  // namespace tsukai::infer::grammar
