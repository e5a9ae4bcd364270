// Any bytes as a schema: compiled or refused within bounds; what is compiled is walked a little.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/result.h"
#include "infer/grammar/grammar.h"

using namespace tsukai;
using namespace tsukai::infer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto schema = parse_json({reinterpret_cast<const char*>(data), size}, {.bytes_max = 1 << 16});
  if (!schema) return 0;
  const auto lines = Grammar::unsupported(*schema);
  auto grammar = Grammar::from_schema(*schema);
  if (!grammar) return 0;
  TSUKAI_CHECK(lines.empty(), "compiled in spite of what is unsupported");
  auto matcher = Matcher::make(*grammar, nullptr);
  for (std::size_t i = 0; i < size && i < 64; ++i) {
    const char byte = static_cast<char>(data[size - 1 - i]);
    (void)matcher->accept({&byte, 1});
    const auto forced = matcher->forced(16);
    TSUKAI_CHECK(matcher->clone()->accept(forced), "forced text is not accepted");
  }
  const auto rest = matcher->shortest_completion();
  TSUKAI_CHECK(matcher->accept(rest) && matcher->may_end(), "the shortest completion does not complete");
  return 0;
}
