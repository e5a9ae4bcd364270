#include "infer/cuda/device.h"

#ifdef TSUKAI_WITH_CUDA
#include <cuda_runtime_api.h>
#endif

namespace tsukai::infer {

CudaDevices cuda_devices() {
  CudaDevices found;
#ifdef TSUKAI_WITH_CUDA
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    int driver = 0;
    const bool no_driver = cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0;
    found.why_none = no_driver ? "no NVIDIA driver is installed" : cudaGetErrorString(error);
    return found;
  }
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp facts;
    if (cudaGetDeviceProperties(&facts, i) != cudaSuccess) continue;
    found.devices.push_back({facts.name, facts.totalGlobalMem, facts.major, facts.minor});
  }
  if (found.devices.empty()) found.why_none = "the CUDA driver lists no device";
#else
  found.why_none = "this build is without CUDA (no CUDA Toolkit was found when it was configured)";
#endif
  return found;
}

}  // namespace tsukai::infer
