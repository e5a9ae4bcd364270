// Any bytes as an OpenStreetMap extract in XML: read within bounds or refused; what is read keeps its
// promises.
#include <cstddef>
#include <cstdint>

#include "osm_checking.h"

using namespace tsukai;
using namespace tsukai::maps;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Checking handler;
  const auto done = read_osm_xml({reinterpret_cast<const char*>(data), size}, handler);
  TSUKAI_CHECK(done || !done.error().message().empty(), "an error without words");
  return 0;
}
