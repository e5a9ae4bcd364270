#include "infer/pull/model_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "infer/format/gguf_split.h"

namespace tsukai::infer {
namespace {

constexpr std::size_t kFilesMax = 20'000;
constexpr std::size_t kListedMax = 20;

// "ORG/REPO", both of letters, digits, '.', '_' and '-'.
bool is_repository(std::string_view text) {
  return is_safe_path(text) && std::ranges::count(text, '/') == 1 &&
         std::ranges::none_of(text, [](char c) { return c == ' ' || c == '+' || c == '@' || c == '='; });
}

bool is_sha256(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

void add(std::vector<RemoteFile>& files, std::string path, std::int64_t bytes, const std::string& sha256) {
  if (!is_safe_path(path)) return;
  files.push_back({std::move(path), bytes > 0 ? static_cast<std::uint64_t>(bytes) : 0,
                   is_sha256(sha256) ? lower(sha256) : ""});
}

// The first part of a split model stands for all; other parts stand for none.
bool is_later_part(const std::string& path) {
  const auto first = split_part_path(path, 1);
  return first && *first != path;
}

std::string listed(const std::vector<RemoteFile>& files) {
  std::string text;
  for (std::size_t i = 0; i < std::min(files.size(), kListedMax); ++i)
    text += (i == 0 ? "" : ", ") + files[i].path;
  return text + (files.size() > kListedMax ? ", ..." : "");
}

std::vector<RemoteFile> folder_of(const std::vector<RemoteFile>& all) {
  static constexpr std::string_view kNeeded[] = {"config.json",           "tokenizer.json",
                                                 "tokenizer_config.json", "generation_config.json",
                                                 "chat_template.jinja",   "model.safetensors.index.json"};
  std::vector<RemoteFile> files;
  for (const RemoteFile& file : all) {
    if (file.path.find('/') != std::string::npos) continue;
    if (std::ranges::find(kNeeded, file.path) != std::end(kNeeded) || file.path.ends_with(".safetensors"))
      files.push_back(file);
  }
  return files;
}

}  // namespace

bool is_safe_path(std::string_view path) {
  constexpr std::string_view kOthers = "._+@=- /";
  if (path.empty() || path.size() > 200 || path.front() == '/' || path.back() == '/') return false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const bool begins = i == 0 || path[i - 1] == '/';
    if (begins && (path[i] == '.' || path[i] == '/' || path[i] == '-')) return false;
    if (std::isalnum(static_cast<unsigned char>(path[i])) == 0 &&
        kOthers.find(path[i]) == std::string_view::npos)
      return false;
  }
  return true;
}

Result<ModelSource> parse_model_source(std::string_view text) {
  ModelSource source;
  if (text.starts_with("http://") || text.starts_with("https://")) {
    source.url = text;
    const std::string_view bare = text.substr(0, text.find_first_of("?#"));
    source.file = bare.substr(bare.rfind('/') + 1);
    const bool has_path = bare.find('/', bare.find("//") + 2) != std::string_view::npos;
    if (has_path && is_safe_path(source.file)) return source;
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\" does not end in the name of a file", shortened(text, 120)));
  }
  if (text.starts_with("hf:")) {
    source.hub = ModelHub::kHuggingFace;
  } else if (text.starts_with("ms:")) {
    source.hub = ModelHub::kModelScope;
  } else {
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\" names no place to fetch a model from", shortened(text, 120)),
                "give hf:ORG/REPO[:FILE], ms:ORG/REPO[:FILE] or a URL");
  }
  text.remove_prefix(3);
  const std::size_t colon = text.find(':');
  source.repository = text.substr(0, colon);
  if (colon != std::string_view::npos) source.file = text.substr(colon + 1);
  if (!is_repository(source.repository) || (colon != std::string_view::npos && !is_safe_path(source.file))) {
    return fail(Code::kInvalidArgument,
                fmt::format("\"{}\" is not of the form ORG/REPO[:FILE]", shortened(text, 120)),
                "for example hf:Qwen/Qwen3-0.6B-GGUF:Q8_0");
  }
  return source;
}

