// Fetching a whole model into the cache folder.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/task.h"
#include "infer/pull/model_source.h"

namespace tsukai {
class HttpClient;
}

namespace tsukai::infer {

struct PullOptions {
  std::string cache;   // The cache folder; made when it is not there.
  std::string sha256;  // Of a single file, when its source tells none (a URL).
  // Where the hubs are, without a slash at the end.
  std::string hugging_face = "https://huggingface.co";
  std::string model_scope = "https://modelscope.cn";
  std::string token;  // Sent to hugging_face alone, as a bearer token; may be empty.
  int retries_max = 5;
  std::chrono::milliseconds retry_pause{1'000}, idle_timeout{30'000};
  // A file's name, its bytes so far and in all (0: not known yet), and its place: the first of 3 is 1 of 3.
  std::function<void(const std::string&, std::uint64_t, std::uint64_t, std::size_t, std::size_t)> on_progress;
};

struct PulledFile {
  std::string path;  // On this machine.
  std::uint64_t bytes = 0, bytes_fetched = 0;
  std::string sha256;
  bool checked = false;  // Against a SHA-256 that the source told.
};
struct Pulled {
  std::string path;  // What to open: a file (the first part of a split one) or a folder.
  std::vector<PulledFile> files;
};

// Fetches what is missing of `source`. A model folder is complete once its config.json is there, which comes
// last. Errors as those of download(), parse_file_list() and choose_files().
Task<Pulled> pull_model(HttpClient& client, ModelSource source, PullOptions options);

// A model of the cache folder.
struct CachedModel {
  std::string name;  // What commands take: "hf:ORG/REPO:FILE", "hf:ORG/REPO"; a path for others.
  std::string path;
  std::uint64_t bytes = 0;
};
// By name. Files that are not complete are left out. A folder that is not there holds none.
std::vector<CachedModel> list_cached(const std::string& cache);

// The path of a pulled model; kNotFound says how to pull it, kInvalidArgument when several fit.
Result<std::string> find_cached(const std::string& cache, const ModelSource& source);

}  // namespace tsukai::infer
