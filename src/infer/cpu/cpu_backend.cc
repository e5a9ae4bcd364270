#include "infer/cpu/cpu_backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>
#include <vector>

#include "infer/cpu/expert_choice.h"
#include "infer/cpu/kernels.h"
#include "infer/cpu/memory.h"
#include "infer/cpu/worker_pool.h"
#include "infer/format/quantisation.h"

namespace tsukai::infer {
namespace {

using cpu::AttentionTile;
using cpu::floats;
using cpu::HostBuffer;
using cpu::HostMatrix;
using cpu::kAttentionTile;

// Weight rows turned to fp32 at a time: few when few rows of x share them (they stay in L1), more when many
// do.
constexpr int kPanelRowsFew = 4;
constexpr int kPanelRowsMany = 16;
constexpr int kThreadsMax = 256;

// Every operation has been done when its call returns.
class Reached : public Fence {
 public:
  bool reached() const override { return true; }
  void wait() override {}
};

class CpuBackend : public Backend {
 public:
  CpuBackend(const cpu::Kernels& kernels, int threads)
      : kernels_(kernels),
        pool_(threads),
        scratch_(static_cast<std::size_t>(pool_.threads())),
        sampling_(static_cast<std::size_t>(pool_.threads())) {}

  std::string kernels() const override { return kernels_.name; }

  Result<std::unique_ptr<Buffer>> allocate(std::size_t bytes) override {
    TSUKAI_TRY(auto buffer, HostBuffer::make(bytes));
    return std::unique_ptr<Buffer>(std::move(buffer));
  }

  Result<std::unique_ptr<Matrix>> matrix(const TensorView& tensor) override {
    const std::size_t columns = tensor.shape[0];
    const std::size_t stride = row_bytes(tensor.type, columns);
    return std::unique_ptr<Matrix>(
        new HostMatrix(tensor.type, tensor.bytes.size() / stride, columns, stride, tensor.bytes.data()));
  }

  void upload(Buffer& to, std::size_t offset, std::span<const std::byte> from) override {
    auto& buffer = static_cast<HostBuffer&>(to);
    TSUKAI_CHECK(offset + from.size() <= buffer.bytes(), "upload beyond the buffer");
    if (!from.empty()) std::memcpy(buffer.data() + offset, from.data(), from.size());
  }
  void download(const Buffer& from, std::size_t offset, std::span<std::byte> to) override {
    const auto& buffer = static_cast<const HostBuffer&>(from);
    TSUKAI_CHECK(offset + to.size() <= buffer.bytes(), "download beyond the buffer");
    if (!to.empty()) std::memcpy(to.data(), buffer.data() + offset, to.size());
  }
  std::unique_ptr<Fence> fence(std::function<void()> on_reached) override {
    if (on_reached) on_reached();
    return std::make_unique<Reached>();
  }

  // A page: [layer][K then V][kv head][16 x head_dim] elements.
  Result<void> allocate_kv(const KvShape& shape) override {
    if (shape.head_dim % 16 != 0 || shape.head_dim > cpu::kHeadDimMax) {
      return fail(Code::kUnsupported,
                  "attention heads of " + std::to_string(shape.head_dim) +
                      " numbers; this build knows multiples of 16 up to " + std::to_string(cpu::kHeadDimMax),
                  "choose another model");
    }
    kv_shape_ = shape;
    head_bytes_ = kv_head_bytes(shape.type, shape.head_dim);
    layer_bytes_ = 2 * head_bytes_ * shape.kv_heads;
    page_bytes_ = layer_bytes_ * shape.layers;
    TSUKAI_TRY(kv_, HostBuffer::make(shape.pages * page_bytes_));
    return {};
  }
  std::size_t page_bytes() const override { return page_bytes_; }
  void copy_page(std::int32_t from, std::int32_t to) override {
    std::memcpy(page(to), page(from), page_bytes());
  }
  void download_page(std::int32_t index, std::span<std::byte> to) override {
    TSUKAI_CHECK(to.size() == page_bytes(), "a page's size");
    std::memcpy(to.data(), page(index), to.size());
  }
  void upload_page(std::int32_t index, std::span<const std::byte> from) override {
    TSUKAI_CHECK(from.size() == page_bytes(), "a page's size");
    std::memcpy(page(index), from.data(), from.size());
  }

