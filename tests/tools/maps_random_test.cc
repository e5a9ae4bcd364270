#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support/fake_clock.h"
#include "tools/maps/tools.h"
#include "tools/support/random_calls.h"
#include "tools/support/small_city.h"

using namespace tsukai;
using namespace tsukai::maps;

namespace {

Json plausible(const std::string& argument, Random& random) {
  const auto any = [&](std::initializer_list<Json> values) {
    return *(values.begin() + random.below(values.size()));
  };
  const auto& places = small_city().places;
  const auto somewhere = [&] { return to_text(places[random.below(places.size())].at); };
  if (argument == "location" || argument == "origin" || argument == "destination")
    return random.below(5) == 0 ? any({"Old Gate", "150.1", "10,10", "150.05,30.9", "Nowhere"})
                                : Json(somewhere());
  if (argument == "origins") return somewhere() + "|" + somewhere();
  if (argument == "id")
    return random.below(3) == 0 ? Json("B0LW99999") : Json(places[random.below(places.size())].id);
  if (argument == "ip") return any({"192.168.0.1", "8.8.8.8", "300.1.1.1", "::1"});
  if (argument == "address") return any({"Old Gate", "12 Gate Street", "老城门", "Lighthous", "Qwertz"});
  if (argument == "keywords")
    return any({"coffee", "museum", "拉面", "図書館", "coffee near the old gate", "xyz"});
  if (argument == "radius") return any({"500", "3000", "far", "0"});
  if (argument == "type") return any({"0", "1", "3", "2"});
  if (argument == "types") return any({"cafe", "050000", "museum|park"});
  if (argument == "cursor") return any({"6-00000000", "soon", ""});
  return any({"Lanwan", "岚湾", "Atlantis"});
}

}  // namespace

TEST_SUITE("tools/maps/random") {
  TEST_CASE("1,000 random calls, right and wrong, are answered or refused with what to change") {
    FakeClock clock;
    Service service(small_map(), Language::kEnglish, clock);
    auto server = mcp::Server::make({{"maps", "", "1"}, ""});
    add_tools(*server, service);
    int done = 0, refused = 0;
    const auto seen = [&](const RandomCall& call) {
      const std::string error = error_text(call);
      CAPTURE(call.tool);
      CAPTURE(call.arguments.print().substr(0, 300));
      if (error.empty()) {
        ++done;
        CHECK(call.result->contains("structuredContent"));
        return;
      }
      ++refused;
      CAPTURE(error);
      CHECK(names_an_argument(call));
    };
    const auto all = make_random_calls(
        *server, 20261123, 1000,
        [](const std::string&, const std::string& argument, Random& random) {
          return plausible(argument, random);
        },
        seen);
    REQUIRE_MESSAGE(all.has_value(), (all ? "" : all.error().text()));
    CHECK(done > 250);
    CHECK(refused > 150);
  }
}
