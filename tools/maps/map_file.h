// The map file: one SQLite database with places (R*Tree, FTS5), the road graph and the metro. This part
// writes it.
//
//   meta(key, value)                region names and codes, origin
//   district, street                names in three languages; ids are the indices of City
//   place                           one row each; id = index + 1, uid = what MCP clients see
//   place_box                       R*Tree over place.id (32-bit floats: about 2 m of slack)
//   place_text(name, kind, address) FTS5 over index_text() of names, kinds and tags, address and area; no
//   content street_text(name)               the same for street names node, edge                      the
//   road graph; access bits and units as in city.h hierarchy(mode, data)           of large graphs, for quick
//   routes: bytes as in hierarchy.h metro_line, metro_stop          lines and their stations in order
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "tools/maps/city.h"

namespace tsukai::maps {

inline constexpr int kFormatVersion = 4;

// What a long work is at: "preparing routes on foot", 4096 of 574000.
using OnStage = std::function<void(std::string_view stage, std::size_t done, std::size_t total)>;

// Writes the file whole or not at all: a temporary file beside it is renamed at the end, so that several
// processes may write the same path at once. An existing file is replaced.
Result<void> write_map(const std::string& path, const City& city, const OnStage& on_stage = {});

// The file of the generated city under $XDG_CACHE_HOME/tsukai (else ~/.cache/tsukai), written when it is not
// there yet. Gives its path.
Result<std::string> cached_city(std::uint64_t seed);

}  // namespace tsukai::maps