  void begin(const Batch& batch) override { batch_ = &batch; }

  void embed(const Matrix& table, Buffer& out) override {
    const auto& matrix = static_cast<const HostMatrix&>(table);
    for (std::size_t r = 0; r < batch_->tokens.size(); ++r) {
      kernels_.dequantise(matrix.type(), matrix.row(static_cast<std::size_t>(batch_->tokens[r])),
                          matrix.columns(), floats(out) + r * matrix.columns());
    }
  }

  void rms_norm(const Buffer& x, const Buffer& weight, int rows, int width, float epsilon,
                Buffer& out) override {
    const float* from = floats(x);
    float* to = floats(out);
    for_rows(rows, [&](int r) {
      normalise(from + std::size_t(r) * width, floats(weight), width, epsilon, to + std::size_t(r) * width);
    });
  }

  void multiply(const Buffer& x, const Matrix& weight, const Buffer* bias, int rows, Buffer& y,
                bool add) override {
    product(floats(x), static_cast<const HostMatrix&>(weight), bias == nullptr ? nullptr : floats(*bias),
            rows, floats(y), add);
  }

  void mix_experts(const MixtureShape& shape, std::span<const Expert> experts, const Buffer& in,
                   const Buffer& router, int rows, Buffer& x) override {
    const auto width = static_cast<const HostMatrix&>(*experts[0].gate).columns();
    const auto inner = static_cast<const HostMatrix&>(*experts[0].gate).rows();
    // The rows that use each expert, and how much they take of it.
    struct Use {
      int row;
      float share;
    };
    std::vector<std::vector<Use>> uses(experts.size());
    std::vector<cpu::ExpertShare> chosen(static_cast<std::size_t>(shape.used));
    for (int r = 0; r < rows; ++r) {
      cpu::choose_experts(floats(router) + static_cast<std::size_t>(r) * experts.size(), experts.size(),
                          shape.normalises, chosen);
      for (const auto& [expert, share] : chosen) uses[expert].push_back({r, share});
    }
    mixture_.resize(static_cast<std::size_t>(rows) * 2 * (width + inner));
    float* gathered = mixture_.data();
    float* result = gathered + static_cast<std::size_t>(rows) * width;
    float* gate = result + static_cast<std::size_t>(rows) * width;
    float* up = gate + static_cast<std::size_t>(rows) * inner;
    for (std::size_t e = 0; e < experts.size(); ++e) {
      const int count = static_cast<int>(uses[e].size());
      if (count == 0) continue;
      for (int i = 0; i < count; ++i) {
        std::memcpy(gathered + static_cast<std::size_t>(i) * width,
                    floats(in) + static_cast<std::size_t>(uses[e][static_cast<std::size_t>(i)].row) * width,
                    width * sizeof(float));
      }
      product(gathered, static_cast<const HostMatrix&>(*experts[e].gate), nullptr, count, gate, false);
      product(gathered, static_cast<const HostMatrix&>(*experts[e].up), nullptr, count, up, false);
      for_rows(count, [&](int i) {
        kernels_.silu_multiply(gate + static_cast<std::size_t>(i) * inner,
                               up + static_cast<std::size_t>(i) * inner, inner);
      });
      product(gate, static_cast<const HostMatrix&>(*experts[e].down), nullptr, count, result, false);
      for (int i = 0; i < count; ++i) {
        const Use& use = uses[e][static_cast<std::size_t>(i)];
        float* to = floats(x) + static_cast<std::size_t>(use.row) * width;
        const float* from = result + static_cast<std::size_t>(i) * width;
        for (std::size_t j = 0; j < width; ++j) to[j] += use.share * from[j];
      }
    }
  }

