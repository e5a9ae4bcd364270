#include "infer/format/gguf.h"

#include <doctest/doctest.h>

#include "infer/local_model.h"
#include "infer/support/gguf_bytes.h"
#include "infer/support/tiny_models.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

Result<std::shared_ptr<const GgufFile>> parse(const std::string& bytes) {
  return GgufFile::parse(std::as_bytes(std::span(bytes)), "model.gguf");
}

GgufBytes small() {
  GgufBytes file;
  file.header(1, 2).key_text("general.architecture", "llama").key_u32("answer", 42);
  file.tensor("t", {4, 2}, 0, 0).data(32);
  return file;
}

GgufBytes with_vocabulary(const std::vector<std::int32_t>& kinds, std::uint32_t eos) {
  GgufBytes file;
  file.header(0, 5)
      .key_text("tokenizer.ggml.model", "gpt2")
      .key_texts("tokenizer.ggml.tokens", {"a", "b", "<end>"})
      .key_texts("tokenizer.ggml.merges", {"a b"})
      .key_numbers<std::int32_t>("tokenizer.ggml.token_type", 5, kinds)
      .key_u32("tokenizer.ggml.eos_token_id", eos);
  return file;
}

}  // namespace

TEST_SUITE("infer/gguf") {
  TEST_CASE("metadata and tensors are found by name") {
    const std::string bytes = small().bytes();
    const auto file = parse(bytes);
    REQUIRE(file.has_value());
    CHECK((*file)->string("general.architecture") == "llama");
    CHECK((*file)->integer("answer") == 42);
    CHECK((*file)->real("answer") == 42.0);
    CHECK(!(*file)->integer("general.architecture"));
    CHECK(!(*file)->string("question"));
    const TensorView* tensor = (*file)->tensor("t");
    REQUIRE(tensor != nullptr);
    CHECK(tensor->shape == std::vector<std::uint64_t>{4, 2});
    CHECK(tensor->bytes.size() == 32);
    CHECK((*file)->tensor("u") == nullptr);
    CHECK((*file)->digest().size() == 64);
  }

  TEST_CASE("a file cut at any byte is refused, never read beyond its end") {
    const std::string whole = small().bytes();
    for (std::size_t length = 0; length < whole.size(); ++length) {
      const std::string bytes = whole.substr(0, length);
      const auto file = parse(bytes);
      REQUIRE(!file.has_value());
      CHECK(file.error().code() == Code::kCorrupt);
    }
  }

  TEST_CASE("impossible headers are refused with what is wrong") {
    const auto error_of = [](const GgufBytes& file) {
      const std::string bytes = file.bytes();
      const auto parsed = parse(bytes);
      return parsed ? std::string("accepted") : parsed.error().text();
    };
    CHECK(error_of(GgufBytes().raw<std::uint64_t>(7)).find("does not begin with GGUF") != std::string::npos);
    CHECK(error_of(GgufBytes().header(0, 0, 1)).find("GGUF version 1") != std::string::npos);
    CHECK(error_of(GgufBytes().header(1ull << 60, 0)).find("tensor count") != std::string::npos);
    CHECK(error_of(GgufBytes().header(0, 1ull << 60)).find("metadata count") != std::string::npos);
    CHECK(error_of(GgufBytes().header(0, 1).raw<std::uint64_t>(1ull << 62)).find("claims") !=
          std::string::npos);
    CHECK(error_of(GgufBytes().header(0, 1).text("k").raw<std::uint32_t>(99)).find("value type 99") !=
          std::string::npos);
    CHECK(error_of(GgufBytes().header(0, 2).key_u32("k", 1).key_u32("k", 2)).find("stands twice") !=
          std::string::npos);
    GgufBytes nested;
    nested.header(0, 1).text("k").raw<std::uint32_t>(9).raw<std::uint32_t>(9).raw<std::uint64_t>(1);
    CHECK(error_of(nested).find("array of type 9") != std::string::npos);
    GgufBytes huge_array;
    huge_array.header(0, 1).text("k").raw<std::uint32_t>(9).raw<std::uint32_t>(4).raw<std::uint64_t>(1ull
                                                                                                     << 62);
    CHECK(error_of(huge_array).find("ends inside the k") != std::string::npos);
    CHECK(error_of(GgufBytes().header(1, 0).tensor("t", {1ull << 40, 1ull << 40}, 0, 0))
              .find("impossible shape") != std::string::npos);
    CHECK(error_of(GgufBytes().header(1, 0).tensor("t", {0}, 0, 0)).find("impossible shape") !=
          std::string::npos);
    CHECK(error_of(GgufBytes().header(1, 0).tensor("t", {4}, 0, 1ull << 63).data(64)).find("needs bytes") !=
          std::string::npos);
    CHECK(error_of(GgufBytes().header(1, 0).tensor("t", {4}, 0, 3).data(64)).find("not aligned") !=
          std::string::npos);
    CHECK(
        error_of(GgufBytes().header(1, 0).tensor("t", {33}, 8, 0).data(64)).find("can't be stored as Q8_0") !=
        std::string::npos);
    CHECK(error_of(GgufBytes().header(1, 0).tensor("t", {256}, 10, 0).data(99)).find("Q2_K") !=
          std::string::npos);
    CHECK(error_of(GgufBytes().header(0, 1).key_u32("general.alignment", 3)).find("alignment") !=
          std::string::npos);
  }

  TEST_CASE("the vocabulary is read, and refused when it contradicts itself") {
    const std::string bytes = with_vocabulary({1, 1, 3}, 2).bytes();
    const auto file = parse(bytes);
    REQUIRE(file.has_value());
    const auto data = (*file)->vocabulary();
    REQUIRE(data.has_value());
    CHECK(data->tokens == std::vector<std::string>{"a", "b", "<end>"});
    CHECK(data->kinds[2] == TokenKind::kControl);
    CHECK(data->merges == std::vector<std::string>{"a b"});
    CHECK(data->eos == 2);
    CHECK(data->bos == -1);
    CHECK(!data->add_bos);
    for (const auto& wrong :
         {with_vocabulary({1, 1}, 2), with_vocabulary({1, 1, 17}, 2), with_vocabulary({1, 1, 3}, 3)}) {
      const std::string wrong_bytes = wrong.bytes();
      CHECK((*parse(wrong_bytes))->vocabulary().error().code() == Code::kCorrupt);
    }
    const std::string none = small().bytes();
    CHECK((*parse(none))->vocabulary().error().code() == Code::kNotFound);
  }

  TEST_CASE("files that are not there, empty, or folders are told apart") {
    const ScratchDir folder;
    CHECK(GgufFile::open(folder / "absent.gguf").error().code() == Code::kNotFound);
    CHECK(GgufFile::open(folder.path()).error().code() == Code::kInvalidArgument);
    CHECK(GgufFile::open(folder.write("empty.gguf", "")).error().code() == Code::kCorrupt);
  }

  TEST_CASE("an engine names the architecture or the tensor it can't use") {
    const std::string bytes = GgufBytes().header(0, 1).key_text("general.architecture", "mamba").bytes();
    const auto file = parse(bytes);
    const auto engine = Engine::open(*file, {});
    REQUIRE(!engine.has_value());
    CHECK(engine.error().code() == Code::kUnsupported);
    CHECK(engine.error().text().find("mamba") != std::string::npos);

    std::string tiny = read_file(test_data("tiny_llama.gguf"));
    tiny.replace(tiny.find("blk.1.ffn_up.weight"), 19, "blk.1.ffn_op.weight");
    const auto renamed = parse(tiny);
    REQUIRE(renamed.has_value());
    const auto missing = Engine::open(*renamed, {});
    REQUIRE(!missing.has_value());
    CHECK(missing.error().code() == Code::kCorrupt);
    CHECK(missing.error().text().find("blk.1.ffn_up.weight") != std::string::npos);
  }

  TEST_CASE("the facts of a model file are read from its header") {
    const auto info = read_model_file_info(test_data("tiny_qwen3.gguf"));
    REQUIRE(info.has_value());
    CHECK(info->name == "qwen3");
    CHECK(info->architecture == "qwen3");
    CHECK(info->quantisation == "F32");
    CHECK(info->layers == 2);
    CHECK(info->heads == 4);
    CHECK(info->kv_heads == 2);
    CHECK(info->head_dim == 16);
    CHECK(info->vocabulary == 64);
    CHECK(info->context_tokens == 512);
    CHECK(info->parameters > 20'000);
  }
}
