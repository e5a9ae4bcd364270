// Any bytes as a chat template: refused with a place, or rendered within bounds. The bytes after a NUL are
// JSON for the variables; else a small conversation stands in.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "infer/chat/template.h"

using namespace tsukai;
using namespace tsukai::infer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1 << 14) return 0;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t nul = all.find('\0');
  const auto parsed = ChatTemplate::parse(std::string(all.substr(0, nul)));
  if (!parsed) {
    TSUKAI_CHECK(!parsed.error().message().empty(), "a refusal says something");
    return 0;
  }
  Json variables = {
      {"messages",
       {{{"role", "user"}, {"content", "Hi \xe6\x9d\xb1"}}, {{"role", "assistant"}, {"content", ""}}}},
      {"tools", Json::array({{{"name", "t"}, {"n", 3}}})},
      {"add_generation_prompt", true},
      {"bos_token", "<s>"},
      {"eos_token", "</s>"}};
  if (nul != std::string_view::npos) {
    auto given = parse_json(all.substr(nul + 1), {.bytes_max = 1 << 12, .depth_max = 16});
    if (given && given->is_object()) variables = *std::move(given);
  }
  (void)(*parsed)->knows_tools();
  const auto pieces = (*parsed)->render(variables);
  if (!pieces) TSUKAI_CHECK(!pieces.error().message().empty(), "a refusal says something");
  return 0;
}