Result<std::vector<RemoteFile>> parse_file_list(ModelHub hub, std::string_view json) {
  const auto root = parse_json(json, {.bytes_max = 16u << 20, .depth_max = 16});
  if (!root) return fail(Code::kProtocol, "the list of files is no JSON: " + root.error().message());
  const Json* list = &*root;
  if (hub == ModelHub::kModelScope) {
    const Json* data = find(*root, "Data");
    list = data == nullptr ? nullptr : find(*data, "Files");
  }
  if (list == nullptr || !list->is_array() || list->size() > kFilesMax)
    return fail(Code::kProtocol, "the answer holds no list of files");
  std::vector<RemoteFile> files;
  for (const Json& entry : *list) {
    if (hub == ModelHub::kModelScope) {
      if (string_at(entry, "Type", "blob") == "blob")
        add(files, string_at(entry, "Path"), integer_at(entry, "Size"), string_at(entry, "Sha256"));
    } else if (string_at(entry, "type", "file") == "file") {
      const Json* lfs = find(entry, "lfs");
      add(files, string_at(entry, "path"), integer_at(entry, "size"), lfs ? string_at(*lfs, "oid") : "");
    }
  }
  return files;
}

Result<std::vector<RemoteFile>> choose_files(const std::vector<RemoteFile>& all, const std::string& wanted) {
  std::vector<RemoteFile> models;  // One for each GGUF model.
  for (const RemoteFile& file : all) {
    if (file.path.ends_with(".gguf") && !is_later_part(file.path)) models.push_back(file);
  }
  std::vector<RemoteFile> fits;
  for (const RemoteFile& file : all) {
    if (file.path == wanted) fits = {file};
  }
  if (fits.empty() && !wanted.empty()) {
    for (const RemoteFile& file : models) {
      if (lower(file.path).find(lower(wanted)) != std::string::npos) fits.push_back(file);
    }
  }
  if (wanted.empty()) {
    std::vector<RemoteFile> folder = folder_of(all);
    const auto has = [&](std::string_view end) {
      return std::ranges::any_of(folder, [&](const RemoteFile& file) { return file.path.ends_with(end); });
    };
    if (has("config.json") && has(".safetensors")) return folder;
    fits = models;
  }
  if (fits.empty()) {
    return fail(Code::kNotFound,
                wanted.empty() ? "the repository holds no GGUF file and no config.json with *.safetensors"
                               : "no file of the repository is named or contains \"" + wanted + "\"",
                models.empty() ? "" : "there are " + listed(models));
  }
  if (fits.size() > 1) {
    return fail(Code::kInvalidArgument, fmt::format("{} GGUF models fit", fits.size()),
                "name one after a second colon: " + listed(fits));
  }
  if (!split_part_path(fits[0].path, 1)) return fits;
  std::vector<RemoteFile> parts;
  for (unsigned i = 1;; ++i) {
    const auto path = split_part_path(fits[0].path, i);
    const auto part = std::ranges::find(all, *path, &RemoteFile::path);
    if (part == all.end()) break;
    parts.push_back(*part);
  }
  return parts;
}

std::string cache_folder(const std::string& cache, const ModelSource& source) {
  if (source.hub != ModelHub::kUrl)
    return cache + (source.hub == ModelHub::kHuggingFace ? "/hf/" : "/ms/") + source.repository;
  std::string host = source.url.substr(source.url.find("//") + 2);
  host.resize(host.find('/'));
  host = host.substr(host.rfind('@') + 1);
  std::ranges::replace_if(
      host, [](unsigned char c) { return std::isalnum(c) == 0 && c != '.' && c != '-'; }, '_');
  return cache + "/url/" + (host.starts_with('.') ? "_" : "") + host;
}

}  // namespace tsukai::infer