 private:
  void product(const float* from, const HostMatrix& matrix, const float* bias, int rows, float* to,
               bool add) {
    const std::size_t columns = matrix.columns(), outputs = matrix.rows();
    const std::size_t panel_rows = rows <= 3 ? kPanelRowsFew : kPanelRowsMany;
    // Enough panels in a task that taking it costs little, enough tasks that all threads end together.
    const std::size_t panels = (outputs + panel_rows - 1) / panel_rows;
    const std::size_t per_task =
        std::clamp<std::size_t>(panels / (8 * static_cast<std::size_t>(pool_.threads())), 1, 64);
    const int tasks = static_cast<int>((panels + per_task - 1) / per_task);
    pool_.run(tasks, [&](int task, int thread) {
      std::vector<float>& scratch = scratch_[static_cast<std::size_t>(thread)];
      if (scratch.size() < panel_rows * columns + panel_rows * static_cast<std::size_t>(rows)) {
        scratch.resize(panel_rows * columns + panel_rows * static_cast<std::size_t>(rows));
      }
      float* panel = scratch.data();
      float* products = panel + panel_rows * columns;
      const std::size_t begin = static_cast<std::size_t>(task) * per_task;
      for (std::size_t p = begin; p < std::min(panels, begin + per_task); ++p) {
        const std::size_t first = p * panel_rows;
        const int count = static_cast<int>(std::min(panel_rows, outputs - first));
        if (rows != 1 || !kernels_.dot_packed(matrix.type(), matrix.row(first), matrix.row_bytes(), count,
                                              from, columns, products)) {
          for (int i = 0; i < count; ++i) {
            kernels_.dequantise(matrix.type(), matrix.row(first + static_cast<std::size_t>(i)), columns,
                                panel + i * columns);
          }
          kernels_.dot(panel, count, from, rows, columns, products, panel_rows);
        }
        for (int r = 0; r < rows; ++r) {
          float* target = to + static_cast<std::size_t>(r) * outputs + first;
          const float* source = products + static_cast<std::size_t>(r) * panel_rows;
          for (int i = 0; i < count; ++i) {
            float value = source[i];
            if (bias != nullptr) value += bias[first + static_cast<std::size_t>(i)];
            target[i] = add ? target[i] + value : value;
          }
        }
      }
    });
  }

 public:
  void norm_and_rotate(Buffer& x, int heads, int head_dim, const Buffer* norm, float epsilon,
                       const Rope& rope) override {
    const int half = rope.rotated / 2;
    for_rows(static_cast<int>(batch_->tokens.size()), [&](int r) {
      const std::size_t at = static_cast<std::size_t>(batch_->positions[r]) * half;
      const float* cosines = floats(*rope.cosines) + at;
      const float* sines = floats(*rope.sines) + at;
      for (int h = 0; h < heads; ++h) {
        float* head = floats(x) + (static_cast<std::size_t>(r) * heads + h) * head_dim;
        if (norm != nullptr) normalise(head, floats(*norm), head_dim, epsilon, head);
        const bool adjacent = rope.pairs == RopePairs::kAdjacent;
        for (int i = 0; i < half; ++i) {
          float& a = adjacent ? head[2 * i] : head[i];
          float& b = adjacent ? head[2 * i + 1] : head[i + half];
          const float first = a * cosines[i] - b * sines[i];
          b = a * sines[i] + b * cosines[i];
          a = first;
        }
      }
    });
  }

  void store_kv(int layer, const Buffer& k, const Buffer& v) override {
    const int d = kv_shape_.head_dim, heads = kv_shape_.kv_heads;
    for_rows(static_cast<int>(batch_->tokens.size()), [&](int r) {
      const std::int32_t slot = batch_->slots[r];
      if (slot < 0) return;
      const int offset = slot % kPageTokens;
      for (int h = 0; h < heads; ++h) {
        const std::size_t from = (static_cast<std::size_t>(r) * heads + h) * d;
        std::byte* k_page = head_of(slot / kPageTokens, layer, 0, h);
        std::byte* v_page = head_of(slot / kPageTokens, layer, 1, h);
        if (kv_shape_.type == KvType::kF16) {
          store_head(floats(k) + from, floats(v) + from, offset, reinterpret_cast<std::uint16_t*>(k_page),
                     reinterpret_cast<std::uint16_t*>(v_page));
        } else if (kv_shape_.type == KvType::kQ8) {
          quantise_head(floats(k) + from, offset, kPageTokens, 1, k_page);
          quantise_head(floats(v) + from, offset, 1, d, v_page);
        } else {
          store_head(floats(k) + from, floats(v) + from, offset, reinterpret_cast<float*>(k_page),
                     reinterpret_cast<float*>(v_page));
        }
      }
    });
  }

