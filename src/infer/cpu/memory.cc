#include "infer/cpu/memory.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace tsukai::infer::cpu {

Result<std::unique_ptr<HostBuffer>> HostBuffer::make(std::size_t bytes) {
  const std::size_t size = bytes == 0 ? 1 : bytes;
  void* address =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED) {
    return fail(Code::kExhausted, "allocate " + std::to_string(bytes) + " bytes: " + std::strerror(errno));
  }
#ifdef MADV_HUGEPAGE
  if (size >= (2u << 20)) ::madvise(address, size, MADV_HUGEPAGE);
#endif
  return std::unique_ptr<HostBuffer>(new HostBuffer(static_cast<std::byte*>(address), bytes));
}

HostBuffer::~HostBuffer() { ::munmap(data_, bytes_ == 0 ? 1 : bytes_); }

}  // namespace tsukai::infer::cpu
