// Which tokens are computed next: continuous batching of all live generations over one KV cache. On the
// engine thread.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "infer/architecture.h"
#include "infer/engine.h"
#include "infer/kv_cache.h"
#include "infer/sample_stage.h"

namespace tsukai::infer {

enum class EngineWork {
  kGenerate,
  kLogits,     // of every prompt position; nothing is generated
  kEmbedLast,  // Pooling::kLast
  kEmbedMean,
};

struct EngineOutcome {
  EngineOutput output;
  std::vector<float> values;  // logits [tokens, vocabulary], or the embedding [embedding width]
};

// What a caller waits for. Shared by the caller's thread (which may only set `cancelled`) and the engine
// thread.
struct EngineRequest {
  Generation generation;
  EngineWork work = EngineWork::kGenerate;
  std::atomic<bool> cancelled{false};
  std::function<void(Result<EngineOutcome>)> complete;  // called once, on the engine thread
};

class Scheduler {
 public:
  struct Limits {
    std::size_t context = 0;
    int rows_max = 0;          // of one step
    int chunk_rows = 0;        // of one sequence's prefill in one step while others decode
    int draft_tokens_max = 0;  // guessed in one step
  };
  static constexpr std::size_t kLiveMax = 64;       // generations computed together
  static constexpr std::size_t kWaitingMax = 4096;  // generations that wait for a place or for memory

  // `on_reached`: called, from any thread, when collect() has something to do; see Backend::fence().
  // kExhausted: no memory for masks.
  static Result<std::unique_ptr<Scheduler>> make(Architecture& model, Backend& backend, KvCache& cache,
                                                 Limits limits, std::function<void()> on_reached);
  ~Scheduler();

  void add(std::shared_ptr<EngineRequest> request);
  bool idle() const { return live_.empty() && waiting_.empty(); }

  // A step is one batch: a token for each sequence that decodes, a chunk for those that prefill. begin_step()
  // gives it to the backend and returns; nothing waits for the backend. REQUIRES: none is in flight.
  void begin_step();
  // A step is with the backend: the KV cache must be left alone.
  bool in_flight() const { return fence_ != nullptr; }
  bool reached() const { return fence_ != nullptr && fence_->reached(); }
  // Takes what the backend has computed, if it has, and ends the step.
  void collect();
  // Ends everything with kCancelled.
  void cancel_all();

 private:
  struct Live;

  Scheduler(Architecture& model, Backend& backend, KvCache& cache, Limits limits,
            std::function<void()> on_reached);
  Result<void> check(const EngineRequest& request) const;
  std::size_t pages_needed(const EngineRequest& request) const;
  void drop_cancelled();
  void admit_waiting();
  bool prefix_in_flight(const EngineRequest& request) const;
  bool fits_memory(const EngineRequest& request);
  void admit(std::shared_ptr<EngineRequest> request);

  void build_batch();
  void add_rows(Live& live, int rows);
  void add_draft(Live& live);
  std::vector<TokenId> guess(Live& live, int room);
  void permit(const TokenConstraint& constraint, const Generation& generation, std::size_t room,
              std::vector<TokenId>& guessed);
  bool add_row(Live& live, TokenId token, std::size_t position);
  void fetch_outputs(Live& live);
  void take_outputs(Live& live);
  void ask_for_tokens(Live& live);
  void take_tokens(Live& live);
  void take_token(Live& live, int choice);
  void end_verification(Live& live);
  bool append(Live& live, TokenId token, bool forced);  // false: the generation is complete
  void append_forced(Live& live);
  void finish(Live& live);
  void end(Live& live, Error error);

  Architecture& model_;
  Backend& backend_;
  KvCache& cache_;
  const Limits limits_;
  std::deque<std::shared_ptr<EngineRequest>> waiting_;
  std::vector<std::unique_ptr<Live>> live_;
  Batch batch_;
  std::vector<std::int32_t> logit_rows_, hidden_rows_;
  TokenMask mask_;
  std::unique_ptr<SampleStage> stage_;
  std::function<void()> on_reached_;
  std::unique_ptr<Fence> fence_;  // of the step in flight; null: none is
};

}  // namespace tsukai::infer
