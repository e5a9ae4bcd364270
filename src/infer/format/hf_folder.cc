#include "infer/format/hf_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <unordered_map>

#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "infer/format/hf_config.h"
#include "infer/format/safetensors.h"
#include "infer/tokenizer/tokenizer_json.h"

namespace tsukai::infer {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t kSmallFileBytesMax = 16u << 20;
constexpr std::size_t kShardsMax = 1000;

// A text file whole; empty when it is not there.
Result<std::string> read_part(const fs::path& path, std::size_t bytes_max) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return std::string();
  if (const auto size = fs::file_size(path, error); error || size > bytes_max) {
    return fail(Code::kCorrupt, fmt::format("{} is larger than {} bytes", path.string(), bytes_max));
  }
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  if (!file) return fail(Code::kTransport, path.string() + " can't be read");
  return std::move(text).str();
}

struct Rename {
  std::string_view from, to;
};
constexpr std::array kModules = {
    Rename{"input_layernorm", "attn_norm"},    Rename{"post_attention_layernorm", "ffn_norm"},
    Rename{"self_attn.q_proj", "attn_q"},      Rename{"self_attn.k_proj", "attn_k"},
    Rename{"self_attn.v_proj", "attn_v"},      Rename{"self_attn.o_proj", "attn_output"},
    Rename{"self_attn.q_norm", "attn_q_norm"}, Rename{"self_attn.k_norm", "attn_k_norm"},
    Rename{"mlp.gate_proj", "ffn_gate"},       Rename{"mlp.up_proj", "ffn_up"},
    Rename{"mlp.down_proj", "ffn_down"},       Rename{"mlp.gate", "ffn_gate_inp"}};

