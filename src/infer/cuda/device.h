// Which CUDA devices this machine has. Compiled on every machine; without the CUDA Toolkit it says so.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tsukai::infer {

struct CudaDevice {
  std::string name;  // "NVIDIA H100 80GB HBM3"
  std::uint64_t memory_bytes = 0;
  int capability_major = 0, capability_minor = 0;
};

struct CudaDevices {
  std::vector<CudaDevice> devices;
  std::string why_none;  // Empty when there are devices; else the reason there are none, for a person.
};
// Asks the driver: up to some 100 ms.
CudaDevices cuda_devices();

}  // namespace tsukai::infer
