// A made-up coastal city: streets, places, metro lines, with names in English, Chinese and Japanese.
#pragma once

#include <cstdint>

#include "tools/maps/city.h"

namespace tsukai::maps {

// Raise it whenever the same seed gives another city: cache files carry it in their names.
inline constexpr int kGeneratorVersion = 1;
inline constexpr std::uint64_t kDefaultSeed = 1;

// Lanwan (岚湾, 嵐湾), about 10 km by 8.5 km between a river and the sea; a few thousand places. It lies in
// the open ocean near 150 E, 30 N, so that none of it can be taken for a real place. The same seed gives the
// same city. Whatever the seed, there is the Old Gate (老城门, 旧門) with cafes around it, of which three
// sell coffee beans.
City generate_city(std::uint64_t seed);

}  // namespace tsukai::maps
