// Host memory as the CPU backend's buffers and matrices.
#pragma once

#include <cstddef>
#include <memory>

#include "infer/backend.h"

namespace tsukai::infer::cpu {

// Zeroed pages of the operating system, committed as they are touched; huge pages where it pays.
class HostBuffer : public Buffer {
 public:
  static Result<std::unique_ptr<HostBuffer>> make(std::size_t bytes);
  ~HostBuffer() override;
  HostBuffer(const HostBuffer&) = delete;
  HostBuffer& operator=(const HostBuffer&) = delete;

  std::size_t bytes() const override { return bytes_; }
  std::byte* data() const { return data_; }

 private:
  HostBuffer(std::byte* data, std::size_t bytes) : data_(data), bytes_(bytes) {}
  std::byte* data_;
  std::size_t bytes_;
};

// A view of the mapped file: nothing is copied.
class HostMatrix : public Matrix {
 public:
  HostMatrix(TensorType type, std::size_t rows, std::size_t columns, std::size_t row_bytes,
             const std::byte* data)
      : type_(type), rows_(rows), columns_(columns), row_bytes_(row_bytes), data_(data) {}
  std::size_t rows() const override { return rows_; }
  std::size_t columns() const override { return columns_; }
  TensorType type() const { return type_; }
  std::size_t row_bytes() const { return row_bytes_; }
  const std::byte* row(std::size_t index) const { return data_ + index * row_bytes_; }

 private:
  TensorType type_;
  std::size_t rows_, columns_, row_bytes_;
  const std::byte* data_;
};

inline float* floats(Buffer& buffer) {
  return reinterpret_cast<float*>(static_cast<HostBuffer&>(buffer).data());
}
inline const float* floats(const Buffer& buffer) {
  return reinterpret_cast<const float*>(static_cast<const HostBuffer&>(buffer).data());
}

}  // namespace tsukai::infer::cpu
