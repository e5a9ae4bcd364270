#include "tools/maps/geo.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <numbers>

#include "base/text.h"

namespace tsukai::maps {
namespace {

constexpr double kRadiusM = 6371000.0;
constexpr double kRadians = std::numbers::pi / 180.0;

bool read_number(std::string_view text, double& value) {
  text = trimmed(text);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
}

}  // namespace

double distance_m(Point a, Point b) {
  const double lat_half = std::sin((b.lat - a.lat) * kRadians / 2);
  const double lng_half = std::sin((b.lng - a.lng) * kRadians / 2);
  const double h =
      lat_half * lat_half + std::cos(a.lat * kRadians) * std::cos(b.lat * kRadians) * lng_half * lng_half;
  return 2 * kRadiusM * std::asin(std::min(1.0, std::sqrt(h)));
}

double bearing_deg(Point from, Point to) {
  const double east = (to.lng - from.lng) * std::cos((from.lat + to.lat) / 2 * kRadians);
  const double degrees = std::atan2(east, to.lat - from.lat) / kRadians;
  return degrees < 0 ? degrees + 360 : degrees;
}

Point moved(Point from, double east_m, double north_m) {
  return {from.lng + east_m / (kMetresPerDegree * std::cos(from.lat * kRadians)),
          from.lat + north_m / kMetresPerDegree};
}

Point rounded(Point point) { return {std::round(point.lng * 1e6) / 1e6, std::round(point.lat * 1e6) / 1e6}; }

std::string to_text(Point point) { return fmt::format("{:.6f},{:.6f}", point.lng, point.lat); }

Result<Point> parse_point(std::string_view text, std::string_view argument) {
  const auto wrong = [&](std::string_view why) {
    return fail(Code::kInvalidArgument, fmt::format("{} is \"{}\": {}", argument, shortened(text, 40), why),
                "give longitude,latitude in degrees, for example 150.120000,30.270000; maps_geo turns a name "
                "into one");
  };
  // The Chinese comma too: models write it after reading Amap's descriptions.
  std::size_t comma = text.find(',');
  std::size_t after = comma + 1;
  if (comma == std::string_view::npos) {
    comma = text.find("，");
    after = comma + std::string_view("，").size();
  }
  Point point;
  if (comma == std::string_view::npos || !read_number(text.substr(0, comma), point.lng) ||
      !read_number(text.substr(after), point.lat)) {
    return wrong("not two numbers with a comma between");
  }
  if (std::abs(point.lat) > 90 && std::abs(point.lng) <= 90) return wrong("latitude comes second, not first");
  if (std::abs(point.lat) > 90 || std::abs(point.lng) > 180) return wrong("outside the globe");
  return point;
}

}  // namespace tsukai::maps