// The leading number of "12.rest", at most 5 digits; leaves "rest".
std::optional<std::string> leading_number(std::string_view& text) {
  const std::size_t dot = text.find('.');
  if (dot == 0 || dot == std::string_view::npos || dot > 5) return std::nullopt;
  const std::string_view digits = text.substr(0, dot);
  if (!std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  text.remove_prefix(dot + 1);
  return std::string(digits);
}

class MappedFolder : public HfFolder {
 public:
  explicit MappedFolder(std::string path) : path_(std::move(path)) {}

  Result<void> load() {
    const fs::path folder(path_);
    TSUKAI_TRY(const std::string config, read_part(folder / "config.json", kSmallFileBytesMax));
    if (config.empty()) {
      return fail(Code::kNotFound, path_ + " holds no config.json",
                  "give a GGUF file, or a folder with config.json, *.safetensors and tokenizer.json");
    }
    auto read = read_hf_config(config);
    if (!read) return fail(std::move(read).error().in((folder / "config.json").string()));
    config_ = *std::move(read);
    digest_source_ = config;
    TSUKAI_TRY_VOID(open_weights(folder));
    TSUKAI_TRY_VOID(take_tensors());
    return read_template(folder);
  }

  const std::string& path() const override { return path_; }
  std::uint64_t file_bytes() const override { return file_bytes_; }
  std::optional<std::uint64_t> integer(std::string_view key) const override {
    return value<std::uint64_t>(key);
  }
  std::optional<double> real(std::string_view key) const override {
    if (const auto number = value<double>(key)) return number;
    if (const auto number = value<std::uint64_t>(key)) return static_cast<double>(*number);
    return std::nullopt;
  }
  std::optional<std::string> string(std::string_view key) const override {
    if (key == "general.name") {
      fs::path folder = fs::path(path_).lexically_normal();
      return (folder.has_filename() ? folder : folder.parent_path()).filename().string();
    }
    if (key == "tokenizer.chat_template") {
      return template_.empty() ? std::nullopt : std::optional(template_);
    }
    if (key == "tokenizer.ggml.model" || key == "tokenizer.ggml.pre") {
      const auto data = vocabulary();
      if (!data || (key.ends_with("pre") && data->pre.empty())) return std::nullopt;
      return key.ends_with("pre") ? data->pre : data->model;
    }
    return value<std::string>(key);
  }
  const TensorView* tensor(std::string_view name) const override {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &tensors_[found->second];
  }
  const std::vector<TensorView>& tensors() const override { return tensors_; }
  bool rotates_neighbours() const override { return false; }
  Result<VocabularyData> vocabulary() const override {
    std::call_once(vocabulary_once_, [this] { vocabulary_ = read_vocabulary(); });
    return *vocabulary_;
  }
  std::string digest() const override { return sha256_hex(digest_source_); }

 private:
  template <typename Value>
  std::optional<Value> value(std::string_view key) const {
    const auto found = config_.values.find(key);
    if (found == config_.values.end()) return std::nullopt;
    const auto* held = std::get_if<Value>(&found->second);
    return held == nullptr ? std::nullopt : std::optional(*held);
  }

  Result<void> open_weights(const fs::path& folder) {
    TSUKAI_TRY(const std::string index,
               read_part(folder / "model.safetensors.index.json", kSafetensorsHeaderBytesMax));
    if (!index.empty()) {
      auto opened = open_shards(folder, index);
      if (!opened)
        return fail(std::move(opened).error().in((folder / "model.safetensors.index.json").string()));
      return {};
    }
    std::error_code ignored;
    if (!fs::exists(folder / "model.safetensors", ignored)) {
      return fail(Code::kNotFound, path_ + " holds no model.safetensors and no model.safetensors.index.json",
                  "download the folder again; weights in other forms (*.bin, *.pth) are not read");
    }
    return open_shard(folder / "model.safetensors");
  }

  Result<void> open_shard(const fs::path& path) {
    TSUKAI_TRY(auto shard, SafetensorsFile::open(path.string()));
    file_bytes_ += shard->file_bytes();
    digest_source_ += fmt::format("\n{} {}\n", path.filename().string(), shard->file_bytes());
    digest_source_ += shard->header();
    shards_.push_back(std::move(shard));
    return {};
  }

  Result<void> open_shards(const fs::path& folder, std::string_view index) {
    const auto root = parse_json(index, {.bytes_max = kSafetensorsHeaderBytesMax, .depth_max = 8});
    if (!root) return fail(Code::kCorrupt, root.error().message());
    const Json* map = find(*root, "weight_map");
    if (!map || !map->is_object() || map->empty())
      return fail(Code::kCorrupt, "\"weight_map\" is no object of tensors");
    std::set<std::string> names;
    for (const auto& [tensor, file] : map->items()) {
      const std::string name = file.is_string() ? file.get<std::string>() : "";
      // A file name only: an index may not point out of its folder.
      if (!name.ends_with(".safetensors") || name.starts_with(".") ||
          name.find_first_of(std::string_view("/\\\0", 3)) != std::string::npos) {
        return fail(Code::kCorrupt,
                    fmt::format("tensor \"{}\" lies in \"{}\", which is no file of this folder",
                                shortened(tensor, 80), shortened(name, 80)));
      }
      names.insert(name);
      if (names.size() > kShardsMax)
        return fail(Code::kCorrupt, fmt::format("more than {} files", kShardsMax));
    }
    std::set<std::string_view> held;
    for (const std::string& name : names) {
      TSUKAI_TRY_VOID(open_shard(folder / name));
      for (const SafetensorsEntry& entry : shards_.back()->entries()) {
        const Json* place = find(*map, entry.name);
        if (place && *place == name) held.insert(entry.name);
      }
    }
    for (const auto& [tensor, file] : map->items()) {
      if (!held.contains(tensor)) {
        return fail(Code::kCorrupt,
                    fmt::format("tensor \"{}\" is not in {}", shortened(tensor, 80), print_json(file)),
                    "download the folder again");
      }
    }
    return {};
  }

  Result<void> take_tensors() {
    for (const auto& shard : shards_) {
      for (const SafetensorsEntry& entry : shard->entries()) TSUKAI_TRY_VOID(take(entry));
    }
    if (!config_.rope_divisors.empty()) {
      put("rope_freqs.weight", TensorType::kF32, {config_.rope_divisors.size()},
          std::as_bytes(std::span(config_.rope_divisors)));
    }
    return {};
  }

  Result<void> take(const SafetensorsEntry& entry) {
    auto name = gguf_tensor_name(entry.name);
    const std::string label = fmt::format("{}: tensor \"{}\"", path_, shortened(entry.name, 80));
    if (!name) {
      return fail(Code::kUnsupported, label + " has no place in the architectures this build knows",
                  "choose a model of architecture llama, qwen2, qwen3 or qwen3_moe");
    }
    if (name->empty() || (*name == "output.weight" && config_.ties_embeddings)) return {};
    if (!entry.type) {
      return fail(Code::kUnsupported, fmt::format("{} is stored as {}", label, entry.stored_as),
                  "choose a model in BF16, F16 or F32");
    }
    if (entry.shape.empty() || entry.bytes.empty()) return fail(Code::kCorrupt, label + " is empty");
    if (by_name_.contains(*name)) return fail(Code::kCorrupt, label + " stands twice");
    put(*std::move(name), *entry.type, {entry.shape.rbegin(), entry.shape.rend()}, entry.bytes);
    return {};
  }

  void put(std::string name, TensorType type, std::vector<std::uint64_t> shape,
           std::span<const std::byte> bytes) {
    names_.push_back(std::move(name));
    by_name_.emplace(names_.back(), tensors_.size());
    tensors_.push_back({names_.back(), type, std::move(shape), bytes});
  }

  Result<void> read_template(const fs::path& folder) {
    TSUKAI_TRY(template_, read_part(folder / "chat_template.jinja", kSmallFileBytesMax));
    if (!template_.empty()) return {};
    TSUKAI_TRY(const std::string text, read_part(folder / "tokenizer_config.json", kSmallFileBytesMax));
    const auto settings = parse_json(text, {.bytes_max = kSmallFileBytesMax, .depth_max = 32});
    if (!settings) return {};  // Reading the vocabulary says what is wrong with it.
    const Json* found = find(*settings, "chat_template");
    if (found && found->is_string()) template_ = found->get<std::string>();
    if (found && found->is_array()) {  // Several by name.
      for (const Json& one : *found) {
        if (string_at(one, "name") == "default") template_ = string_at(one, "template");
      }
    }
    return {};
  }

  Result<VocabularyData> read_vocabulary() const {
    const fs::path folder(path_);
    TSUKAI_TRY(const std::string json, read_part(folder / "tokenizer.json", kTokenizerJsonBytesMax));
    if (json.empty()) {
      return fail(Code::kNotFound, path_ + " holds no tokenizer.json",
                  "download the folder again; tokenizer.model and vocab.json alone are not read");
    }
    TSUKAI_TRY(const std::string settings, read_part(folder / "tokenizer_config.json", kSmallFileBytesMax));
    TSUKAI_TRY(const std::string generation,
               read_part(folder / "generation_config.json", kSmallFileBytesMax));
    auto data = read_tokenizer_json(json, settings);
    if (!data) return fail(std::move(data).error().in(path_));
    const TensorView* embedding = tensor("token_embd.weight");
    const std::uint64_t rows =
        embedding != nullptr && embedding->shape.size() == 2 ? embedding->shape[1] : data->tokens.size();
    if (data->tokens.size() > rows) {
      return fail(Code::kCorrupt, fmt::format("{}: tokenizer.json has {} tokens, the model {}", path_,
                                              data->tokens.size(), rows));
    }
    // Embeddings are often padded to a round number of rows.
    constexpr std::uint64_t kPaddingMax = 1 << 16;
    for (std::uint64_t i = data->tokens.size(); i < rows && rows - data->tokens.size() <= kPaddingMax; ++i) {
      data->tokens.push_back(fmt::format("[PAD{}]", i));
      data->kinds.push_back(TokenKind::kUnused);
      if (!data->scores.empty()) data->scores.push_back(data->scores.back());
    }
    std::vector<std::int64_t> ends = end_tokens_of(generation);
    ends.insert(ends.end(), config_.ends.begin(), config_.ends.end());
    for (const std::int64_t end : ends) {
      if (end < 0 || end >= static_cast<std::int64_t>(data->tokens.size())) continue;
      data->more_ends.push_back(static_cast<TokenId>(end));
      if (data->eos < 0) data->eos = static_cast<TokenId>(end);
    }
    return data;
  }

  std::string path_;
  HfConfig config_;
  std::string template_, digest_source_;
  std::uint64_t file_bytes_ = 0;
  std::vector<std::unique_ptr<const SafetensorsFile>> shards_;
  std::deque<std::string> names_;  // Views of them stay valid as it grows.
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string_view, std::size_t> by_name_;
  mutable std::once_flag vocabulary_once_;
  mutable std::optional<Result<VocabularyData>> vocabulary_;
};

}  // namespace

