#include "infer/cpu/kernels.h"

#include "infer/local_model.h"

namespace tsukai::infer {
namespace cpu {

const Kernels* find_kernels(std::string_view name) {
#if defined(__x86_64__)
  const bool avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (avx2 && (name == "avx2" || name == "auto")) return &avx2_kernels();
#endif
  if (name == "reference" || name == "auto") return &reference_kernels();
  return nullptr;
}

std::vector<std::string> available_kernels() {
  std::vector<std::string> names;
  for (const char* name : {"avx512", "avx2", "reference"}) {
    if (find_kernels(name) != nullptr) names.emplace_back(name);
  }
  return names;
}

}  // namespace cpu

std::vector<std::string> available_kernels() { return cpu::available_kernels(); }

}  // namespace tsukai::infer
