#include "tools/tsukai/model_measure_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "base/text.h"
#include "infer/local_model.h"
#include "tools/tsukai/files.h"
#include "tools/tsukai/interrupt.h"

namespace tsukai::cli {
namespace {

Result<std::vector<std::string>> texts_of(const std::vector<std::string>& given) {
  if (given != std::vector<std::string>{"-"}) return given;
  TSUKAI_TRY(const std::string text, read_text_file("-"));
  std::vector<std::string> lines = split(text, '\n');
  std::erase(lines, "");
  return lines;
}

Task<std::vector<std::vector<float>>> embed_all(infer::LocalModel& model, std::vector<std::string> texts,
                                                infer::Pooling pooling) {
  std::vector<std::vector<float>> vectors;
  for (const std::string& text : texts) {
    auto tokens = model.tokenize(text, false);
    if (tokens.empty()) co_return fail(Code::kInvalidArgument, "an empty text has no vector");
    TSUKAI_CO_TRY(auto vector, co_await model.embed(std::move(tokens), pooling));
    vectors.push_back(std::move(vector));
  }
  co_return vectors;
}

struct Speeds {
  std::vector<double> prefill, decode;  // tokens a second
};

Task<Speeds> measure(infer::LocalModel& model, BenchArguments arguments) {
  Speeds speeds;
  std::mt19937 random(1);
  for (int i = 0; i < arguments.repeats; ++i) {
    std::vector<infer::TokenId> prompt;
    for (std::size_t t = 0; t < arguments.prompt_tokens; ++t)
      prompt.push_back(static_cast<infer::TokenId>(random() % model.vocabulary()));
    infer::GenerateOptions options;
    options.tokens_max = arguments.tokens;
    // Random prompts have no ends, so few answers stop early; what was made is what counts.
    options.sampling.temperature = 1;
    options.sampling.seed = static_cast<std::uint64_t>(i);
    TSUKAI_CO_TRY(const auto made, co_await model.complete(std::move(prompt), std::move(options), {}));
    const auto& usage = made.usage;
    if (usage.prefill_ms > 0)
      speeds.prefill.push_back(static_cast<double>(usage.prefilled_tokens) * 1000 / usage.prefill_ms);
    if (usage.decode_ms > 0)
      speeds.decode.push_back(static_cast<double>(usage.generated_tokens) * 1000 / usage.decode_ms);
  }
  co_return speeds;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int model_embed_command(Output& output, const EmbedArguments& arguments) {
  auto texts = texts_of(arguments.texts);
  if (!texts) return output.fail(texts.error());
  output.busy("loading " + arguments.model);
  auto model = open_model(arguments.model, arguments.flags);
  if (!model) return output.fail(model.error());
  output.busy("the model reads");
  asio::io_context context;
  auto vectors = run_interruptible(
      context, embed_all(**model, *texts, arguments.mean ? infer::Pooling::kMean : infer::Pooling::kLast));
  if (!vectors) return output.fail(vectors.error());
  if (output.json()) {
    Json list = Json::array();
    for (std::size_t i = 0; i < vectors->size(); ++i)
      list.push_back({{"text", repaired_utf8((*texts)[i])}, {"vector", (*vectors)[i]}});
    output.document({{"pooling", arguments.mean ? "mean" : "last"}, {"embeddings", std::move(list)}});
    return 0;
  }
  for (const auto& vector : *vectors) output.line(fmt::format("{:.6f}", fmt::join(vector, " ")));
  return 0;
}

int model_bench_command(Output& output, const BenchArguments& arguments) {
  output.busy("loading " + arguments.model);
  auto model = open_model(arguments.model, arguments.flags);
  if (!model) return output.fail(model.error());
  output.busy("measuring");
  asio::io_context context;
  auto speeds = run_interruptible(context, measure(**model, arguments));
  if (!speeds) return output.fail(speeds.error());
  const double prefill = median(speeds->prefill), decode = median(speeds->decode);
  if (output.json()) {
    output.document({{"model", (*model)->description().name},
                     {"quantisation", (*model)->description().quantisation},
                     {"kernels", (*model)->kernels()},
                     {"kv", arguments.flags.kv},
                     {"prompt_tokens", arguments.prompt_tokens},
                     {"tokens", arguments.tokens},
                     {"prefill_tokens_per_s", prefill},
                     {"decode_tokens_per_s", decode},
                     {"prefill_all", speeds->prefill},
                     {"decode_all", speeds->decode}});
    return 0;
  }
  output.line(fmt::format("reads {:.0f} tokens/s ({} at a time), writes {:.1f} tokens/s", prefill,
                          arguments.prompt_tokens, decode));
  output.note(output.paint_note(
      Style::kDim, fmt::format("{} {} · {} · KV {} · median of {}", (*model)->description().name,
                               (*model)->description().quantisation, (*model)->kernels(), arguments.flags.kv,
                               arguments.repeats)));
  return 0;
}

}  // namespace tsukai::cli
