#include <algorithm>

#include "infer/architecture.h"
#include "infer/format/model_file.h"
#include "infer/local_model.h"

namespace tsukai::infer {
namespace {

std::string file_stem(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.ends_with(".gguf")) name.resize(name.size() - 5);
  return name;
}

// The family a chat template belongs to, by the markers it writes.
std::string chat_format(const ModelFile& file) {
  const std::string text = file.string("tokenizer.chat_template").value_or("");
  if (text.empty()) return "none";
  const auto has = [&](const char* marker) { return text.find(marker) != std::string::npos; };
  if (has("<|start_header_id|>")) return "llama3";
  if (has("<｜Assistant｜>")) return "deepseek";
  if (has("<|im_start|>")) return has("<tool_call>") ? "chatml with tools" : "chatml";
  if (has("[INST]")) return "llama2";
  return "other";
}

}  // namespace

Result<ModelFileInfo> read_model_file_info(const std::string& path) {
  TSUKAI_TRY(const auto file, ModelFile::open(path));
  return read_model_file_info(*file);
}

Result<ModelFileInfo> read_model_file_info(const ModelFile& file) {
  TSUKAI_TRY(const ModelShape shape, read_model_shape(file));
  ModelFileInfo info;
  info.path = file.path();
  info.name = file.string("general.name").value_or(file_stem(file.path()));
  info.architecture = shape.architecture;
  info.tokenizer = file.string("tokenizer.ggml.model").value_or("none");
  if (const auto pre = file.string("tokenizer.ggml.pre")) info.tokenizer += " (" + *pre + ")";
  info.chat_format = chat_format(file);
  info.file_bytes = file.file_bytes();
  std::vector<std::pair<std::string, std::uint64_t>> bytes_by_type;
  for (const TensorView& tensor : file.tensors()) {
    std::uint64_t elements = 1;
    for (const std::uint64_t extent : tensor.shape) elements *= extent;
    info.parameters += elements;
    info.weight_bytes += tensor.bytes.size();
    const std::string type = type_name(static_cast<std::uint32_t>(tensor.type));
    auto types = std::ranges::find(info.tensor_types, type, &std::pair<std::string, std::size_t>::first);
    if (types == info.tensor_types.end()) types = info.tensor_types.insert(types, {type, 0});
    ++types->second;
    auto bytes = std::ranges::find(bytes_by_type, type, &std::pair<std::string, std::uint64_t>::first);
    if (bytes == bytes_by_type.end()) bytes = bytes_by_type.insert(bytes, {type, 0});
    if (tensor.shape.size() > 1 && tensor.name != "token_embd.weight") bytes->second += tensor.bytes.size();
  }
  // The type that most of the layers' bytes have: embeddings are often kept in a finer one.
  const auto most =
      std::ranges::max_element(bytes_by_type, {}, &std::pair<std::string, std::uint64_t>::second);
  if (most != bytes_by_type.end()) info.quantisation = most->first;
  info.layers = static_cast<std::size_t>(shape.layers);
  info.embedding = static_cast<std::size_t>(shape.embedding);
  info.heads = static_cast<std::size_t>(shape.heads);
  info.kv_heads = static_cast<std::size_t>(shape.kv_heads);
  info.head_dim = static_cast<std::size_t>(shape.head_dim);
  info.feed_forward = static_cast<std::size_t>(shape.feed_forward);
  info.vocabulary = static_cast<std::size_t>(shape.vocabulary);
  info.context_tokens = shape.context;
  return info;
}

}  // namespace tsukai::infer
