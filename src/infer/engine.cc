#include "infer/engine.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

#include "infer/cpu/cpu_backend.h"
#include "infer/kv_session.h"
#include "infer/scheduler.h"

namespace tsukai::infer {
namespace {

constexpr std::size_t kContextDefaultMax = 8192;
constexpr int kRowsMax = 256;   // of one step
constexpr int kChunkRows = 64;  // of a prefill that others' decoding waits for
constexpr std::size_t kKvBytesMin = 64u << 20;

// Memory that could be had without pushing others out.
std::size_t free_memory_bytes() {
  std::ifstream facts("/proc/meminfo");
  std::string line;
  while (std::getline(facts, line)) {
    std::istringstream words(line);
    std::string name;
    std::size_t kib = 0;
    if (words >> name >> kib && name == "MemAvailable:") return kib * 1024;
  }
  return static_cast<std::size_t>(::sysconf(_SC_AVPHYS_PAGES)) *
         static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

class LocalEngine : public Engine {
 public:
  static Result<std::unique_ptr<Engine>> make(std::shared_ptr<const ModelFile> file,
                                              const EngineOptions& options,
                                              std::unique_ptr<Backend> backend) {
    std::unique_ptr<LocalEngine> engine(new LocalEngine());
    engine->backend_ = std::move(backend);
    TSUKAI_TRY_VOID(engine->start(std::move(file), options));
    return std::unique_ptr<Engine>(std::move(engine));
  }

  ~LocalEngine() override {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  Task<EngineOutput> generate(Generation generation) override {
    auto request = std::make_shared<EngineRequest>();
    request->generation = std::move(generation);
    TSUKAI_CO_TRY(EngineOutcome outcome, co_await submit(std::move(request)));
    co_return std::move(outcome.output);
  }

  Task<std::vector<float>> logits(std::vector<TokenId> tokens) override {
    return values(EngineWork::kLogits, std::move(tokens));
  }

  Task<std::vector<float>> embed(std::vector<TokenId> tokens, Pooling pooling) override {
    return values(pooling == Pooling::kLast ? EngineWork::kEmbedLast : EngineWork::kEmbedMean,
                  std::move(tokens));
  }

  Task<std::size_t> save(std::vector<TokenId> tokens, std::string path) override {
    return on_thread<std::size_t>([this, tokens = std::move(tokens), path = std::move(path)] {
      return save_session(*backend_, *cache_, tokens, identity_, path);
    });
  }

  Task<std::size_t> load(std::string path) override {
    return on_thread<std::size_t>([this, path = std::move(path)] {
      return load_session(*backend_, *cache_, vocabulary(), identity_, path);
    });
  }

  std::size_t context_tokens() const override { return context_; }
  std::size_t vocabulary() const override { return static_cast<std::size_t>(model_->shape().vocabulary); }
  std::string kernels() const override { return backend_->kernels(); }

 private:
  Result<void> start(std::shared_ptr<const ModelFile> file, const EngineOptions& options) {
    TSUKAI_TRY(const ModelShape shape, read_model_shape(*file));
    context_ = options.context != 0 ? options.context : std::min(shape.context, kContextDefaultMax);
    if (context_ > shape.context) {
      return fail(Code::kInvalidArgument,
                  "a context of " + std::to_string(context_) + " tokens; " + file->path() +
                      " was trained for " + std::to_string(shape.context),
                  "ask for a context of at most that");
    }
    const int rows = options.step_rows != 0 ? options.step_rows : kRowsMax;
    if (rows < 1 || rows > 4096)
      return fail(Code::kInvalidArgument, std::to_string(rows) + " rows in a step");
    const std::string digest = file->digest();
    TSUKAI_TRY(model_, Architecture::load(std::move(file), *backend_, context_,
                                          std::max<int>(rows, Scheduler::kLiveMax)));
    if (options.kv != "f16" && options.kv != "q8" && options.kv != "f32") {
      return fail(Code::kInvalidArgument, "KV type \"" + options.kv + "\"", "use f16, q8 or f32");
    }
    const KvType kv_type = options.kv == "f16"  ? KvType::kF16
                           : options.kv == "q8" ? KvType::kQ8
                                                : KvType::kF32;
    const std::size_t page_bytes = static_cast<std::size_t>(shape.layers) * 2 *
                                   static_cast<std::size_t>(shape.kv_heads) *
                                   kv_head_bytes(kv_type, shape.head_dim);
    const std::size_t bytes =
        options.kv_bytes_max != 0 ? options.kv_bytes_max : std::max(free_memory_bytes() / 4, kKvBytesMin);
    const std::size_t pages = std::min<std::size_t>(bytes / page_bytes, (std::size_t{1} << 27) - 1);
    if (pages == 0) {
      return fail(Code::kExhausted, "the KV memory of " + std::to_string(bytes) +
                                        " bytes holds not one page of " + std::to_string(page_bytes) +
                                        " bytes");
    }
    TSUKAI_TRY_VOID(backend_->allocate_kv({shape.layers, shape.kv_heads, shape.head_dim, kv_type, pages}));
    cache_ = std::make_unique<KvCache>(
        pages,
        [](void* backend, std::int32_t from, std::int32_t to) {
          static_cast<Backend*>(backend)->copy_page(from, to);
        },
        backend_.get());
    TSUKAI_TRY(scheduler_, Scheduler::make(*model_, *backend_, *cache_,
                                           Scheduler::Limits{context_, rows, std::min(rows, kChunkRows),
                                                             options.draft_tokens_max},
                                           [this] { wake(); }));
    identity_ = digest + " " + backend_->kernels() + " " + options.kv;
    thread_ = std::thread([this] { work(); });
    return {};
  }

  // Calls `start` with a function that completes the wait, from any thread, once; resumes on the caller's
  // executor, which is kept running meanwhile. `start` gives what to do on cancellation; the wait goes on
  // until completed.
  template <typename T, typename Start>
  static asio::awaitable<Result<T>> completion(Start start) {
    return asio::async_initiate<const asio::use_awaitable_t<>, void(Result<T>)>(
        [](auto handler, Start start) {
          using Handler = decltype(handler);
          struct Waiting {
            Handler handler;
            asio::executor_work_guard<asio::associated_executor_t<Handler>> work;
          };
          auto slot = asio::get_associated_cancellation_slot(handler);
          auto work = asio::make_work_guard(handler);
          auto waiting = std::make_shared<Waiting>(Waiting{std::move(handler), std::move(work)});
          auto cancel = start([waiting = std::move(waiting)](Result<T> outcome) mutable {
            // The handler must be used and destroyed on its own thread: none of it stays here. What follows
            // from it may destroy the loop posted to: it waits until this thread has left post(), a matter
            // of instructions.
            auto executor = waiting->work.get_executor();
            const auto left = std::make_shared<std::atomic<bool>>(false);
            asio::post(executor,
                       [waiting = std::move(waiting), outcome = std::move(outcome), left]() mutable {
                         left->wait(false);
                         auto handler = std::move(waiting->handler);
                         auto work = std::move(waiting->work);
                         waiting.reset();
                         std::move(handler)(std::move(outcome));
                       });
            left->store(true);
            left->notify_one();
          });
          if (slot.is_connected()) slot.assign([cancel](asio::cancellation_type) { cancel(); });
        },
        asio::use_awaitable, std::move(start));
  }

  Task<EngineOutcome> submit(std::shared_ptr<EngineRequest> request) {
    return completion<EngineOutcome>([this, request = std::move(request)](auto complete) {
      std::weak_ptr<EngineRequest> weak = request;
      request->complete = std::move(complete);
      {
        const std::lock_guard lock(mutex_);
        queue_.push_back(request);
      }
      wake_.notify_all();
      return [weak] {
        if (const auto alive = weak.lock()) alive->cancelled.store(true);
      };
    });
  }

  Task<std::vector<float>> values(EngineWork work, std::vector<TokenId> tokens) {
    auto request = std::make_shared<EngineRequest>();
    request->generation.prompt = std::move(tokens);
    request->work = work;
    TSUKAI_CO_TRY(EngineOutcome outcome, co_await submit(std::move(request)));
    co_return std::move(outcome.values);
  }

  // Runs `job` between two steps.
  template <typename T, typename Job>
  Task<T> on_thread(Job job) {
    return completion<T>([this, job = std::move(job)](auto complete) {
      {
        const std::lock_guard lock(mutex_);
        jobs_.push_back([job, complete = std::move(complete)](bool closing) mutable {
          complete(closing ? Result<T>(fail(Code::kCancelled, "the engine is closing")) : job());
        });
      }
      wake_.notify_all();
      return [] {};
    });
  }

  // Behind the lock, so that a thread that is about to sleep has not yet looked.
  void wake() {
    {
      const std::lock_guard lock(mutex_);
    }
    wake_.notify_all();
  }

  // The thread sleeps until something arrives or the backend is done with a round; it never waits for the
  // backend alone.
  void work() {
    std::vector<std::shared_ptr<EngineRequest>> arrived;
    std::vector<std::function<void(bool)>> jobs;
    while (true) {
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] {
          if (closing_ || !queue_.empty()) return true;
          return scheduler_->in_flight() ? scheduler_->reached() : !jobs_.empty() || !scheduler_->idle();
        });
        if (closing_) break;
        arrived.swap(queue_);
        if (!scheduler_->in_flight()) jobs.swap(jobs_);
      }
      for (auto& request : arrived) scheduler_->add(std::move(request));
      arrived.clear();
      for (auto& job : jobs) job(false);
      jobs.clear();
      if (scheduler_->in_flight()) {
        scheduler_->collect();
      } else {
        scheduler_->begin_step();
      }
    }
    for (auto& request : queue_) scheduler_->add(std::move(request));
    for (auto& job : jobs_) job(true);
    scheduler_->cancel_all();
  }

  std::size_t context_ = 0;
  std::string identity_;  // of the K and V this engine computes
  std::mutex mutex_;
  std::condition_variable wake_;
  std::unique_ptr<Backend> backend_;  // behind what its fences call
  std::unique_ptr<Architecture> model_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<Scheduler> scheduler_;
  std::vector<std::shared_ptr<EngineRequest>> queue_;
  std::vector<std::function<void(bool closing)>> jobs_;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(std::shared_ptr<const ModelFile> file, EngineOptions options) {
  TSUKAI_TRY(auto backend, make_cpu_backend(options.kernels, options.threads));
  return LocalEngine::make(std::move(file), options, std::move(backend));
}

Result<std::unique_ptr<Engine>> Engine::open(std::shared_ptr<const ModelFile> file, EngineOptions options,
                                             std::unique_ptr<Backend> backend) {
  return LocalEngine::make(std::move(file), options, std::move(backend));
}

}  // namespace tsukai::infer
