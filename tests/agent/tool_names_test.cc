#include "agent/tool_names.h"

#include <doctest/doctest.h>

using namespace tsukai::agent;

TEST_SUITE("agent/tool_names") {
  TEST_CASE("server and tool are joined by two underscores") {
    CHECK(model_tool_name("maps", "maps_geo") == "maps__maps_geo");
  }

  TEST_CASE("characters a model's API refuses are replaced, and the name stays its own") {
    const auto dotted = model_tool_name("fs", "read.file");
    CHECK(dotted.starts_with("fs__read_file_"));
    CHECK(dotted != model_tool_name("fs", "read_file"));
    CHECK(dotted != model_tool_name("fs", "read file"));
    CHECK(dotted == model_tool_name("fs", "read.file"));
  }

  TEST_CASE("long names are shortened to 64 characters and stay different") {
    const std::string base(80, 'x');
    const auto a = model_tool_name("server", base + "a"), b = model_tool_name("server", base + "b");
    CHECK(a.size() == 64);
    CHECK(b.size() == 64);
    CHECK(a != b);
    CHECK(model_tool_name("s", std::string(61, 'x')).size() == 64);
  }

  TEST_CASE("globs match with stars and question marks only") {
    CHECK(glob_matches("maps.*", "maps.geo"));
    CHECK(glob_matches("*", "anything"));
    CHECK(glob_matches("*.pay", "shop.pay"));
    CHECK(glob_matches("s?op.p*y", "shop.pretty"));
    CHECK_FALSE(glob_matches("maps.*", "shop.maps.geo"));
    CHECK_FALSE(glob_matches("shop.pay", "shop.pays"));
    CHECK_FALSE(glob_matches("shop.[a-z]*", "shop.pay"));
    CHECK(glob_matches("a*b*c", "a-b-b-c"));
    CHECK_FALSE(glob_matches("", "x"));
  }
}