  void attention(const AttentionShape& shape, const Buffer& q, Buffer& out) override {
    const int d = kv_shape_.head_dim, kv_heads = kv_shape_.kv_heads, group = shape.heads / kv_heads;
    // One task: a KV head and up to kRows rows of one sequence.
    constexpr int kRows = 32;
    struct Task {
      const BatchSequence* sequence;
      int kv_head, row, rows;
    };
    std::vector<Task> tasks;
    for (const BatchSequence& sequence : batch_->sequences) {
      for (int row = sequence.rows - 1; row >= 0; row -= kRows) {  // the longest first: they end together
        const int first = std::max(0, row - kRows + 1);
        for (int h = 0; h < kv_heads; ++h) tasks.push_back({&sequence, h, first, row - first + 1});
      }
    }
    pool_.run(static_cast<int>(tasks.size()), [&](int index, int) {
      const Task& task = tasks[static_cast<std::size_t>(index)];
      AttentionTile tile;
      tile.pages = batch_->pages.data() + task.sequence->first_page;
      tile.k = head_of(0, shape.layer, 0, task.kv_head);
      tile.v = head_of(0, shape.layer, 1, task.kv_head);
      tile.type = kv_shape_.type;
      tile.page_stride = page_bytes_;
      tile.head_dim = d;
      tile.scale = shape.scale;
      for (int i = 0; i < task.rows * group; ++i) {
        const int row = task.row + i / group;
        const std::size_t at = (static_cast<std::size_t>(task.sequence->first_row + row) * shape.heads +
                                task.kv_head * group + i % group) *
                               d;
        tile.q[tile.count] = floats(q) + at;
        tile.out[tile.count] = floats(out) + at;
        tile.position[tile.count] = task.sequence->position + row;
        if (++tile.count == kAttentionTile || i + 1 == task.rows * group) {
          kernels_.attention(tile);
          tile.count = 0;
        }
      }
    });
  }

  void silu_multiply(Buffer& gate, const Buffer& up, int rows, int width) override {
    for_rows(rows, [&](int r) {
      kernels_.silu_multiply(floats(gate) + std::size_t(r) * width, floats(up) + std::size_t(r) * width,
                             width);
    });
  }

  void gather_rows(const Buffer& x, std::span<const std::int32_t> rows, int width, Buffer& out) override {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::memcpy(floats(out) + i * width, floats(x) + static_cast<std::size_t>(rows[i]) * width,
                  width * sizeof(float));
    }
  }

  void sample(Buffer& logits, int vocabulary, const Buffer& masks, std::span<const SampleRow> rows,
              std::span<const TokenAdjustment> adjustments, Buffer& chosen, Buffer& logprobs) override {
    const auto width = static_cast<std::size_t>(vocabulary);
    const auto* words = reinterpret_cast<const std::uint64_t*>(static_cast<const HostBuffer&>(masks).data());
    auto* tokens = reinterpret_cast<std::int32_t*>(static_cast<HostBuffer&>(chosen).data());
    auto* told = reinterpret_cast<TokenLogprob*>(static_cast<HostBuffer&>(logprobs).data());
    pool_.run(static_cast<int>(rows.size()), [&](int task, int thread) {
      const auto i = static_cast<std::size_t>(task);
      const SampleRow& row = rows[i];
      cpu::SampleTask one;
      one.logits = floats(logits) + static_cast<std::size_t>(row.logits_row) * width;
      one.width = width;
      if (row.mask_row >= 0) one.mask = words + static_cast<std::size_t>(row.mask_row) * mask_words(width);
      one.row = &row;
      one.adjustments = adjustments.subspan(static_cast<std::size_t>(row.first_adjustment),
                                            static_cast<std::size_t>(row.adjustments));
      if (row.alternatives >= 0) one.logprobs = told + i * (1 + kAlternativesMax);
      tokens[i] = kernels_.sample(one, sampling_[static_cast<std::size_t>(thread)]);
    });
  }

