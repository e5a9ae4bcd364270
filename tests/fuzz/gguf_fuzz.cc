// GGUF headers from anywhere: no crash, no read outside the bytes, no memory out of proportion.
#include <cstddef>
#include <cstdint>
#include <span>

#include "infer/architecture.h"
#include "infer/format/gguf.h"
#include "infer/format/quantisation.h"

using namespace tsukai::infer;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = GgufFile::parse(std::as_bytes(std::span(data, size)), "fuzz");
  if (!file) return 0;
  (void)(*file)->vocabulary();
  (void)(*file)->digest();
  (void)read_model_shape(**file);
  float row[512];
  for (const TensorView& tensor : (*file)->tensors()) {
    if (tensor.shape[0] <= 512) dequantise_row(tensor.type, tensor.bytes.data(), tensor.shape[0], row);
  }
  return 0;
}
