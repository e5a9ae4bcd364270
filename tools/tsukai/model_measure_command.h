// `tsukai model embed` and `tsukai model bench`.
#pragma once

#include <string>
#include <vector>

#include "tools/tsukai/model_flags.h"
#include "tools/tsukai/output.h"

namespace tsukai::cli {

struct EmbedArguments {
  std::string model;
  std::vector<std::string> texts;  // "-": the lines of standard input
  bool mean = false;               // Of all positions, in place of the last one's.
  ModelFlags flags;
};
// One unit vector for each text.
int model_embed_command(Output& output, const EmbedArguments& arguments);

struct BenchArguments {
  std::string model;
  std::size_t prompt_tokens = 512, tokens = 128;
  int repeats = 3;
  ModelFlags flags;
};
// How fast a model reads and writes here: medians over the repeats, each with a prompt of its own (random
// tokens), so that nothing is found in the cache.
int model_bench_command(Output& output, const BenchArguments& arguments);

}  // namespace tsukai::cli
