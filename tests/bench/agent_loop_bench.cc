// agent_loop_bench: how many tokens agents make an engine compute, and how long that takes. Prints JSON.
//
//   agent_loop_bench [--shape tiny|smollm2|qwen3-0.6b] [--type f32|q8_0|q4_1] [--threads N] [--kernels NAME]
//   [MODEL.gguf]
//
// Without a file: random weights of a true shape; times are real, text is noise. Counts do not depend on the
// model.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "infer/format/gguf.h"
#include "infer/support/random_model.h"
#include "support/agent_workload.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

struct Arguments {
  std::string shape = "tiny", type = "q8_0", file;
  EngineOptions engine;
};

[[noreturn]] void stop(const std::string& message) {
  std::fprintf(stderr, "agent_loop_bench: %s\n", message.c_str());
  std::exit(2);
}

Arguments parse(int count, char** values) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string word = values[i];
    const auto next = [&]() -> std::string {
      return i + 1 < count ? values[++i] : (stop(word + " needs a value"), "");
    };
    if (word == "--shape") {
      arguments.shape = next();
    } else if (word == "--type") {
      arguments.type = next();
    } else if (word == "--threads") {
      arguments.engine.threads = std::atoi(next().c_str());
    } else if (word == "--kernels") {
      arguments.engine.kernels = next();
    } else if (word.starts_with("-")) {
      stop("unknown option " + word);
    } else {
      arguments.file = word;
    }
  }
  return arguments;
}

RandomShape shape_of(const Arguments& arguments) {
  RandomShape shape;
  if (arguments.shape == "smollm2") {
    shape = {"llama", 30, 576, 9, 3, 64, 1536, 49152, 8192};
  } else if (arguments.shape == "qwen3-0.6b") {
    shape = {"qwen3", 28, 1024, 16, 8, 128, 3072, 151936, 8192};
  } else if (arguments.shape != "tiny") {
    stop("--shape is tiny, smollm2 or qwen3-0.6b");
  }
  shape.type = arguments.type == "f32"    ? TensorType::kF32
               : arguments.type == "q4_1" ? TensorType::kQ4_1
                                          : TensorType::kQ8_0;
  if (arguments.shape == "tiny") shape.type = TensorType::kF32;
  return shape;
}

Json figures(const Usage& usage, double wall_s, std::int64_t expected) {
  return {{"prefilled", usage.prefilled_tokens},
          {"prefilled_minimum", expected},
          {"prompt", usage.prompt_tokens},
          {"reused", usage.reused_tokens},
          {"generated", usage.generated_tokens},
          {"forced", usage.forced_tokens},
          {"drafted", usage.drafted_tokens},
          {"rejected", usage.rejected_tokens},
          {"wall_s", wall_s},
          {"tokens_per_s", static_cast<double>(usage.generated_tokens + usage.prefilled_tokens) / wall_s}};
}

Json timed(std::int64_t expected, const std::function<Result<Usage>()>& run) {
  const auto begin = std::chrono::steady_clock::now();
  const auto usage = run();
  if (!usage) stop(usage.error().text());
  return figures(*usage, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(),
                 expected);
}

}  // namespace

int main(int count, char** values) {
  const Arguments arguments = parse(count, values);
  std::string bytes;
  if (arguments.file.empty()) bytes = RandomModel(shape_of(arguments)).bytes();
  const auto open_file = [&] {
    auto file = arguments.file.empty() ? GgufFile::parse(std::as_bytes(std::span(bytes)), "random")
                                       : GgufFile::open(arguments.file);
    if (!file) stop(file.error().text());
    return *file;
  };
  const auto open_engine = [&] {
    auto engine = Engine::open(open_file(), arguments.engine);
    if (!engine) stop(engine.error().text());
    return std::move(*engine);
  };
  auto engine = open_engine();
  AgentWorkload load;
  load.vocabulary = engine->vocabulary();
  Json report;
  report["model"] =
      arguments.file.empty() ? "random " + arguments.shape + " " + arguments.type : arguments.file;
  report["kernels"] = engine->kernels();

  std::vector<TokenId> history;
  report["loop_20_turns"] = timed(5019, [&] {
    std::vector<Task<Usage>> tasks;
    tasks.push_back(run_agent(*engine, load, 0, 0, 20, history));
    return all_together(std::move(tasks));
  });

  load.salt = 1;
  std::vector<std::vector<TokenId>> histories(4);
  report["agents_4_turns_10"] = timed(8036, [&] {
    std::vector<Task<Usage>> tasks;
    for (unsigned i = 0; i < 4; ++i) tasks.push_back(run_agent(*engine, load, i, 0, 10, histories[i]));
    return all_together(std::move(tasks));
  });

  load.salt = 2;
  report["fan_out_8"] = timed(2400, [&] {
    std::vector<Task<Usage>> tasks;
    for (unsigned i = 0; i < 8; ++i) tasks.push_back(run_child(*engine, load, i, 50));
    return all_together(std::move(tasks));
  });

  // A process that stops after 5 turns and one that goes on from the file it left: 150 new tokens in each
  // further turn and the last generated one of the turn before, which was never computed.
  load.salt = 3;
  std::vector<TokenId> resumed;
  const std::string path =
      (std::filesystem::temp_directory_path() / ("agent_loop_bench-" + std::to_string(::getpid()) + ".kv"))
          .string();
  report["before_the_stop"] = timed(2150 + 4 * 151, [&] {
    std::vector<Task<Usage>> tasks;
    tasks.push_back(run_agent(*engine, load, 0, 0, 5, resumed));
    return all_together(std::move(tasks));
  });
  asio::io_context context;
  if (auto saved = run_to_end(context, engine->save(resumed, path)); !saved) stop(saved.error().text());
  engine.reset();
  engine = open_engine();
  report["resumed_process"] = timed(5 * 151, [&]() -> Result<Usage> {
    TSUKAI_TRY_VOID(run_to_end(context, engine->load(path)));
    std::vector<Task<Usage>> tasks;
    tasks.push_back(run_agent(*engine, load, 0, 5, 5, resumed));
    return all_together(std::move(tasks));
  });
  std::filesystem::remove(path);
  std::puts(print_json_pretty(report).c_str());
}
