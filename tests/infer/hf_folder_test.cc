// Folders that transformers wrote (make_references.py folders), and folders with something wrong in them.
#include "infer/format/hf_folder.h"

#include <doctest/doctest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "infer/format/hf_config.h"
#include "infer/local_model.h"
#include "infer/support/tiny_models.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

EngineOptions exact() {
  EngineOptions options;
  options.kv = "f32";
  options.kv_bytes_max = 8u << 20;
  return options;
}

std::vector<float> hf_folder_logits_of(const std::string& path, const std::vector<TokenId>& tokens) {
  auto file = ModelFile::open(path);
  REQUIRE_MESSAGE(file.has_value(), file.error().text());
  auto engine = Engine::open(*file, exact());
  REQUIRE_MESSAGE(engine.has_value(), engine.error().text());
  auto logits = await((*engine)->logits(tokens));
  REQUIRE(logits.has_value());
  return *logits;
}

float largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  REQUIRE(a.size() == b.size());
  float worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

// A copy of a stored folder that a test may spoil.
class Copy {
 public:
  explicit Copy(const std::string& name) {
    std::filesystem::copy(test_data("hf/" + name), folder_.path(), std::filesystem::copy_options::recursive);
  }
  std::string path() const { return folder_.path(); }
  void write(const std::string& name, const std::string& text) { folder_.write(name, text); }
  void remove(const std::string& name) { std::filesystem::remove(folder_ / name); }
  void set(const std::string& file, const std::string& key, const Json& value) {
    Json json = *parse_json(read_file(folder_ / file));
    json[key] = value;
    write(file, print_json(json));
  }
  Error refusal() const {
    auto file = ModelFile::open(path());
    if (file) {
      auto engine = Engine::open(*file, exact());
      REQUIRE(!engine.has_value());
      return engine.error();
    }
    return file.error();
  }

 private:
  ScratchDir folder_;
};

}  // namespace

