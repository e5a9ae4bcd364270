// What guessing is worth under a grammar: guess_bench MODEL.gguf [--rounds N] [--kernels NAME]
// Three tasks for one thread, each under a JSON Schema: copying records of the prompt into an array, filling
// one form in, and writing with a temperature. Guesses of at most 8 tokens and none take turns, so that both
// meet the same machine; the tokens are compared. Prints one JSON object; times are of the processor.
#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "infer/chat/turn.h"
#include "infer/format/model_file.h"
#include "support/await.h"

namespace {

using namespace tsukai;
using namespace tsukai::infer;

struct GuessTask {
  const char* name;
  std::string prompt, schema;
  float temperature = 0;
};

constexpr const char* kRecords =
    "Places: {\"kind\":\"cafe\",\"name\":\"Gatehouse Coffee\",\"open\":true,\"street\":\"4 Old Gate "
    "Street\"} "
    "{\"kind\":\"museum\",\"name\":\"City Museum\",\"open\":false,\"street\":\"12 Harbour Road\"} "
    "{\"kind\":\"hotel\",\"name\":\"White Heron Inn\",\"open\":true,\"street\":\"7 Lighthouse Lane\"}\n"
    "The same places as a JSON array, each as it stands above:\n";
constexpr const char* kPlace =
    R"({"type":"object","additionalProperties":false,"required":["kind","name","open","street"],"properties":)"
    R"({"kind":{"enum":["cafe","museum","hotel"]},"name":{"type":"string","maxLength":40},)"
    R"("open":{"type":"boolean"},"street":{"type":"string","maxLength":40}}})";
constexpr const char* kForm =
    R"({"type":"object","additionalProperties":false,"required":["address","city","guests","confirmed","notes"],)"
    R"("properties":{"address":{"type":"string","maxLength":40},"city":{"type":"string","maxLength":20},)"
    R"("guests":{"type":"integer","minimum":1,"maximum":9},"confirmed":{"type":"boolean"},)"
    R"("notes":{"type":"array","maxItems":3,"items":{"type":"string","maxLength":30}}}})";

std::vector<GuessTask> tasks() {
  const std::string list =
      std::string(R"({"type":"array","minItems":3,"maxItems":3,"items":)") + kPlace + "}";
  const std::string form =
      "A table for two at Gatehouse Coffee, 4 Old Gate Street, Lanwan, as a JSON booking:\n";
  return {{"copy records", kRecords, list},
          {"fill a form in", form, kForm},
          {"fill a form in, temperature 0.8", form, kForm, 0.8f}};
}

[[noreturn]] void stop(const std::string& message) {
  std::fprintf(stderr, "guess_bench: %s\n", message.c_str());
  std::exit(2);
}

double processor_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

// A model's parts without its template, so that guessing can be switched off.
struct GuessWriter {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const MaskVocabulary> masks;
  std::unique_ptr<Engine> engine;

  static Result<GuessWriter> open(const std::string& path, EngineOptions options) {
    TSUKAI_TRY(auto file, ModelFile::open(path));
    TSUKAI_TRY(auto data, file->vocabulary());
    GuessWriter writer;
    TSUKAI_TRY(writer.tokenizer, Tokenizer::make(std::move(data)));
    TSUKAI_TRY(writer.engine, Engine::open(file, options));
    writer.masks = MaskVocabulary::make(*writer.tokenizer);
    return writer;
  }

  Result<EngineOutput> write(const GuessTask& task) const {
    TSUKAI_TRY(const auto schema, parse_json(task.schema));
    TSUKAI_TRY(auto grammar, Grammar::from_schema(schema));
    Generation generation;
    generation.prompt = tokenizer->encode(task.prompt);
    generation.tokens_max = 200;
    generation.sampling.temperature = task.temperature;
    generation.ends = {tokenizer->end_of_turn()};
    generation.constraint = make_grammar_constraint(tokenizer, masks, std::move(grammar), generation.ends);
    return await(engine->generate(std::move(generation)));
  }
};

}  // namespace

int main(int count, char** words) {
  if (count < 2) stop("usage: guess_bench MODEL.gguf [--rounds N] [--kernels NAME]");
  EngineOptions options;
  options.threads = 1;
  int rounds = 5;
  for (int i = 2; i + 1 < count; i += 2) {
    const std::string flag = words[i];
    if (flag == "--rounds")
      rounds = std::atoi(words[i + 1]);
    else if (flag == "--kernels")
      options.kernels = words[i + 1];
    else
      stop("unknown option " + flag);
  }
  std::vector<GuessWriter> writers;  // without guesses, with them
  for (const int draft : {0, EngineOptions().draft_tokens_max}) {
    options.draft_tokens_max = draft;
    auto writer = GuessWriter::open(words[1], options);
    if (!writer) stop(writer.error().text());
    writers.push_back(*std::move(writer));
  }
  Json report = Json::array();
  for (const auto& task : tasks()) {
    double ms[2] = {0, 0};
    EngineOutput made[2];
    for (int round = 0; round <= rounds; ++round) {  // the first one fills caches
      for (const int guesses : {round % 2, 1 - round % 2}) {
        const double begin = processor_ms();
        auto output = writers[static_cast<std::size_t>(guesses)].write(task);
        if (!output) stop(output.error().text());
        if (round > 0) ms[guesses] += processor_ms() - begin;
        made[guesses] = *std::move(output);
      }
    }
    const Usage& usage = made[1].usage;
    const double tokens = static_cast<double>(usage.generated_tokens) * rounds;
    report.push_back({{"task", task.name},
                      {"same_tokens", made[0].tokens == made[1].tokens},
                      {"generated", usage.generated_tokens},
                      {"forced", usage.forced_tokens},
                      {"drafted", usage.drafted_tokens},
                      {"rejected", usage.rejected_tokens},
                      {"tokens_per_s", tokens / ms[1] * 1e3},
                      {"tokens_per_s_without_guesses", tokens / ms[0] * 1e3},
                      {"ratio", ms[0] / ms[1]}});
  }
  std::printf("%s\n", report.dump(1).c_str());
}
