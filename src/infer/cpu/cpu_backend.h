// The Backend of this machine's processor.
#pragma once

#include <memory>
#include <string_view>

#include "infer/backend.h"

namespace tsukai::infer {

// `threads` 0: the number of physical cores. kernels: auto | reference | avx2; kUnsupported when this
// processor can't run them.
Result<std::unique_ptr<Backend>> make_cpu_backend(std::string_view kernels, int threads);

// Cores, not hardware threads, that this process may run on; at least 1.
int physical_cores();

}  // namespace tsukai::infer
