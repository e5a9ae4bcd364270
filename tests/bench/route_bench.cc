// How quickly routes are found on a generated graph of a million edges.
//   route_bench [EDGES] [PAIRS] [walk|cycle|drive]
// Prints, per mode of travel, the median, the 99th percentile and the worst of random pairs, by A* and by the
// hierarchy, and compares each pair's two routes: both must be as quick.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <string_view>

#include "base/random.h"
#include "tools/maps/road_graph.h"

using namespace tsukai;
using namespace tsukai::maps;

namespace {

// A crooked grid: main roads every ten blocks, one block in seven missing, a quarter of the side streets
// one-way.
RoadGraph grid_graph(std::size_t edges_wanted, std::uint64_t seed) {
  Random random(seed);
  const int side = static_cast<int>(std::sqrt(static_cast<double>(edges_wanted) / 2 / 0.87)) + 2;
  std::vector<Point> nodes;
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x)
      nodes.push_back(rounded(moved({150, 30}, x * 90 + 30 * random.unit(), y * 90 + 30 * random.unit())));
  }
  std::vector<Edge> edges;
  const auto connect = [&](int from, int to, bool main) {
    const double draw = random.unit(), way = random.unit();
    if (!main && draw < 0.145) return;
    Edge edge{from, to, 0};
    edge.length_m = static_cast<float>(
        distance_m(nodes[static_cast<std::size_t>(from)], nodes[static_cast<std::size_t>(to)]) + 0.05);
    edge.speed_kmh = main ? 60 : 30;
    edge.access = kWalk | kCycle | kDrive;
    if (!main && way < 0.25) edge.access = kWalk | kCycle | (way < 0.125 ? kDriveForward : kDriveBack);
    edges.push_back(edge);
  };
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const int here = y * side + x;
      if (x + 1 < side) connect(here, here + 1, y % 10 == 0);
      if (y + 1 < side) connect(here, here + side, x % 10 == 0);
    }
  }
  return RoadGraph(std::move(nodes), std::move(edges));
}

using Clock = std::chrono::steady_clock;
// What this thread has worked: on a busy machine the clock on the wall measures the others too.
double cpu_ms(clockid_t clock = CLOCK_THREAD_CPUTIME_ID) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}
double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

long memory_max_mb() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return used.ru_maxrss / 1024;
}

// Gives the seconds of each pair's route, -1 where there is none.
std::vector<double> measure(const RoadGraph& roads, Mode mode, const char* name, int pairs) {
  Random random(21);
  std::vector<double> times, worked, seconds;
  double settled = 0, length_m = 0;
  int failed = 0;
  for (int k = 0; k < pairs; ++k) {
    const Point from = roads.nodes()[random.below(roads.nodes().size())],
                to = roads.nodes()[random.below(roads.nodes().size())];
    const auto start = Clock::now();
    const double before = cpu_ms();
    const auto route = roads.route(from, to, mode);
    worked.push_back(cpu_ms() - before);
    times.push_back(ms_since(start));
    settled += static_cast<double>(roads.settled_last());
    if (route) length_m += route->length_m;
    failed += !route;
    seconds.push_back(route ? route->seconds : -1);
  }
  std::sort(times.begin(), times.end());
  std::sort(worked.begin(), worked.end());
  const auto count = times.size();
  fmt::print(
      "{:20} median {:6.2f} ms, p99 {:6.2f} ms, worst {:6.2f} ms (CPU {:.2f}, {:.2f}, {:.2f}); {:.0f} nodes "
      "settled, "
      "{:.1f} km on average; {} of {} pairs without a way\n",
      name, times[count / 2], times[count * 99 / 100], times.back(), worked[count / 2],
      worked[count * 99 / 100], worked.back(), settled / pairs, length_m / pairs / 1000, failed, pairs);
  return seconds;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t edges = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  const int pairs = std::max(1, argc > 2 ? std::atoi(argv[2]) : 300);
  const std::string_view only = argc > 3 ? argv[3] : "";
  auto start = Clock::now();
  RoadGraph roads = grid_graph(edges, 7);
  fmt::print("{} nodes, {} edges, built in {:.0f} ms\n", roads.nodes().size(), roads.edges().size(),
             ms_since(start));
  bool all_agree = true;
  for (const auto& [mode, name] :
       {std::pair(Mode::kWalk, "walk"), std::pair(Mode::kCycle, "cycle"), std::pair(Mode::kDrive, "drive")}) {
    if (!only.empty() && only != name) continue;
    const auto plain = measure(roads, mode, fmt::format("{}, A*", name).c_str(), pairs);
    start = Clock::now();
    const double before = cpu_ms(CLOCK_PROCESS_CPUTIME_ID);
    roads.prepare(mode);
    const double worked = cpu_ms(CLOCK_PROCESS_CPUTIME_ID) - before, took = ms_since(start);
    fmt::print(
        "{}: hierarchy of {} shortcuts, {:.1f} MB, computed in {:.1f} s ({:.1f} s of CPU), at most {} MB in "
        "memory so far\n",
        name, roads.hierarchy(mode).shortcuts(),
        static_cast<double>(roads.hierarchy(mode).bytes().size()) / 1e6, took / 1000, worked / 1000,
        memory_max_mb());
    const auto quick = measure(roads, mode, fmt::format("{}, hierarchy", name).c_str(), pairs);
    double worst = 0;
    bool agree = true;
    for (std::size_t i = 0; i < plain.size(); ++i) {
      agree = agree && (plain[i] < 0) == (quick[i] < 0);
      if (plain[i] > 0) worst = std::max(worst, std::abs(quick[i] - plain[i]) / plain[i]);
    }
    fmt::print("{}: {} pairs compared, {}, travel times differ by {:.1e} at most\n", name, pairs,
               agree ? "the same have a way" : "BUT NOT THE SAME HAVE A WAY", worst);
    all_agree = all_agree && agree && worst < 1e-4;
    std::fflush(stdout);
  }
  return all_agree ? 0 : 1;
}
