#include <cmath>
#include <functional>
#include <limits>
#include <queue>
#include <tuple>

#include "base/random.h"
#include "tools/maps/directions.h"
#include "tools/support/small_city.h"

using namespace tsukai;
using namespace tsukai::maps;

namespace {

RoadGraph small_roads() { return RoadGraph(small_city().nodes, small_city().edges); }

bool open_to(const Edge& edge, bool forward, Mode mode) {
  if (mode == Mode::kWalk) return edge.access & kWalk;
  if (mode == Mode::kCycle) return edge.access & (forward ? kCycleForward : kCycleBack);
  return edge.access & (forward ? kDriveForward : kDriveBack);
}

// Plain Dijkstra from node to node, written apart from the code under test.
std::vector<double> seconds_from(const RoadGraph& roads, std::int32_t source, Mode mode) {
  std::vector<std::vector<std::pair<std::int32_t, double>>> next(roads.nodes().size());
  for (const Edge& edge : roads.edges()) {
    const double seconds = roads.edge_seconds(edge, mode);
    if (open_to(edge, true, mode)) next[static_cast<std::size_t>(edge.from)].emplace_back(edge.to, seconds);
    if (open_to(edge, false, mode)) next[static_cast<std::size_t>(edge.to)].emplace_back(edge.from, seconds);
  }
  std::vector<double> best(next.size(), std::numeric_limits<double>::infinity());
  std::priority_queue<std::pair<double, std::int32_t>, std::vector<std::pair<double, std::int32_t>>,
                      std::greater<>>
      open;
  best[static_cast<std::size_t>(source)] = 0;
  open.emplace(0, source);
  while (!open.empty()) {
    const auto [at, node] = open.top();
    open.pop();
    if (at > best[static_cast<std::size_t>(node)]) continue;
    for (const auto& [there, seconds] : next[static_cast<std::size_t>(node)]) {
      if (at + seconds >= best[static_cast<std::size_t>(there)]) continue;
      best[static_cast<std::size_t>(there)] = at + seconds;
      open.emplace(at + seconds, there);
    }
  }
  return best;
}

// Every hop goes on where the one before ended, in a direction that is allowed; the sums are the totals.
void check_sound(const RoadGraph& roads, const Route& route, Mode mode) {
  double metres = 0, seconds = 0;
  for (std::size_t i = 0; i < route.hops.size(); ++i) {
    const Hop& hop = route.hops[i];
    const Edge& edge = roads.edges()[static_cast<std::size_t>(hop.edge)];
    REQUIRE(open_to(edge, hop.forward, mode));
    REQUIRE((hop.from == hop.to || hop.forward == (hop.to > hop.from)));
    if (i > 0)
      REQUIRE(distance_m(roads.at(route.hops[i - 1].edge, route.hops[i - 1].to),
                         roads.at(hop.edge, hop.from)) < 0.01);
    metres += std::abs(hop.to - hop.from) * edge.length_m;
    seconds += std::abs(hop.to - hop.from) * roads.edge_seconds(edge, mode);
  }
  CHECK(route.length_m == doctest::Approx(metres));
  CHECK(route.seconds == doctest::Approx(seconds));
}

Point random_point(Random& random) {
  return small_city().places[random.below(small_city().places.size())].at;
}

}  // namespace

