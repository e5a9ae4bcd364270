#include "infer/kv_cache.h"

#include <doctest/doctest.h>

#include "infer/support/tiny_models.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

struct Copies {
  std::vector<std::pair<std::int32_t, std::int32_t>> made;
  static void note(void* context, std::int32_t from, std::int32_t to) {
    static_cast<Copies*>(context)->made.emplace_back(from, to);
  }
};

// Appends what is missing of `tokens`; false when no page was left.
bool fill(KvCache::Sequence& sequence, const std::vector<TokenId>& tokens) {
  std::int32_t slot;
  for (std::size_t i = sequence.tokens(); i < tokens.size(); ++i) {
    if (!sequence.append(tokens[i], slot)) return false;
  }
  return true;
}

}  // namespace

TEST_SUITE("infer/kv cache") {
  TEST_CASE("a prefix is found to the token, while its writer runs and after") {
    Copies copies;
    KvCache cache(8, &Copies::note, &copies);
    const auto tokens = some_tokens(40, 1);
    auto first = cache.begin(tokens);
    CHECK(first->tokens() == 0);
    REQUIRE(fill(*first, tokens));
    for (const std::size_t length : {1u, 15u, 16u, 17u, 39u, 40u}) {
      auto other = std::vector<TokenId>(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(length));
      CHECK(cache.matched(other) == length);
      other.push_back(tokens[length % 40] + 1);
      CHECK(cache.matched(other) == length);
    }
    first.reset();
    CHECK(cache.matched(tokens) == 40);
    CHECK(cache.available() == 8);
    CHECK(copies.made.empty());
  }

  TEST_CASE(
      "going on where a finished sequence ended needs no copy; leaving it inside a page copies that page") {
    Copies copies;
    KvCache cache(8, &Copies::note, &copies);
    auto tokens = some_tokens(20, 1);
    auto first = cache.begin(tokens);
    REQUIRE(fill(*first, tokens));
    const auto pages = first->pages();
    first.reset();

    tokens.push_back(7);
    auto second = cache.begin(tokens);
    CHECK(second->tokens() == 20);
    REQUIRE(fill(*second, tokens));
    CHECK(second->pages() == pages);
    CHECK(copies.made.empty());

    auto fork = std::vector<TokenId>(tokens.begin(), tokens.begin() + 18);
    fork.push_back(tokens[18] + 1);
    auto third = cache.begin(fork);
    CHECK(third->tokens() == 18);
    REQUIRE(fill(*third, fork));
    REQUIRE(copies.made.size() == 1);
    CHECK(copies.made[0].first == pages[1]);
    CHECK(copies.made[0].second == third->pages()[1]);
    CHECK(third->pages()[0] == pages[0]);
    CHECK(cache.matched(tokens) == 21);  // the other one is untouched
    CHECK(cache.matched(fork) == 19);
  }

  TEST_CASE("two that go on from the same place do not write into each other's page") {
    Copies copies;
    KvCache cache(8, &Copies::note, &copies);
    const auto tokens = some_tokens(5, 1);
    {
      REQUIRE(fill(*cache.begin(tokens), tokens));
    }
    auto a = cache.begin(tokens), b = cache.begin(tokens);
    std::int32_t slot_a, slot_b;
    REQUIRE(a->append(1, slot_a));
    REQUIRE(b->append(1, slot_b));
    CHECK(slot_a / kPageTokens != slot_b / kPageTokens);
    CHECK(copies.made.size() == 1);
  }

  TEST_CASE("the least recently used pages go first, leaves before what they stand on, and none in use") {
    Copies copies;
    KvCache cache(4, &Copies::note, &copies);
    const auto old = some_tokens(32, 1), fresh = some_tokens(16, 2), running = some_tokens(16, 3);
    {
      REQUIRE(fill(*cache.begin(old), old));
    }
    {
      REQUIRE(fill(*cache.begin(fresh), fresh));
    }
    auto kept = cache.begin(running);
    REQUIRE(fill(*kept, running));
    const auto next = some_tokens(16, 4);
    auto another = cache.begin(next);
    REQUIRE(fill(*another, next));
    CHECK(cache.matched(old) == 16);  // its second page went
    CHECK(cache.matched(fresh) == 16);
    const auto more = some_tokens(48, 5);
    auto large = cache.begin(more);
    CHECK(!fill(*large, more));  // two pages could be had, not three
    CHECK(large->tokens() == 32);
    CHECK(cache.matched(running) == 16);
    CHECK(cache.matched(next) == 16);
    CHECK(cache.evicted_pages() == 3);
  }

  TEST_CASE("what is taken back is found no more and its pages are free again") {
    Copies copies;
    KvCache cache(4, &Copies::note, &copies);
    const auto tokens = some_tokens(40, 1);
    auto sequence = cache.begin(tokens);
    REQUIRE(fill(*sequence, tokens));
    sequence->truncate(14);
    CHECK(sequence->pages().size() == 1);
    CHECK(cache.matched(tokens) == 14);
    CHECK(cache.available() == 3);
    REQUIRE(fill(*sequence, tokens));
    CHECK(cache.matched(tokens) == 40);
    sequence->truncate(32);
    CHECK(sequence->pages().size() == 2);
    CHECK(cache.matched(tokens) == 32);
  }

  TEST_CASE("a private sequence is found by nobody and leaves nothing") {
    Copies copies;
    KvCache cache(4, &Copies::note, &copies);
    const auto tokens = some_tokens(40, 1);
    auto sequence = cache.begin(tokens, false);
    REQUIRE(fill(*sequence, tokens));
    CHECK(cache.matched(tokens) == 0);
    CHECK(cache.available() == 1);
    sequence.reset();
    CHECK(cache.available() == 4);
  }
}
