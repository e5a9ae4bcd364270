// Any bytes as a condition, judged against arguments of every type: an answer or an error, never a crash.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "agent/condition.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const tsukai::Json arguments = {
      {"a", 1}, {"b", "text"}, {"c", {1, 2, "x"}}, {"d", {{"e", true}}}, {"f", nullptr}, {"g", 2.5}};
  auto condition = tsukai::agent::Condition::parse({reinterpret_cast<const char*>(data), size});
  if (condition) (void)condition->holds(arguments);
  return 0;
}
