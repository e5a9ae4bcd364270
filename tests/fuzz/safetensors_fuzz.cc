// Bytes from anywhere as a safetensors file, as config.json and as tensor names: no crash, no read outside.
#include <cstddef>
#include <cstdint>
#include <span>

#include "infer/format/hf_config.h"
#include "infer/format/hf_folder.h"
#include "infer/format/safetensors.h"

using namespace tsukai;
using namespace tsukai::infer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)read_hf_config(text);
  (void)end_tokens_of(text);
  (void)gguf_tensor_name(text);
  const auto file = SafetensorsFile::parse(std::as_bytes(std::span(data, size)), "fuzz");
  if (!file) return 0;
  std::size_t sum = 0;
  for (const SafetensorsEntry& entry : (*file)->entries()) {
    (void)gguf_tensor_name(entry.name);
    if (!entry.bytes.empty()) sum += std::to_integer<std::size_t>(entry.bytes.front() ^ entry.bytes.back());
  }
  TSUKAI_CHECK(sum <= size * 255, "every tensor lies inside the file");
  return 0;
}
