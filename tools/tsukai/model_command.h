// `tsukai model`: what is in a model file, and what the model says without any agent around it.
#pragma once

#include <string>
#include <vector>

#include "tools/tsukai/model_flags.h"
#include "tools/tsukai/output.h"

namespace tsukai::cli {

struct GenerateArguments {
  std::string model, prompt;
  std::string system;
  std::string schema;  // A JSON Schema file: the answer is JSON of it.
  bool plain = false;  // Continue the text instead of answering it.
  std::size_t tokens_max = 256;
  float temperature = 0, top_p = 1, min_p = 0;
  int top_k = 0;
  std::uint64_t seed = 0;
  std::vector<std::string> stop;
  std::vector<std::string> logit_bias;  // "TOKEN=BIAS"
  int logprobs = -1;                    // Alternatives told beside each token; -1: no log probabilities.
  // "off", or tokens of thinking at most; empty: as the model likes.
  std::string thinking;
  ModelFlags flags;
  double timeout_s = 0;
};

int model_info_command(Output& output, const std::string& model);
int model_generate_command(Output& output, const GenerateArguments& arguments);
// `control`: control tokens spelled in the text become those tokens.
int model_tokenize_command(Output& output, const std::string& model, const std::string& text, bool control);

}  // namespace tsukai::cli