TEST_SUITE("tools/maps/route") {
  TEST_CASE("routes between nodes are as quick as Dijkstra's, in every mode, without and with a hierarchy") {
    RoadGraph roads = small_roads();
    Random random(11);
    for (int round = 0; round < 6; ++round) {
      const Mode mode = static_cast<Mode>(round / 2);
      if (round % 2 == 1) roads.prepare(mode);
      CHECK(roads.hierarchy(mode).empty() == (round % 2 == 0));
      for (int k = 0; k < 6; ++k) {
        const auto source = static_cast<std::int32_t>(random.below(roads.nodes().size()));
        const std::vector<double> best = seconds_from(roads, source, mode);
        for (int pair = 0; pair < 15; ++pair) {
          const std::size_t target = random.below(roads.nodes().size());
          if (std::isinf(best[target]) || best[target] == 0) continue;
          // A node of a road open one way only may be snapped to; both ends are nodes of passable roads here.
          auto route =
              roads.route(roads.nodes()[static_cast<std::size_t>(source)], roads.nodes()[target], mode);
          CAPTURE(source);
          CAPTURE(target);
          REQUIRE(route.has_value());
          check_sound(roads, *route, mode);
          // A hierarchy counts in milliseconds.
          CHECK(route->seconds > best[target] * (1 - 1e-6));
          CHECK(route->seconds < best[target] * (1 + 1e-6) + 0.001 * static_cast<double>(route->hops.size()));
        }
      }
    }
  }

  TEST_CASE("routes between places are connected, and both ends lie where the places are") {
    const RoadGraph roads = small_roads();
    Random random(12);
    for (int k = 0; k < 60; ++k) {
      const Point from = random_point(random), to = random_point(random);
      const Mode mode = static_cast<Mode>(random.below(3));
      auto route = roads.route(from, to, mode);
      REQUIRE(route.has_value());
      REQUIRE_FALSE(route->hops.empty());
      check_sound(roads, *route, mode);
      const double reach = mode == Mode::kWalk ? 120 : 700;  // Old town and parks are closed to cars.
      CHECK(distance_m(roads.at(route->hops.front().edge, route->hops.front().from), from) < reach);
      CHECK(distance_m(roads.at(route->hops.back().edge, route->hops.back().to), to) < reach);
    }
  }

  TEST_CASE("a one-way street is not driven against its direction") {
    // a --> b, with a way round over c.
    const Point a{150.1, 30.2}, b = rounded(moved(a, 100, 0)), c = rounded(moved(a, 50, 100));
    const auto length = [](Point p, Point q) { return static_cast<float>(distance_m(p, q) + 0.1); };
    const RoadGraph roads({a, b, c}, {{0, 1, 0, length(a, b), kWalk | kDriveForward, 30},
                                      {1, 2, 1, length(b, c), kWalk | kDrive, 30},
                                      {2, 0, 2, length(c, a), kWalk | kDrive, 30}});
    const Point early = rounded(moved(a, 30, 0)), late = rounded(moved(a, 70, 0));
    CHECK(roads.route(early, late, Mode::kDrive)->length_m == doctest::Approx(40).epsilon(0.02));
    CHECK(roads.route(late, early, Mode::kWalk)->length_m == doctest::Approx(40).epsilon(0.02));
    auto round = roads.route(late, early, Mode::kDrive);
    REQUIRE(round.has_value());
    check_sound(roads, *round, Mode::kDrive);
    CHECK(round->length_m > 250);
  }

  TEST_CASE("the same place twice is a route of no length") {
    const RoadGraph roads = small_roads();
    const Point here = small_city().places[0].at;
    CHECK(roads.route(here, here, Mode::kWalk)->length_m == doctest::Approx(0));
  }

  TEST_CASE("a point far from any road is refused with what to do") {
    auto route = small_roads().route({151, 31}, small_city().places[0].at, Mode::kWalk);
    REQUIRE_FALSE(route.has_value());
    CHECK(route.error().code() == Code::kNotFound);
    CHECK(route.error().message().find("151.000000,31.000000") != std::string::npos);
  }

  TEST_CASE("two islands have no way between them") {
    const Point a{150.1, 30.2}, b = moved(a, 100, 0), c = moved(a, 0, 400), d = moved(a, 100, 400);
    const RoadGraph roads({a, b, c, d}, {{0, 1, 0, 101, kWalk, 0}, {2, 3, 0, 101, kWalk, 0}});
    auto route = roads.route(a, d, Mode::kWalk);
    REQUIRE_FALSE(route.has_value());
    CHECK(route.error().message().starts_with("no way on foot"));
  }

  TEST_CASE("a hierarchy sees soon that there is no way, and finds one where there is") {
    // 0 -> 1 -> 2 one way by car, and 3 apart.
    const Point a{150.1, 30.2}, b = moved(a, 100, 0), c = moved(a, 200, 0), d = moved(a, 0, 400),
                                e = moved(a, 100, 400);
    RoadGraph roads({a, b, c, d, e}, {{0, 1, 0, 101, kWalk | kDriveForward, 30},
                                      {1, 2, 0, 101, kWalk | kDriveForward, 30},
                                      {3, 4, 0, 101, kWalk | kDrive, 30}});
    for (const Mode mode : {Mode::kWalk, Mode::kDrive}) roads.prepare(mode);
    CHECK(roads.route(a, c, Mode::kDrive).has_value());
    CHECK(roads.route(c, a, Mode::kWalk).has_value());
    for (const auto& [from, to] : {std::pair(c, a), std::pair(a, e), std::pair(d, c)}) {
      CHECK(roads.route(from, to, Mode::kDrive).error().code() == Code::kNotFound);
    }
    CHECK(roads.settled_last() <= 4);
  }

  TEST_CASE("a hierarchy comes back from a file as it went in, and a damaged one is refused") {
    RoadGraph roads = small_roads();
    roads.prepare(Mode::kDrive);
    const std::string bytes = roads.hierarchy(Mode::kDrive).bytes();
    const std::size_t nodes = roads.nodes().size(), edges = roads.edges().size();
    auto again = Hierarchy::parse(bytes, nodes, edges);
    REQUIRE(again.has_value());
    CHECK(again->bytes() == bytes);
    CHECK(again->shortcuts() > 0);
    CHECK(Hierarchy::parse(bytes, nodes + 1, edges).error().code() == Code::kCorrupt);
    CHECK(Hierarchy::parse("", 5, 5).error().code() == Code::kCorrupt);
    CHECK(Hierarchy::parse(bytes.substr(0, bytes.size() - 4), nodes, edges).error().code() == Code::kCorrupt);
    // Whatever byte is damaged, a search in what is accepted ends and stays inside.
    Random random(9);
    for (int k = 0; k < 300; ++k) {
      std::string damaged = bytes;
      damaged[24 + random.below(bytes.size() - 24)] ^= static_cast<char>(1 << random.below(8));
      auto parsed = Hierarchy::parse(damaged, nodes, edges);
      if (!parsed) continue;
      const Hierarchy::End from{static_cast<std::int32_t>(random.below(nodes)), 0},
          to{static_cast<std::int32_t>(random.below(nodes)), 0};
      if (auto path = parsed->quickest({&from, 1}, {&to, 1})) {
        for (const std::int32_t edge : path->edges) CHECK(static_cast<std::size_t>(edge) < edges);
      }
    }
  }

  TEST_CASE(
      "hierarchies of random graphs agree with Dijkstra, also where roads are parallel, loops or dead ends") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
      Random random(seed);
      const std::size_t count = 20 + random.below(60);
      std::vector<Hierarchy::Arc> arcs;
      for (std::size_t i = 0; i < count * (1 + random.below(4)); ++i) {
        arcs.push_back(
            {static_cast<std::int32_t>(random.below(count)), static_cast<std::int32_t>(random.below(count)),
             static_cast<Ticks>(1 + random.below(seed % 2 == 0 ? 5 : 1000)), static_cast<std::int32_t>(i)});
      }
      const Hierarchy hierarchy = Hierarchy::build(count, arcs);
      for (std::size_t source = 0; source < count; ++source) {
        std::vector<std::uint64_t> best(count, kNever);
        best[source] = 0;
        for (bool changed = true; changed;) {
          changed = false;
          for (const Hierarchy::Arc& arc : arcs) {
            const std::uint64_t there = best[static_cast<std::size_t>(arc.from)] + arc.ticks;
            if (best[static_cast<std::size_t>(arc.from)] == kNever ||
                there >= best[static_cast<std::size_t>(arc.to)])
              continue;
            best[static_cast<std::size_t>(arc.to)] = there;
            changed = true;
          }
        }
        for (std::size_t target = 0; target < count; ++target) {
          const Hierarchy::End from{static_cast<std::int32_t>(source), 0},
              to{static_cast<std::int32_t>(target), 0};
          const auto path = hierarchy.quickest({&from, 1}, {&to, 1});
          REQUIRE(path.has_value() == (best[target] != kNever));
          if (!path) continue;
          CHECK(path->ticks == best[target]);
          std::uint64_t sum = 0;
          std::int32_t node = from.node;
          for (const std::int32_t edge : path->edges) {
            const Hierarchy::Arc& arc = arcs[static_cast<std::size_t>(edge)];
            REQUIRE(arc.from == node);
            node = arc.to;
            sum += arc.ticks;
          }
          CHECK(node == to.node);
          CHECK(sum == best[target]);
        }
      }
    }
  }

  TEST_CASE("a hub of thousands of roads is neither taken out nor in the way") {
    // A wheel: the hub is one second from the rim, the rim's neighbours are three from each other.
    constexpr std::int32_t kSpokes = 5000;
    std::vector<Hierarchy::Arc> arcs;
    for (std::int32_t i = 0; i < kSpokes; ++i) {
      const std::int32_t rim = i + 1, next = (i + 1) % kSpokes + 1;
      for (const auto& [from, to, ticks] : {std::tuple(rim, 0, 1000u), {0, rim, 1000u}, {rim, next, 3000u}})
        arcs.push_back({from, to, ticks, static_cast<std::int32_t>(arcs.size())});
    }
    const Hierarchy hierarchy = Hierarchy::build(kSpokes + 1, arcs);
    for (const std::int32_t target : {2, 3, 2500, 5000}) {
      const Hierarchy::End from{1, 0}, to{target, 0};
      const auto path = hierarchy.quickest({&from, 1}, {&to, 1});
      REQUIRE(path.has_value());
      CHECK(path->ticks == 2000);
      CHECK(path->edges.size() == 2);
    }
  }

  TEST_CASE("the steps add up to the route, name its streets, and only the last has no turn") {
    const RoadGraph roads = small_roads();
    Random random(13);
    for (int k = 0; k < 30; ++k) {
      auto route = roads.route(random_point(random), random_point(random), Mode::kWalk);
      REQUIRE(route.has_value());
      for (const Language language : {Language::kEnglish, Language::kChinese, Language::kJapanese}) {
        const auto steps = describe(*route, roads, Mode::kWalk, language, [](std::int32_t street) {
          return small_city().streets[static_cast<std::size_t>(street)].name;
        });
        int metres = 0, seconds = 0;
        for (std::size_t i = 0; i < steps.size(); ++i) {
          metres += steps[i].distance_m;
          seconds += steps[i].duration_s;
          CHECK(steps[i].action.empty() == (i + 1 == steps.size()));
          CHECK(steps[i].instruction.find(steps[i].road) != std::string::npos);
          CHECK_FALSE(steps[i].orientation.empty());
        }
        CHECK(metres == std::lround(route->length_m));
        CHECK(seconds == std::lround(route->seconds));
      }
    }
  }

  TEST_CASE("turns are told as a walker sees them") {
    const Point a{150.1, 30.2}, b = moved(a, 0, 200), c = moved(b, 200, 0);
    const RoadGraph roads({a, b, c}, {{0, 1, 0, 201, kWalk, 0}, {1, 2, 1, 201, kWalk, 0}});
    const auto street = [](std::int32_t index) {
      return Name{index == 0 ? "North Road" : "East Road", "", ""};
    };
    auto there = describe(*roads.route(a, c, Mode::kWalk), roads, Mode::kWalk, Language::kEnglish, street);
    REQUIRE(there.size() == 2);
    CHECK(there[0].instruction == "Walk 201 m north along North Road, then turn right");
    CHECK(there[1].instruction == "Walk 201 m east along East Road, then you are there");
    auto back = describe(*roads.route(c, a, Mode::kWalk), roads, Mode::kWalk, Language::kEnglish, street);
    REQUIRE(back.size() == 2);
    CHECK(back[0].action == "turn left");
    CHECK(back[1].orientation == "south");
  }
}