TEST_SUITE("infer/hf_folder") {
  TEST_CASE("a folder in shards gives the logits of its GGUF twin, rope scaling of Llama 3 included") {
    const ReferenceLogits reference = reference_logits("llama3");
    const auto folder = hf_folder_logits_of(test_data("hf/llama3"), reference.tokens);
    CHECK(largest_difference(folder, reference.logits) <= 1e-3f);
    CHECK(largest_difference(folder, hf_folder_logits_of(test_data("tiny_llama3.gguf"), reference.tokens)) <=
          1e-4f);
  }

  TEST_CASE("weights in F16 and BF16 give transformers' logits within 1e-3") {
    const ReferenceLogits half = reference_logits("qwen2_f16");
    CHECK(largest_difference(hf_folder_logits_of(test_data("hf/qwen2"), half.tokens), half.logits) <= 1e-3f);
    const ReferenceLogits brain = reference_logits("qwen3_bf16");
    CHECK(largest_difference(hf_folder_logits_of(test_data("hf/qwen3"), brain.tokens), brain.logits) <=
          1e-3f);
  }

  TEST_CASE("a folder is a whole model: tokenizer, chat template, ends and facts are its own") {
    const Json reference = *parse_json(read_file(test_data("hf/qwen3/reference.json")));
    LocalModelOptions options;
    options.path = test_data("hf/qwen3") + "/";
    auto model = LocalModel::open(options);
    REQUIRE_MESSAGE(model.has_value(), model.error().text());
    CHECK((*model)->tokenize(string_at(reference, "text"), false) ==
          reference["tokens"].get<std::vector<TokenId>>());
    ChatRequest request;
    request.messages = {{.role = Role::kSystem, .text = "Be brief."}, {.text = "Hi"}};
    request.tokens_max = 8;
    const auto prompt = (*model)->render(request, {});
    REQUIRE_MESSAGE(prompt.has_value(), prompt.error().text());
    CHECK(prompt->tokens == reference["chat"].get<std::vector<TokenId>>());
    const auto reply = await((*model)->generate(request, *prompt, {}));
    REQUIRE_MESSAGE(reply.has_value(), reply.error().text());
    CHECK(reply->usage.generated_tokens >= 1);
    CHECK((*model)->description().name == "qwen3");
    CHECK((*model)->description().digest.size() == 64);

    // Cancelled at its first word, a turn is told as far as it went.
    request.tokens_max = (*model)->description().context_tokens - prompt->tokens.size();
    for (const auto* end : {"<|im_end|>", "<|endoftext|>"}) {
      for (const auto token : (*model)->tokenize(end, true))
        request.sampling.logit_bias.emplace_back(token, -1e4f);
    }
    std::optional<ChatReply> cut;
    request.on_cut = [&](const ChatReply& heard) { cut = heard; };
    asio::io_context context;
    asio::cancellation_signal stop;
    std::optional<Result<ChatReply>> ended;
    const OnText on_text = [&](std::string_view) { stop.emit(asio::cancellation_type::terminal); };
    asio::co_spawn(
        context, (*model)->generate(request, *prompt, on_text),
        asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr, Result<ChatReply> result) {
          ended.emplace(std::move(result));
        }));
    context.run();
    REQUIRE(ended);
    REQUIRE(!ended->has_value());
    CHECK(ended->error().code() == Code::kCancelled);
    REQUIRE(cut);
    CHECK(cut->finish == FinishReason::kLength);
    CHECK(!cut->tokens.empty());
    CHECK(cut->tokens.size() < request.tokens_max);
    CHECK(cut->usage.generated_tokens == static_cast<std::int64_t>(cut->tokens.size()));
    CHECK(cut->message.raw == cut->text);

    const auto info = read_model_file_info(test_data("hf/qwen3"));
    REQUIRE(info.has_value());
    CHECK(info->architecture == "qwen3");
    CHECK(info->quantisation == "BF16");
    CHECK(info->tokenizer == "gpt2 (qwen2)");
    CHECK(info->chat_format == "chatml");
    CHECK(info->vocabulary == 288);
    CHECK(info->file_bytes == std::filesystem::file_size(test_data("hf/qwen3/model.safetensors")));

    const auto vocabulary = (*ModelFile::open(test_data("hf/qwen3")))->vocabulary();
    REQUIRE(vocabulary.has_value());
    CHECK(vocabulary->tokens.size() == 288);
    CHECK(vocabulary->kinds[287] == TokenKind::kUnused);
    CHECK(vocabulary->eos == 281);
    CHECK(std::ranges::count(vocabulary->more_ends, 282) >= 1);
  }

  TEST_CASE("templates by name in tokenizer_config.json give the one called default") {
    Copy folder("qwen3");
    folder.remove("chat_template.jinja");
    folder.set(
        "tokenizer_config.json", "chat_template",
        Json::array({{{"name", "tool_use"}, {"template", "T"}}, {{"name", "default"}, {"template", "D"}}}));
    CHECK((*ModelFile::open(folder.path()))->string("tokenizer.chat_template") == "D");
    folder.set("tokenizer_config.json", "chat_template", "one");
    CHECK((*ModelFile::open(folder.path()))->string("tokenizer.chat_template") == "one");
    folder.set("tokenizer_config.json", "chat_template", nullptr);
    CHECK(!(*ModelFile::open(folder.path()))->string("tokenizer.chat_template"));
  }

  TEST_CASE("what is missing is named") {
    Copy config("qwen2"), weights("qwen2"), tokenizer("qwen3"), shard("llama3");
    config.remove("config.json");
    CHECK(config.refusal().code() == Code::kNotFound);
    CHECK(config.refusal().text().find("config.json") != std::string::npos);
    weights.remove("model.safetensors");
    CHECK(weights.refusal().code() == Code::kNotFound);
    tokenizer.remove("tokenizer.json");
    CHECK((*ModelFile::open(tokenizer.path()))->vocabulary().error().code() == Code::kNotFound);
    shard.remove("model-00002-of-00002.safetensors");
    CHECK(shard.refusal().text().find("model-00002-of-00002") != std::string::npos);
  }

  TEST_CASE(
      "an index that points out of the folder, or to a file that does not hold the tensor, is refused") {
    for (const char* name :
         {"../secret.safetensors", "/etc/passwd", "..", "a/b.safetensors", ".x.safetensors"}) {
      Copy folder("llama3");
      folder.set("model.safetensors.index.json", "weight_map", {{"lm_head.weight", name}});
      CHECK(folder.refusal().text().find("no file of this folder") != std::string::npos);
    }
    Copy folder("llama3");
    Json index = *parse_json(read_file(folder.path() + "/model.safetensors.index.json"));
    index["weight_map"]["model.norm.extra"] = "model-00001-of-00002.safetensors";
    folder.write("model.safetensors.index.json", print_json(index));
    CHECK(folder.refusal().text().find("\"model.norm.extra\" is not in") != std::string::npos);
    folder.write("model.safetensors.index.json", "[");
    CHECK(folder.refusal().code() == Code::kCorrupt);
  }

  TEST_CASE("what the forward pass does not do is refused, never left out") {
    const auto refusal = [](const char* key, const Json& value) {
      Copy folder("qwen2");
      folder.set("config.json", key, value);
      const Error error = folder.refusal();
      CHECK(error.code() == Code::kUnsupported);
      return error.text();
    };
    CHECK(refusal("model_type", "mamba").find("mamba") != std::string::npos);
    CHECK(refusal("quantization_config", {{"quant_method", "awq"}}).find("awq") != std::string::npos);
    CHECK(refusal("hidden_act", "gelu").find("gelu") != std::string::npos);
    CHECK(refusal("use_sliding_window", true).find("sliding window") != std::string::npos);
    CHECK(refusal("rope_parameters", {{"rope_type", "yarn"}, {"rope_theta", 1e6}}).find("yarn") !=
          std::string::npos);
    CHECK(!gguf_tensor_name("model.layers.0.self_attn.o_proj.bias"));
    CHECK(!gguf_tensor_name("model.layers.0.mlp.experts.shared.up_proj.weight"));
    CHECK(!gguf_tensor_name("model.layers.x.mlp.up_proj.weight"));
    CHECK(!gguf_tensor_name("vision.patch.weight"));
    CHECK(gguf_tensor_name("layers.12.mlp.experts.7.up_proj.weight") == "blk.12.ffn_up.7.weight");
    CHECK(gguf_tensor_name("model.layers.0.self_attn.rotary_emb.inv_freq") == "");
  }

  TEST_CASE("config.json of transformers 4 means the same as that of version 5") {
    const auto config = read_hf_config(
        R"({"model_type":"llama","head_dim":8,"num_attention_heads":4,"rope_theta":500000.0,
            "rope_scaling":{"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,
                            "original_max_position_embeddings":8192}})");
    REQUIRE(config.has_value());
    CHECK(std::get<double>(config->values.at("llama.rope.freq_base")) == 500000);
    REQUIRE(config->rope_divisors.size() == 4);
    CHECK(config->rope_divisors[0] == 1);
    CHECK(config->rope_divisors[3] == 8);
    const auto linear =
        read_hf_config(R"({"model_type":"llama","rope_scaling":{"type":"linear","factor":4}})");
    CHECK(std::get<double>(linear->values.at("llama.rope.scaling.factor")) == 4);
    for (const char* bad : {"", "[]", "{", R"({"head_dim":99999999})", R"({"partial_rotary_factor":-1})",
                            R"({"rope_scaling":{"rope_type":"llama3"}})"})
      CHECK(read_hf_config(bad).error().code() == Code::kCorrupt);
    CHECK(end_tokens_of(R"({"eos_token_id":[1,2]})") == std::vector<std::int64_t>{1, 2});
    CHECK(end_tokens_of("{").empty());
  }
}
