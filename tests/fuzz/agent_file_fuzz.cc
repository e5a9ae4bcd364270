// Any bytes as an agent file: an answer or a message within the limits, never a crash.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/agent_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view yaml(reinterpret_cast<const char*>(data), size);
  auto file = tsukai::agent::parse_agent_file(yaml, "a.yaml");
  if (!file && file.error().message().empty()) std::abort();
  return 0;
}
