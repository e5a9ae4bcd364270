// A backend as a device has it: operations are queued and done later by a thread of its own. Whoever reads a
// result before its fence, or changes what was handed in, gets other bits (or is found by ThreadSanitizer).
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "infer/backend.h"

namespace tsukai::infer {

class QueuedBackend : public Backend {
 public:
  explicit QueuedBackend(std::unique_ptr<Backend> inner)
      : inner_(std::move(inner)), thread_([this] { work(); }) {}
  ~QueuedBackend() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  // While held nothing is done: what is queued waits.
  void hold(bool held) {
    {
      const std::lock_guard lock(mutex_);
      held_ = held;
    }
    wake_.notify_all();
  }
  std::size_t fences() const { return fences_.load(); }
  // The rows of each sequence, for every batch so far.
  std::vector<std::vector<int>> batches() const {
    const std::lock_guard lock(mutex_);
    return batches_;
  }

  std::string kernels() const override { return inner_->kernels(); }
  Result<std::unique_ptr<Buffer>> allocate(std::size_t bytes) override { return inner_->allocate(bytes); }
  Result<std::unique_ptr<Matrix>> matrix(const TensorView& tensor) override { return inner_->matrix(tensor); }
  Result<void> allocate_kv(const KvShape& shape) override { return inner_->allocate_kv(shape); }
  std::size_t page_bytes() const override { return inner_->page_bytes(); }

  void upload(Buffer& to, std::size_t offset, std::span<const std::byte> from) override {
    queue([this, &to, offset, from = std::vector(from.begin(), from.end())] {
      inner_->upload(to, offset, from);
    });
  }
  void download(const Buffer& from, std::size_t offset, std::span<std::byte> to) override {
    queue([this, &from, offset, to] { inner_->download(from, offset, to); });
  }
  std::unique_ptr<Fence> fence(std::function<void()> on_reached) override {
    auto state = std::make_shared<State>();
    ++fences_;
    queue([state, on_reached = std::move(on_reached)] {
      state->reached.store(true);
      state->reached.notify_all();
      if (on_reached) on_reached();
    });
    return std::make_unique<Point>(std::move(state));
  }
  void copy_page(std::int32_t from, std::int32_t to) override {
    queue([this, from, to] { inner_->copy_page(from, to); });
  }
  void download_page(std::int32_t page, std::span<std::byte> to) override {
    queue([this, page, to] { inner_->download_page(page, to); });
  }
  void upload_page(std::int32_t page, std::span<const std::byte> from) override {
    queue([this, page, from = std::vector(from.begin(), from.end())] { inner_->upload_page(page, from); });
  }
  void begin(const Batch& batch) override {
    {
      const std::lock_guard lock(mutex_);
      std::vector<int>& rows = batches_.emplace_back();
      for (const BatchSequence& sequence : batch.sequences) rows.push_back(sequence.rows);
    }
    queue([this, &batch] { inner_->begin(batch); });
  }
  void embed(const Matrix& table, Buffer& out) override {
    queue([this, &table, &out] { inner_->embed(table, out); });
  }
  void rms_norm(const Buffer& x, const Buffer& weight, int rows, int width, float epsilon,
                Buffer& out) override {
    queue([this, &x, &weight, rows, width, epsilon, &out] {
      inner_->rms_norm(x, weight, rows, width, epsilon, out);
    });
  }
  void multiply(const Buffer& x, const Matrix& weight, const Buffer* bias, int rows, Buffer& y,
                bool add) override {
    queue([this, &x, &weight, bias, rows, &y, add] { inner_->multiply(x, weight, bias, rows, y, add); });
  }
  void norm_and_rotate(Buffer& x, int heads, int head_dim, const Buffer* norm, float epsilon,
                       const Rope& rope) override {
    queue([this, &x, heads, head_dim, norm, epsilon, rope] {
      inner_->norm_and_rotate(x, heads, head_dim, norm, epsilon, rope);
    });
  }
  void store_kv(int layer, const Buffer& k, const Buffer& v) override {
    queue([this, layer, &k, &v] { inner_->store_kv(layer, k, v); });
  }
  void attention(const AttentionShape& shape, const Buffer& q, Buffer& out) override {
    queue([this, shape, &q, &out] { inner_->attention(shape, q, out); });
  }
  void silu_multiply(Buffer& gate, const Buffer& up, int rows, int width) override {
    queue([this, &gate, &up, rows, width] { inner_->silu_multiply(gate, up, rows, width); });
  }
  void mix_experts(const MixtureShape& shape, std::span<const Expert> experts, const Buffer& in,
                   const Buffer& router, int rows, Buffer& x) override {
    queue([this, shape, experts, &in, &router, rows, &x] {
      inner_->mix_experts(shape, experts, in, router, rows, x);
    });
  }
  void gather_rows(const Buffer& x, std::span<const std::int32_t> rows, int width, Buffer& out) override {
    queue([this, &x, rows = std::vector(rows.begin(), rows.end()), width, &out] {
      inner_->gather_rows(x, rows, width, out);
    });
  }
  void sample(Buffer& logits, int vocabulary, const Buffer& masks, std::span<const SampleRow> rows,
              std::span<const TokenAdjustment> adjustments, Buffer& chosen, Buffer& logprobs) override {
    queue([this, &logits, vocabulary, &masks, rows = std::vector(rows.begin(), rows.end()),
           adjustments = std::vector(adjustments.begin(), adjustments.end()), &chosen,
           &logprobs] { inner_->sample(logits, vocabulary, masks, rows, adjustments, chosen, logprobs); });
  }

 private:
  struct State {
    std::atomic<bool> reached{false};
  };
  class Point : public Fence {
   public:
    explicit Point(std::shared_ptr<State> state) : state_(std::move(state)) {}
    bool reached() const override { return state_->reached.load(); }
    void wait() override { state_->reached.wait(false); }

   private:
    std::shared_ptr<State> state_;
  };

  void queue(std::function<void()> operation) {
    {
      const std::lock_guard lock(mutex_);
      operations_.push_back(std::move(operation));
    }
    wake_.notify_all();
  }
  void work() {
    while (true) {
      std::function<void()> operation;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return closing_ || (!held_ && !operations_.empty()); });
        if (operations_.empty()) return;
        operation = std::move(operations_.front());
        operations_.pop_front();
      }
      operation();
    }
  }

  std::unique_ptr<Backend> inner_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> operations_;
  std::vector<std::vector<int>> batches_;
  bool closing_ = false, held_ = false;
  std::atomic<std::size_t> fences_{0};
  std::thread thread_;
};

}  // namespace tsukai::infer
