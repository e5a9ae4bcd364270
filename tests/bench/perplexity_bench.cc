// How well a model predicts a text: perplexity_bench MODEL TEXT [--kv f16|q8|f32] [--tokens N] [--ids FILE]
// The text's first N tokens (default 4,096) in windows of 512, each on its own; every token of a window but
// the first is predicted. Prints one JSON object; --ids writes the token ids, for perplexity_llama.py.
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/hash.h"
#include "infer/local_model.h"

namespace {

using namespace tsukai;
using namespace tsukai::infer;

constexpr std::size_t kWindow = 512;

// -log p(token) under a row of logits.
double surprise(const float* logits, std::size_t vocabulary, TokenId token) {
  double largest = logits[0], sum = 0;
  for (std::size_t i = 1; i < vocabulary; ++i) largest = std::max<double>(largest, logits[i]);
  for (std::size_t i = 0; i < vocabulary; ++i) sum += std::exp(logits[i] - largest);
  return std::log(sum) + largest - logits[token];
}

}  // namespace

int main(int count, char** words) {
  if (count < 3) {
    std::fprintf(stderr, "usage: perplexity_bench MODEL TEXT [--kv f16|q8|f32] [--tokens N] [--ids FILE]\n");
    return 2;
  }
  LocalModelOptions options;
  options.path = words[1];
  std::size_t tokens_max = 4096;
  std::string ids;
  for (int i = 3; i + 1 < count; i += 2) {
    const std::string flag = words[i];
    if (flag == "--kv") options.kv = words[i + 1];
    if (flag == "--tokens") tokens_max = std::stoul(words[i + 1]);
    if (flag == "--ids") ids = words[i + 1];
  }
  std::ifstream file(words[2], std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  auto model = LocalModel::open(options);
  if (!model) {
    std::fprintf(stderr, "%s\n", model.error().text().c_str());
    return 3;
  }
  std::vector<TokenId> tokens = (*model)->tokenize(text.str(), false);
  tokens.resize(std::min(tokens.size(), tokens_max) / kWindow * kWindow);
  if (!ids.empty()) {
    std::ofstream out(ids);
    for (const TokenId token : tokens) out << token << "\n";
  }
  double sum = 0;
  std::size_t predicted = 0, top1 = 0;
  const std::size_t vocabulary = (*model)->vocabulary();
  for (std::size_t begin = 0; begin < tokens.size(); begin += kWindow) {
    asio::io_context context;
    const std::vector<TokenId> window(tokens.begin() + static_cast<std::ptrdiff_t>(begin),
                                      tokens.begin() + static_cast<std::ptrdiff_t>(begin + kWindow));
    const auto logits = run_to_end(context, (*model)->logits(window));
    if (!logits) {
      std::fprintf(stderr, "%s\n", logits.error().text().c_str());
      return 1;
    }
    for (std::size_t i = 1; i < kWindow; ++i, ++predicted) {
      const float* row = logits->data() + (i - 1) * vocabulary;
      sum += surprise(row, vocabulary, window[i]);
      top1 += std::max_element(row, row + vocabulary) - row == window[i] ? 1 : 0;
    }
  }
  if (predicted == 0) {
    std::fprintf(stderr, "%s holds fewer than %zu tokens\n", words[2], kWindow);
    return 1;
  }
  const double n = static_cast<double>(predicted);
  std::printf("%s\n", print_json_pretty({{"model", (*model)->description().name},
                                         {"kernels", (*model)->kernels()},
                                         {"kv", options.kv},
                                         {"text_sha256", sha256_hex(text.str())},
                                         {"predicted", predicted},
                                         {"perplexity", std::exp(sum / n)},
                                         {"top1", static_cast<double>(top1) / n}})
                          .c_str());
  return 0;
}
