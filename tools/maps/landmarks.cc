#include "tools/maps/landmarks.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <queue>

#include "tools/maps/road_graph.h"

namespace tsukai::maps {

static_assert(std::endian::native == std::endian::little, "map files are little-endian");

std::string Landmarks::bytes() const {
  std::string out(sizeof(double) + 2 * (from.size() + to.size()), '\0');
  char* at = out.data();
  std::memcpy(at, &unit_s, sizeof(double));
  std::memcpy(at + sizeof(double), from.data(), 2 * from.size());
  std::memcpy(at + sizeof(double) + 2 * from.size(), to.data(), 2 * to.size());
  return out;
}

Result<Landmarks> Landmarks::parse(std::string_view bytes, std::size_t nodes) {
  const std::size_t values = nodes * kCount;
  Landmarks landmarks;
  if (bytes.size() == sizeof(double) + 4 * values)
    std::memcpy(&landmarks.unit_s, bytes.data(), sizeof(double));
  if (bytes.size() != sizeof(double) + 4 * values || !(landmarks.unit_s > 0)) {
    return fail(Code::kCorrupt, fmt::format("landmarks of {} bytes do not fit {} nodes", bytes.size(), nodes),
                "make the map file again");
  }
  landmarks.from.resize(values);
  landmarks.to.resize(values);
  std::memcpy(landmarks.from.data(), bytes.data() + sizeof(double), 2 * values);
  std::memcpy(landmarks.to.data(), bytes.data() + sizeof(double) + 2 * values, 2 * values);
  return landmarks;
}

// Seconds from `source` to every node; against the direction of travel when `reverse`.
std::vector<float> RoadGraph::seconds_from(std::int32_t source, Mode mode, bool reverse) const {
  std::vector<float> best(nodes_.size(), std::numeric_limits<float>::infinity());
  using Open = std::pair<float, std::int32_t>;
  std::priority_queue<Open, std::vector<Open>, std::greater<>> open;
  best[static_cast<std::size_t>(source)] = 0;
  open.emplace(0.0f, source);
  const int bit = 1 << (static_cast<int>(mode) + (reverse ? kReverseShift : 0));
  while (!open.empty()) {
    const auto [at, node] = open.top();
    open.pop();
    const auto n = static_cast<std::size_t>(node);
    if (at > best[n]) continue;
    for (std::int32_t i = arc_begin_[n]; i < arc_begin_[n + 1]; ++i) {
      const Arc& arc = arcs_[static_cast<std::size_t>(i)];
      if ((arc.modes & bit) == 0) continue;
      const float there = at + static_cast<float>(travel_seconds(arc.length_m, arc.speed_kmh, mode));
      float& known = best[static_cast<std::size_t>(arc.to)];
      if (there >= known) continue;
      known = there;
      open.emplace(there, arc.to);
    }
  }
  return best;
}

void RoadGraph::prepare(Mode mode) {
  if (nodes_.empty()) return;
  Landmarks landmarks;
  const std::size_t count = nodes_.size();
  // Float sums over a long way are off by parts in a million; the bounds give that away once more.
  constexpr double kSlack = 1e-4;
  std::vector<std::vector<float>> from, to;
  // The first landmark is the node farthest from the middle one, each further one the node farthest from all
  // before.
  std::vector<float> nearest = seconds_from(static_cast<std::int32_t>(count / 2), mode, false);
  double longest = 1;
  for (int k = 0; k < Landmarks::kCount; ++k) {
    std::size_t farthest = count / 2;
    float most = -1;
    for (std::size_t i = 0; i < count; ++i) {
      if (std::isfinite(nearest[i]) && nearest[i] > most) most = nearest[i], farthest = i;
    }
    from.push_back(seconds_from(static_cast<std::int32_t>(farthest), mode, false));
    to.push_back(mode == Mode::kWalk ? from.back()
                                     : seconds_from(static_cast<std::int32_t>(farthest), mode, true));
    for (std::size_t i = 0; i < count; ++i) {
      nearest[i] = k == 0 ? from[0][i] : std::min(nearest[i], from.back()[i]);
      for (const float seconds : {from.back()[i], to.back()[i]}) {
        if (std::isfinite(seconds)) longest = std::max<double>(longest, seconds);
      }
    }
  }
  landmarks.unit_s = longest / (Landmarks::kUnreachable - 1);
  landmarks.from.resize(count * Landmarks::kCount);
  landmarks.to.resize(count * Landmarks::kCount);
  const auto quantised = [&](float seconds) {
    return std::isfinite(seconds) ? static_cast<std::uint16_t>(seconds * (1 - kSlack) / landmarks.unit_s)
                                  : Landmarks::kUnreachable;
  };
  for (std::size_t k = 0; k < Landmarks::kCount; ++k) {
    for (std::size_t i = 0; i < count; ++i) {
      landmarks.from[i * Landmarks::kCount + k] = quantised(from[k][i]);
      landmarks.to[i * Landmarks::kCount + k] = quantised(to[k][i]);
    }
  }
  landmarks_[static_cast<std::size_t>(mode)] = std::move(landmarks);
}

}  // namespace tsukai::maps
