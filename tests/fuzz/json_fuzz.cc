// Whatever the quick reader takes, nlohmann's takes as the same value; and both printers give the same text.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/json_text.h"

namespace {

std::string slow_print(const tsukai::Json& value) {
  return value.dump(-1, ' ', false, tsukai::Json::error_handler_t::replace);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using tsukai::Json;
  constexpr int kDepthMax = 128;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Json quick;
  if (tsukai::read_json(text, kDepthMax, quick)) {
    const Json slow = Json::parse(text.begin(), text.end(), nullptr, false);
    if (slow.is_discarded() || slow_print(slow) != slow_print(quick)) std::abort();
    std::string printed;
    tsukai::append_json(printed, quick);
    if (printed != slow_print(quick)) std::abort();
  }
  // As a string it may hold any bytes.
  std::string printed;
  tsukai::append_json_string(printed, text);
  if (printed != slow_print(Json(std::string(text)))) std::abort();
  return 0;
}
