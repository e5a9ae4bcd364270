#include "infer/kv_cache.h"

#include <algorithm>

namespace tsukai::infer {

KvCache::KvCache(std::size_t pages, CopyPage copy_page, void* context)
    : pages_(pages), copy_page_(copy_page), context_(context) {
  root_.filled = kPageTokens;
  free_.reserve(pages);
  for (std::size_t i = pages; i > 0; --i) free_.push_back(static_cast<std::int32_t>(i - 1));
}

KvCache::~KvCache() = default;

KvCache::Match KvCache::find(std::span<const TokenId> tokens) const {
  Match match;
  const Node* at = &root_;
  while (match.tokens < tokens.size()) {
    const auto rest = tokens.subspan(match.tokens);
    Node* best = nullptr;
    int longest = 0;
    for (const auto& child : at->children) {
      const int most =
          std::min(child->filled, static_cast<int>(std::min<std::size_t>(rest.size(), kPageTokens)));
      int same = 0;
      while (same < most &&
             child->tokens[static_cast<std::size_t>(same)] == rest[static_cast<std::size_t>(same)])
        ++same;
      // Among equals one that ends there is better: it can be appended to without a copy.
      if (same > longest || (same == longest && same > 0 && child->filled == same && !child->written)) {
        best = child.get();
        longest = same;
      }
    }
    if (best == nullptr) break;
    match.path.push_back(best);
    match.tokens += static_cast<std::size_t>(longest);
    if (longest < kPageTokens) break;
    at = best;
  }
  return match;
}

std::size_t KvCache::matched(std::span<const TokenId> tokens) const { return find(tokens).tokens; }

std::size_t KvCache::available() const { return free_.size() + idle_nodes_; }

std::size_t KvCache::unused_in_prefix(std::span<const TokenId> tokens) const {
  const Match match = find(tokens);
  return static_cast<std::size_t>(
      std::count_if(match.path.begin(), match.path.end(), [](const Node* node) { return node->users == 0; }));
}

std::unique_ptr<KvCache::Sequence> KvCache::begin(std::span<const TokenId> tokens, bool shared) {
  Node* root = &root_;
  if (!shared) {
    private_roots_.push_back(std::make_unique<Node>());
    root = private_roots_.back().get();
    root->filled = kPageTokens;
  }
  std::unique_ptr<Sequence> sequence(new Sequence(*this, root));
  if (shared) {
    Match match = find(tokens);
    for (Node* node : match.path) {
      use(node);
      sequence->pages_.push_back(node->page);
    }
    sequence->path_ = std::move(match.path);
    sequence->tokens_ = match.tokens;
  }
  return sequence;
}

void KvCache::use(Node* node) {
  if (node->users++ == 0) {
    idle_leaves_.erase(node);
    --idle_nodes_;
  }
}

// Called from a path's end to its beginning, so ages grow towards the root and leaves are evicted before
// their parents.
void KvCache::leave(Node* node) {
  if (--node->users > 0) return;
  ++idle_nodes_;
  node->last_use = ++clock_;
  if (node->children.empty()) idle_leaves_.insert(node);
}

void KvCache::remove(Node* node) {
  TSUKAI_CHECK(node->users == 0 && node->children.empty(), "a page in use was to be evicted");
  idle_leaves_.erase(node);
  --idle_nodes_;
  free_.push_back(node->page);
  Node* parent = node->parent;
  std::erase_if(parent->children, [&](const std::unique_ptr<Node>& child) { return child.get() == node; });
  if (parent != &root_ && parent->parent != nullptr && parent->children.empty() && parent->users == 0) {
    idle_leaves_.insert(parent);
  }
}

std::int32_t KvCache::take_page() {
  if (free_.empty()) {
    if (idle_leaves_.empty()) return -1;
    remove(*idle_leaves_.begin());
    ++evicted_;
  }
  const std::int32_t page = free_.back();
  free_.pop_back();
  return page;
}

void KvCache::clear() {
  while (!idle_leaves_.empty()) remove(*idle_leaves_.begin());
}

KvCache::Sequence::~Sequence() {
  if (writer_) path_.back()->written = false;
  for (auto node = path_.rbegin(); node != path_.rend(); ++node) {
    cache_.leave(*node);
    if (root_ != &cache_.root_) cache_.remove(*node);
  }
  if (root_ != &cache_.root_) {
    std::erase_if(cache_.private_roots_,
                  [&](const std::unique_ptr<Node>& root) { return root.get() == root_; });
  }
}

bool KvCache::Sequence::make_tail_writable() {
  const int used = static_cast<int>(tokens_ % kPageTokens);
  if (used != 0) {
    if (writer_) return true;
    Node* tail = path_.back();
    if (tail->filled == used && !tail->written) {
      tail->written = writer_ = true;
      return true;
    }
  }
  const std::int32_t page = cache_.take_page();
  if (page < 0) return false;
  auto node = std::make_unique<Node>();
  node->page = page;
  node->users = 1;
  node->written = true;
  if (used != 0) {  // the page goes on differently, or another is appending to it: copy the common part
    Node* tail = path_.back();
    node->tokens = tail->tokens;
    node->filled = used;
    node->parent = tail->parent;
    cache_.copy_page_(cache_.context_, tail->page, page);
    cache_.leave(tail);
    path_.back() = node.get();
    pages_.back() = page;
  } else {
    if (writer_) path_.back()->written = false;
    node->parent = path_.empty() ? root_ : path_.back();
    path_.push_back(node.get());
    pages_.push_back(page);
  }
  writer_ = true;
  node->parent->children.push_back(std::move(node));
  return true;
}

void KvCache::Sequence::truncate(std::size_t tokens) {
  while (tokens_ > tokens) {
    Node* tail = path_.back();
    const std::size_t before = (path_.size() - 1) * kPageTokens;  // tokens in the pages before this one
    TSUKAI_CHECK(tail->children.empty() && static_cast<std::size_t>(tail->filled) == tokens_ - before,
                 "took back tokens that others have seen");
    if (tokens > before) {
      tail->filled = static_cast<int>(tokens - before);
      tokens_ = tokens;
      return;
    }
    tokens_ = before;
    tail->written = writer_ = false;
    cache_.leave(tail);
    cache_.remove(tail);
    path_.pop_back();
    pages_.pop_back();
  }
}

bool KvCache::Sequence::append(TokenId token, std::int32_t& slot) {
  if (!make_tail_writable()) return false;
  Node* tail = path_.back();
  slot = tail->page * kPageTokens + tail->filled;
  tail->tokens[static_cast<std::size_t>(tail->filled++)] = token;
  ++tokens_;
  return true;
}

}  // namespace tsukai::infer