std::optional<std::string> gguf_tensor_name(std::string_view name) {
  if (name.ends_with("rotary_emb.inv_freq")) return std::string();
  if (name == "lm_head.weight") return std::string("output.weight");
  // Embedding models are saved without the outer "model.".
  if (name.starts_with("model.")) name.remove_prefix(6);
  if (name == "embed_tokens.weight") return std::string("token_embd.weight");
  if (name == "norm.weight") return std::string("output_norm.weight");
  if (!name.starts_with("layers.")) return std::nullopt;
  name.remove_prefix(7);
  const auto layer = leading_number(name);
  const std::size_t dot = name.rfind('.');
  if (!layer || dot == std::string_view::npos) return std::nullopt;
  std::string_view module = name.substr(0, dot), kind = name.substr(dot + 1);
  const bool may_have_bias =
      module == "self_attn.q_proj" || module == "self_attn.k_proj" || module == "self_attn.v_proj";
  if (kind != "weight" && !(kind == "bias" && may_have_bias)) return std::nullopt;
  if (module.starts_with("mlp.experts.")) {
    module.remove_prefix(12);
    const auto expert = leading_number(module);
    for (const std::string_view part : {"gate", "up", "down"}) {
      if (expert && module == fmt::format("{}_proj", part))
        return fmt::format("blk.{}.ffn_{}.{}.weight", *layer, part, *expert);
    }
    return std::nullopt;
  }
  const auto* found = std::ranges::find(kModules, module, &Rename::from);
  if (found == kModules.end()) return std::nullopt;
  return fmt::format("blk.{}.{}.{}", *layer, found->to, kind);
}

Result<std::shared_ptr<const HfFolder>> HfFolder::open(const std::string& path) {
  auto folder = std::make_shared<MappedFolder>(path);
  TSUKAI_TRY_VOID(folder->load());
  return std::shared_ptr<const HfFolder>(std::move(folder));
}

}  // namespace tsukai::infer
