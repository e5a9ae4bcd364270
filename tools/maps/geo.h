// Points on the globe, in Amap's "longitude,latitude" order, and distances between them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tsukai::maps {

// Degrees. Stored and printed with six decimals (about 0.1 m).
struct Point {
  double lng = 0;
  double lat = 0;
};

inline constexpr double kMetresPerDegree = 111194.93;  // Of latitude, on a sphere of 6,371,000 m.

// Great-circle distance in metres.
double distance_m(Point a, Point b);

// Where `to` lies seen from `from`: degrees clockwise from north, [0, 360).
double bearing_deg(Point from, Point to);

// The point `east_m`, `north_m` metres away; for city scales.
Point moved(Point from, double east_m, double north_m);

// Rounded to the six decimals that files and answers carry.
Point rounded(Point point);

// "150.123456,30.274500".
std::string to_text(Point point);

// Reads "lng,lat". kInvalidArgument shows the right form, and says so when the two look swapped.
Result<Point> parse_point(std::string_view text, std::string_view argument);

}  // namespace tsukai::maps
