#include "infer/pull/pull.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/http_client.h"
#include "infer/format/gguf_split.h"
#include "infer/pull/download.h"

namespace tsukai::infer {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t kListBytesMax = 16u << 20;
constexpr int kDepthMax = 8;                  // Folders below the cache that list_cached() looks into,
constexpr std::size_t kEntriesMax = 100'000;  // and what it looks at.

std::string escaped(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (c == ' ' || c == '+' || c == '@' || c == '=') {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string list_url(const ModelSource& source, const PullOptions& options) {
  if (source.hub == ModelHub::kHuggingFace)
    return options.hugging_face + "/api/models/" + source.repository + "/tree/main?recursive=true";
  return options.model_scope + "/api/v1/models/" + source.repository +
         "/repo/files?Revision=master&Recursive=true";
}

std::string file_url(const ModelSource& source, const std::string& file, const PullOptions& options) {
  if (source.hub == ModelHub::kUrl) return source.url;
  if (source.hub == ModelHub::kHuggingFace)
    return options.hugging_face + "/" + source.repository + "/resolve/main/" + escaped(file);
  return options.model_scope + "/api/v1/models/" + source.repository +
         "/repo?Revision=master&FilePath=" + escaped(file);
}

HttpHeaders headers_of(const ModelSource& source, const PullOptions& options) {
  HttpHeaders headers{{"User-Agent", "tsukai"}};
  if (source.hub == ModelHub::kHuggingFace && !options.token.empty())
    headers.emplace_back("Authorization", "Bearer " + options.token);
  return headers;
}

Task<std::vector<RemoteFile>> list_files(HttpClient& client, ModelSource source, PullOptions options) {
  HttpRequest request;
  request.url = list_url(source, options);
  request.headers = headers_of(source, options);
  request.idle_timeout = options.idle_timeout;
  request.body_bytes_max = kListBytesMax;
  request.redirects_max = 4;
  TSUKAI_CO_TRY(HttpResponse response, co_await client.fetch(request));
  if (response.status == 404) co_return fail(Code::kNotFound, "there is no repository " + source.repository);
  if (response.status == 401 || response.status == 403) {
    co_return fail(Code::kDenied,
                   fmt::format("repository {}: the server refuses ({})", source.repository, response.status),
                   "check its name; accept the model's terms on its page and set HF_TOKEN");
  }
  if (response.status != 200)
    co_return fail(Code::kTransport, fmt::format("{}: the server answers {}", request.url, response.status));
  auto files = parse_file_list(source.hub, response.body);
  if (!files) co_return fail(std::move(files).error().in(request.url));
  co_return *std::move(files);
}

// config.json last: a folder without it is no model yet.
void put_config_last(std::vector<RemoteFile>& files) {
  const auto config = std::ranges::find(files, "config.json", &RemoteFile::path);
  if (config != files.end()) std::rotate(config, config + 1, files.end());
}

std::string prefix_of(ModelHub hub) { return hub == ModelHub::kHuggingFace ? "hf:" : "ms:"; }

}  // namespace

Task<Pulled> pull_model(HttpClient& client, ModelSource source, PullOptions options) {
  std::vector<RemoteFile> files{{source.file, 0, options.sha256}};
  if (source.hub != ModelHub::kUrl) {
    TSUKAI_CO_TRY(const auto all, co_await list_files(client, source, options));
    auto chosen = choose_files(all, source.file);
    if (!chosen) co_return fail(std::move(chosen).error().in(source.repository));
    files = *std::move(chosen);
    put_config_last(files);
  }
  const fs::path folder = cache_folder(options.cache, source);
  Pulled pulled;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const RemoteFile& file = files[i];
    const fs::path path = folder / file.path;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (error) co_return fail(Code::kInvalidArgument, path.parent_path().string() + ": " + error.message());
    DownloadRequest request;
    request.url = file_url(source, file.path, options);
    request.path = path.string();
    request.bytes = file.bytes;
    request.sha256 = file.sha256;
    request.headers = headers_of(source, options);
    request.retries_max = options.retries_max;
    request.retry_pause = options.retry_pause;
    request.idle_timeout = options.idle_timeout;
    if (options.on_progress) {
      request.on_progress = [&options, name = file.path, i, count = files.size()](std::uint64_t bytes,
                                                                                  std::uint64_t all) {
        options.on_progress(name, bytes, all, i + 1, count);
      };
    }
    TSUKAI_CO_TRY(Downloaded done, co_await download(client, std::move(request)));
    pulled.files.push_back(
        {path.string(), done.bytes, done.bytes_fetched, done.sha256, !file.sha256.empty()});
  }
  const bool is_folder = files.back().path == "config.json";
  pulled.path = is_folder ? folder.string() : pulled.files.front().path;
  co_return pulled;
}

std::vector<CachedModel> list_cached(const std::string& cache) {
  std::vector<CachedModel> models;
  std::error_code error;
  fs::recursive_directory_iterator walk(cache, fs::directory_options::skip_permission_denied, error), end;
  for (std::size_t seen = 0; !error && walk != end && seen < kEntriesMax; walk.increment(error), ++seen) {
    if (walk.depth() >= kDepthMax) walk.disable_recursion_pending();
    const fs::path path = walk->path();
    std::error_code ignored;
    const bool folder = path.filename() == "config.json";
    if (!walk->is_regular_file(ignored) || (!folder && path.extension() != ".gguf")) continue;
    const auto first = split_part_path(path.string(), 1);
    if (first && *first != path.string()) continue;
    CachedModel model;
    model.path = folder ? path.parent_path().string() : path.string();
    const std::string below = fs::relative(model.path, cache, ignored).generic_string();
    model.name = model.path;
    if (below.starts_with("hf/") || below.starts_with("ms/")) {
      const std::size_t repository = below.find('/', 3), file = below.find('/', repository + 1);
      model.name = below.substr(0, 2) + ":" + below.substr(3, file == std::string::npos ? file : file - 3);
      if (repository != std::string::npos && file != std::string::npos)
        model.name += ":" + below.substr(file + 1);
    }
    if (folder) {
      for (const auto& part : fs::directory_iterator(model.path, ignored)) {
        if (part.is_regular_file(ignored) && part.path().extension() != ".part")
          model.bytes += part.file_size(ignored);
      }
    } else {
      for (unsigned i = 1; first; ++i) {
        const std::uintmax_t bytes = fs::file_size(*split_part_path(path.string(), i), ignored);
        if (ignored) break;
        model.bytes += bytes;
      }
      if (!first) model.bytes = fs::file_size(path, ignored);
    }
    models.push_back(std::move(model));
  }
  std::ranges::sort(models, {}, &CachedModel::name);
  return models;
}

Result<std::string> find_cached(const std::string& cache, const ModelSource& source) {
  const std::string name = source.hub == ModelHub::kUrl ? source.url
                                                        : prefix_of(source.hub) + source.repository +
                                                              (source.file.empty() ? "" : ":" + source.file);
  std::vector<RemoteFile> files;
  std::vector<CachedModel> models = list_cached(cache);
  const std::string folder = cache_folder(cache, source);
  for (const CachedModel& model : models) {
    if (model.path == folder && source.file.empty()) return model.path;
    if (model.path.starts_with(folder + "/")) files.push_back({model.path.substr(folder.size() + 1), 0, ""});
  }
  const Result<std::vector<RemoteFile>> chosen = choose_files(files, source.file);
  if (chosen) return folder + "/" + chosen->front().path;
  if (chosen.error().code() == Code::kInvalidArgument) return fail(Error(chosen.error()).in(name));
  return fail(Code::kNotFound, "model " + name + " is not in the cache folder",
              "run: tsukai model pull " + name);
}

}  // namespace tsukai::infer
