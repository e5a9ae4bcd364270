// Whatever the bytes, parsing ends; what parses prints, and parses again to the same text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "mcp/message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tsukai::mcp;
  auto parsed = parse_messages({reinterpret_cast<const char*>(data), size});
  if (!parsed) return 0;
  for (const auto& message : parsed->messages) {
    const auto text = print_message(message);
    auto again = parse_messages(text);
    if (!again || again->messages.size() != 1 || print_message(again->messages[0]) != text) std::abort();
    if (text.find('\n') != std::string::npos) std::abort();
  }
  return 0;
}
