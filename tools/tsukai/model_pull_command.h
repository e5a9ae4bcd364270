// `tsukai model pull` and `tsukai model list`: models fetched into the cache folder.
#pragma once

#include <string>

#include "tools/tsukai/output.h"

namespace tsukai::cli {

struct PullArguments {
  std::string source;  // hf:ORG/REPO[:FILE], ms:ORG/REPO[:FILE] or a URL
  std::string sha256;
  double timeout_s = 0;
};

// $HF_ENDPOINT and $MODELSCOPE_ENDPOINT name mirrors of the hubs; $HF_TOKEN opens gated models.
int model_pull_command(Output& output, const PullArguments& arguments);
int model_list_command(Output& output);

// "model.gguf (2 of 3) [#####-----] 52 % · 310.2 MB of 600.1 MB · 12.1 MB/s", at most `width` cells.
std::string progress_text(const std::string& name, std::uint64_t bytes, std::uint64_t all, double bytes_per_s,
                          std::size_t width);

}  // namespace tsukai::cli
