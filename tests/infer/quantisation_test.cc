#include "infer/format/quantisation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "infer/cpu/kernels.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

// One entry of data/blocks.bin (made by make_references.py): random blocks and their values by gguf's
// dequantiser.
struct Entry {
  TensorType type;
  std::vector<std::byte> bytes;
  std::vector<float> values;
};

std::vector<Entry> entries() {
  const std::string data = read_file(std::string(TSUKAI_SOURCE_DIR) + "/tests/infer/data/blocks.bin");
  std::vector<Entry> all;
  std::size_t at = 0;
  while (at < data.size()) {
    std::int32_t header[3];
    std::memcpy(header, data.data() + at, sizeof(header));
    Entry entry{static_cast<TensorType>(header[0]),
                std::vector<std::byte>(static_cast<std::size_t>(header[2])),
                std::vector<float>(static_cast<std::size_t>(header[1]))};
    at += sizeof(header);
    std::memcpy(entry.bytes.data(), data.data() + at, entry.bytes.size());
    at += entry.bytes.size();
    std::memcpy(entry.values.data(), data.data() + at, entry.values.size() * 4);
    at += entry.values.size() * 4;
    all.push_back(std::move(entry));
  }
  return all;
}

}  // namespace

TEST_SUITE("infer/quantisation") {
  TEST_CASE("every element type means what an independent implementation says it means") {
    const auto all = entries();
    REQUIRE(all.size() == 10);
    for (const Entry& entry : all) {
      CAPTURE(type_name(static_cast<std::uint32_t>(entry.type)));
      std::vector<float> values(entry.values.size());
      dequantise_row(entry.type, entry.bytes.data(), values.size(), values.data());
      for (std::size_t i = 0; i < values.size(); ++i) {
        REQUIRE(std::abs(values[i] - entry.values[i]) <= 1e-6f * (1 + std::abs(entry.values[i])));
      }
    }
  }

  TEST_CASE("fast dequantisers agree with the plain one to the last bits") {
    for (const std::string& name : cpu::available_kernels()) {
      for (const Entry& entry : entries()) {
        CAPTURE(name);
        CAPTURE(type_name(static_cast<std::uint32_t>(entry.type)));
        std::vector<float> values(entry.values.size());
        cpu::find_kernels(name)->dequantise(entry.type, entry.bytes.data(), values.size(), values.data());
        for (std::size_t i = 0; i < values.size(); ++i) {
          REQUIRE(std::abs(values[i] - entry.values[i]) <= 2e-6f * (1 + std::abs(entry.values[i])));
        }
      }
    }
  }

  TEST_CASE("a dot product with packed weights has the bits of unpacking them first") {
    for (const std::string& name : cpu::available_kernels()) {
      const cpu::Kernels& kernels = *cpu::find_kernels(name);
      for (const Entry& entry : entries()) {
        const std::size_t width = entry.values.size();
        const std::size_t block = width >= 256 ? row_bytes(entry.type, 256) : entry.bytes.size();
        std::vector<float> x(width);
        for (std::size_t i = 0; i < width; ++i) x[i] = std::sin(static_cast<float>(i * i + 1));
        for (const int rows : {1, 3, 4, 7}) {
          CAPTURE(name);
          CAPTURE(type_name(static_cast<std::uint32_t>(entry.type)));
          CAPTURE(rows);
          const auto count = static_cast<std::size_t>(rows);
          std::vector<std::byte> weights;  // each row the blocks of the entry, turned by one more
          std::vector<float> panel(count * width), expected(count), packed(count);
          for (std::size_t r = 0; r < count; ++r) {
            auto row = entry.bytes;
            std::rotate(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(r * block % row.size()),
                        row.end());
            kernels.dequantise(entry.type, row.data(), width, panel.data() + r * width);
            weights.insert(weights.end(), row.begin(), row.end());
          }
          kernels.dot(panel.data(), rows, x.data(), 1, width, expected.data(), count);
          if (!kernels.dot_packed(entry.type, weights.data(), entry.bytes.size(), rows, x.data(), width,
                                  packed.data())) {
            CHECK(name == "reference");
            continue;
          }
          CHECK(std::memcmp(packed.data(), expected.data(), count * sizeof(float)) == 0);
        }
      }
    }
  }

  TEST_CASE("every half that is a number survives the way to fp32 and back") {
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
      const auto half = static_cast<std::uint16_t>(bits);
      if ((half & 0x7c00) == 0x7c00) continue;  // infinities are clamped, NaNs have many spellings
      REQUIRE(float_to_half(half_to_float(half)) == half);
    }
    CHECK(half_to_float(float_to_half(1e9f)) == 65504.0f);
    CHECK(half_to_float(float_to_half(-INFINITY)) == -65504.0f);
    CHECK(std::isnan(half_to_float(float_to_half(NAN))));
    CHECK(float_to_half(1.0f + 0x1p-11f) == float_to_half(1.0f));          // a tie goes to the even one
    CHECK(float_to_half(1.0f + 3 * 0x1p-11f) == float_to_half(1.0f) + 2);  // up or down
  }
}
