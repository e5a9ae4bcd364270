#include "base/text.h"

#include <doctest/doctest.h>

#include <set>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/result.h"

using namespace tsukai;

TEST_SUITE("base/text") {
  TEST_CASE("malformed UTF-8 is seen: overlong forms, surrogates, stray and missing bytes, beyond U+10FFFF") {
    CHECK(valid_utf8("plain, é, 東京, 🦊"));
    for (const char* bad :
         {"\x80", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe6\x9d", "\xff"}) {
      CAPTURE(bad);
      CHECK_FALSE(valid_utf8(bad));
    }
  }

  TEST_CASE("an unfinished character at the end is counted, a finished one is not") {
    const std::string fox = "🦊";
    CHECK(incomplete_utf8_tail("a" + fox.substr(0, 1)) == 1);
    CHECK(incomplete_utf8_tail("a" + fox.substr(0, 2)) == 2);
    CHECK(incomplete_utf8_tail("a" + fox.substr(0, 3)) == 3);
    CHECK(incomplete_utf8_tail("a" + fox) == 0);
    CHECK(incomplete_utf8_tail("abc") == 0);
    CHECK(incomplete_utf8_tail("") == 0);
  }

  TEST_CASE("repairing leaves good text alone and replaces each bad byte") {
    CHECK(repaired_utf8("ok 東") == "ok 東");
    CHECK(repaired_utf8("a\xff\x80z") == "a\xef\xbf\xbd\xef\xbf\xbdz");
  }

  TEST_CASE("the nearest name is a likely slip, or nothing") {
    const std::vector<std::string> keys = {"model", "servers", "budget", "policy"};
    CHECK(nearest_name("modle", keys) == "model");
    CHECK(nearest_name("server", keys) == "servers");
    CHECK(nearest_name("entirely-different", keys).empty());
    CHECK(nearest_name("x", {}).empty());
  }

  TEST_CASE("shortening counts characters, not bytes, and flattens lines") {
    CHECK(shortened("東京駅前", 4) == "東京駅前");
    CHECK(shortened("東京駅前通り", 4) == "東京駅…");
    CHECK(shortened("a\nb", 10) == "a b");
  }

  TEST_CASE("splitting keeps empty parts, trimming takes both ends") {
    CHECK(split("a,,b", ',') == std::vector<std::string>{"a", "", "b"});
    CHECK(split("", ',') == std::vector<std::string>{""});
    CHECK(trimmed(" \t x y\n") == "x y");
  }
}

TEST_SUITE("base/hash") {
  TEST_CASE("SHA-256 gives the published digest of \"abc\"") {
    CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  }
}

TEST_SUITE("base/random") {
  TEST_CASE("a seed gives the same sequence on every machine") {
    Random random(42);
    CHECK(random.next() == 1546998764402558742ULL);
    CHECK(random.next() == 6990951692964543102ULL);
  }

  TEST_CASE("bounded numbers stay below their bound and reach all of it") {
    Random random(1);
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 200; ++i) seen.insert(random.below(7));
    CHECK(seen == std::set<std::uint64_t>{0, 1, 2, 3, 4, 5, 6});
  }

  TEST_CASE("ids are as long as asked and differ") {
    CHECK(random_id(20).size() == 20);
    CHECK(random_id(20) != random_id(20));
    const auto longer = random_id(1000);  // More than the kernel gives at once.
    CHECK(longer.size() == 1000);
    CHECK(longer.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567") == std::string::npos);
    CHECK(longer.substr(0, 250) != longer.substr(256, 250));
    CHECK(longer.substr(744) != longer.substr(488, 256));
  }
}

TEST_SUITE("base/clock") {
  TEST_CASE("a moment prints as ISO 8601 in UTC") {
    CHECK(iso_time(0) == "1970-01-01T00:00:00.000Z");
    CHECK(iso_time(1'790'121'356'012) == "2026-09-22T23:55:56.012Z");
  }
}

TEST_SUITE("base/error") {
  TEST_CASE("context is added in front, code and remedy stay") {
    Error error = Error(Code::kTimeout, "no answer", "try later").in("ping").in("server maps");
    CHECK(error.code() == Code::kTimeout);
    CHECK(error.text() == "server maps: ping: no answer; try later");
    CHECK(exit_code(error.code()) == Exit::kComponent);
  }
}
