// Which tokens' K and V lie in which page of the backend: a radix tree shared by all sequences.
//
// A node is one page of up to kPageTokens tokens; only a full page has children, which are the pages that may
// follow it. So a path from the root spells a sequence of tokens and every prefix of it can be shared.
// Siblings may begin alike: a sequence that leaves another inside a page gets a copy of the common part (the
// backend copies, nothing is recomputed), so sharing is exact to the token. A page belongs to the tree from
// its first token on, so a running sequence's tokens, prompt and generated alike, are found by others at
// once. One sequence at most, the page's writer, appends to it. Pages that no running sequence uses are
// evicted, least recently used first and leaves first.
//
// Knows numbers only, no memory; used on the engine thread alone.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "base/result.h"
#include "infer/backend.h"
#include "infer/model.h"

namespace tsukai::infer {

class KvCache {
 public:
  class Sequence;

  // `copy_page` copies all of a page; must be set before anything is appended.
  using CopyPage = void (*)(void* context, std::int32_t from, std::int32_t to);
  KvCache(std::size_t pages, CopyPage copy_page, void* context);
  ~KvCache();
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  // How many first tokens of `tokens` are cached.
  std::size_t matched(std::span<const TokenId> tokens) const;
  // A sequence that begins with the longest cached prefix of `tokens`; those pages stay while it lives.
  // `shared` false: begins empty, and what it appends is found by nobody and gone with it.
  std::unique_ptr<Sequence> begin(std::span<const TokenId> tokens, bool shared = true);

  std::size_t pages() const { return pages_; }
  // Pages that could be had for new tokens: free ones and those that no running sequence uses.
  std::size_t available() const;
  // Pages that the longest cached prefix of `tokens` would take from available() by coming into use.
  std::size_t unused_in_prefix(std::span<const TokenId> tokens) const;
  std::uint64_t evicted_pages() const { return evicted_; }

  // Forgets all that no running sequence uses.
  void clear();

 private:
  struct Node {
    Node* parent = nullptr;
    std::vector<std::unique_ptr<Node>> children;
    std::array<TokenId, kPageTokens> tokens{};
    int filled = 0;
    std::int32_t page = -1;
    int users = 0;         // running sequences whose path goes through this node
    bool written = false;  // a running sequence appends to it
    std::uint64_t last_use = 0;
  };
  struct Match {
    std::vector<Node*> path;  // whole pages, then perhaps one partly matched
    std::size_t tokens = 0;
  };
  struct ByAge {
    bool operator()(const Node* a, const Node* b) const {
      return a->last_use != b->last_use ? a->last_use < b->last_use : a->page < b->page;
    }
  };

  Match find(std::span<const TokenId> tokens) const;
  // A page, evicting if need be; -1: none is left.
  std::int32_t take_page();
  void use(Node* node);
  void leave(Node* node);
  void remove(Node* node);

  std::size_t pages_;
  CopyPage copy_page_;
  void* context_;
  Node root_;
  std::vector<std::unique_ptr<Node>> private_roots_;
  std::vector<std::int32_t> free_;
  std::set<Node*, ByAge> idle_leaves_;  // no users, no children
  std::size_t idle_nodes_ = 0;          // no users
  std::uint64_t clock_ = 0, evicted_ = 0;
};

// One running sequence's place in the tree. Must not outlive the cache.
class KvCache::Sequence {
 public:
  ~Sequence();
  Sequence(const Sequence&) = delete;
  Sequence& operator=(const Sequence&) = delete;

  std::size_t tokens() const { return tokens_; }
  // The page of each kPageTokens tokens, in order.
  const std::vector<std::int32_t>& pages() const { return pages_; }

  // Makes room for one token more and gives its slot (page * kPageTokens + offset). False: no page is left,
  // nothing changed. The token counts as cached from now on: its K and V must be written in the step being
  // built.
  bool append(TokenId token, std::int32_t& slot);
  // Takes back the last tokens, down to `tokens` of them. REQUIRES: they were appended in the step being
  // ended, so that nobody else can have found them.
  void truncate(std::size_t tokens);

 private:
  friend class KvCache;
  Sequence(KvCache& cache, Node* root) : cache_(cache), root_(root) {}
  bool make_tail_writable();

  KvCache& cache_;
  Node* root_;
  std::vector<Node*> path_;
  std::vector<std::int32_t> pages_;
  std::size_t tokens_ = 0;
  bool writer_ = false;  // of the last node of path_
};

}  // namespace tsukai::infer