 private:
  std::byte* page(std::int32_t index) const {
    return kv_->data() + static_cast<std::size_t>(index) * page_bytes_;
  }
  std::byte* head_of(std::int32_t index, int layer, int which, int head) const {
    return page(index) + layer * layer_bytes_ +
           static_cast<std::size_t>(which * kv_shape_.kv_heads + head) * head_bytes_;
  }

  static void round_to(float value, std::uint16_t& element) { element = float_to_half(value); }
  static void round_to(float value, float& element) { element = value; }
  template <typename Element>
  void store_head(const float* k, const float* v, int offset, Element* k_page, Element* v_page) const {
    for (int i = 0; i < kv_shape_.head_dim; ++i) {
      round_to(k[i], k_page[i * kPageTokens + offset]);
      round_to(v[i], v_page[offset * kv_shape_.head_dim + i]);
    }
  }

  // Element i of the vector at `offset` goes to [i * stride + offset * step].
  void quantise_head(const float* from, int offset, int stride, int step, std::byte* to) const {
    const int d = kv_shape_.head_dim;
    float largest = 0;
    for (int i = 0; i < d; ++i) largest = std::max(largest, std::abs(from[i]));
    const float scale = largest / 127, inverse = largest > 0 ? 127 / largest : 0;
    for (int i = 0; i < d; ++i)
      to[i * stride + offset * step] =
          static_cast<std::byte>(static_cast<std::int8_t>(std::lrintf(from[i] * inverse)));
    std::memcpy(
        to + static_cast<std::size_t>(d) * kPageTokens + static_cast<std::size_t>(offset) * sizeof(float),
        &scale, sizeof(float));
  }

  // Small work on each row: not worth waking others for a few.
  template <typename Body>
  void for_rows(int rows, const Body& body) {
    constexpr int kRows = 8;
    pool_.run((rows + kRows - 1) / kRows, [&](int task, int) {
      for (int r = task * kRows; r < std::min(rows, (task + 1) * kRows); ++r) body(r);
    });
  }

  static void normalise(const float* x, const float* weight, int width, float epsilon, float* out) {
    float sums[8] = {};
    int i = 0;
    for (; i + 8 <= width; i += 8) {
      for (int j = 0; j < 8; ++j) sums[j] += x[i + j] * x[i + j];
    }
    for (; i < width; ++i) sums[0] += x[i] * x[i];
    const float sum =
        ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
    const float factor = 1.0f / std::sqrt(sum / static_cast<float>(width) + epsilon);
    for (i = 0; i < width; ++i) out[i] = x[i] * factor * weight[i];
  }

  const cpu::Kernels& kernels_;
  WorkerPool pool_;
  std::vector<std::vector<float>> scratch_;   // one per thread
  std::vector<cpu::SampleScratch> sampling_;  // one per thread
  std::vector<float> mixture_;                // of mix_experts
  const Batch* batch_ = nullptr;
  KvShape kv_shape_;
  std::size_t head_bytes_ = 0, layer_bytes_ = 0, page_bytes_ = 0;
  std::unique_ptr<HostBuffer> kv_;
};

}  // namespace

int physical_cores() {
  const int logical = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::set<std::string> cores;
  for (int i = 0; i < logical; ++i) {
    std::ifstream siblings("/sys/devices/system/cpu/cpu" + std::to_string(i) +
                           "/topology/thread_siblings_list");
    std::string line;
    if (!std::getline(siblings, line)) return logical;
    cores.insert(line);
  }
  return static_cast<int>(cores.size());
}

Result<std::unique_ptr<Backend>> make_cpu_backend(std::string_view kernels, int threads) {
  const cpu::Kernels* table = cpu::find_kernels(kernels);
  if (table == nullptr) {
    std::string names;
    for (const std::string& name : cpu::available_kernels()) names += (names.empty() ? "" : ", ") + name;
    return fail(Code::kUnsupported, "kernels \"" + std::string(kernels) + "\" do not run on this processor",
                "use auto, or one of: " + names);
  }
  if (threads < 0 || threads > kThreadsMax) {
    return fail(Code::kInvalidArgument, std::to_string(threads) + " threads",
                "use 0 to " + std::to_string(kThreadsMax));
  }
  return std::unique_ptr<Backend>(new CpuBackend(*table, threads == 0 ? physical_cores() : threads));
}

}  // namespace tsukai::infer
