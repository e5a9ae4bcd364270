// The generated city as a file and as a map, shared by the tests of a program run.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "support/scratch_dir.h"
#include "tools/maps/generate.h"
#include "tools/maps/map.h"
#include "tools/maps/map_file.h"

namespace tsukai::maps {

inline const City& small_city() {
  static const City city = generate_city(kDefaultSeed);
  return city;
}

inline const std::string& small_city_file() {
  static const ScratchDir scratch;
  static const std::string path = [] {
    const std::string file = scratch / "city.db";
    auto done = write_map(file, small_city());
    REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error().text()));
    return file;
  }();
  return path;
}

inline Map small_map() {
  auto map = Map::open(small_city_file());
  REQUIRE_MESSAGE(map.has_value(), (map ? "" : map.error().text()));
  return std::move(*map);
}

}  // namespace tsukai::maps
