#include "infer/format/gguf_split.h"

#include <doctest/doctest.h>

#include <cstring>
#include <filesystem>

#include "infer/format/gguf_metadata.h"
#include "infer/local_model.h"
#include "infer/support/gguf_bytes.h"
#include "infer/support/tiny_models.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

// What a part says of itself; the defaults are right.
struct Claims {
  std::uint16_t number = 0, count = 0;
  std::int32_t tensors = 0;
};

GgufBytes& add_claims(GgufBytes& out, const Claims& claims) {
  out.text("split.no").raw<std::uint32_t>(2).raw(claims.number);
  out.text("split.count").raw<std::uint32_t>(2).raw(claims.count);
  return out.text("split.tensors.count").raw<std::uint32_t>(5).raw(claims.tensors);
}

// The metadata of a GGUF file as it stands there, and how many keys.
std::pair<std::string, std::uint64_t> metadata_of(const std::string& bytes) {
  GgufCursor cursor(std::as_bytes(std::span(bytes)));
  std::uint64_t keys = 0;
  std::memcpy(&keys, bytes.data() + 16, 8);
  for (int i = 0; i < 6; ++i) REQUIRE(cursor.read<std::uint32_t>("header").has_value());
  const std::size_t begin = cursor.position();
  for (std::uint64_t i = 0; i < keys; ++i) {
    REQUIRE(cursor.read_string("key").has_value());
    REQUIRE(cursor.read_value("value").has_value());
  }
  return {bytes.substr(begin, cursor.position() - begin), keys};
}

std::string part_name(unsigned number, unsigned count) {
  char name[40];
  std::snprintf(name, sizeof(name), "m-%05u-of-%05u.gguf", number, count);
  return name;
}

// tiny_NAME.gguf in `count` parts, as gguf-split writes them. `spoil` may change what part 2 says.
void write_parts(const ScratchDir& folder, const std::string& name, unsigned count,
                 void (*spoil)(Claims&) = nullptr) {
  const std::string whole = read_file(test_data("tiny_" + name + ".gguf"));
  const auto file = *GgufFile::parse(std::as_bytes(std::span(whole)), name);
  const auto& tensors = file->tensors();
  const auto [metadata, keys] = metadata_of(whole);
  for (unsigned part = 0; part < count; ++part) {
    const std::size_t begin = tensors.size() * part / count, end = tensors.size() * (part + 1) / count;
    Claims claims{static_cast<std::uint16_t>(part), static_cast<std::uint16_t>(count),
                  static_cast<std::int32_t>(tensors.size())};
    if (part == 1 && spoil != nullptr) spoil(claims);
    GgufBytes out;
    out.header(end - begin, 3 + (part == 0 ? keys : 0));
    if (part == 0) {
      for (const char byte : metadata) out.raw(byte);
    }
    add_claims(out, claims);
    std::string data;
    for (std::size_t i = begin; i < end; ++i) {
      data.resize((data.size() + 31) / 32 * 32);
      out.tensor(tensors[i].name, tensors[i].shape, static_cast<std::uint32_t>(tensors[i].type), data.size());
      data.append(reinterpret_cast<const char*>(tensors[i].bytes.data()), tensors[i].bytes.size());
    }
    out.data(0);
    folder.write(part_name(part + 1, count), out.bytes() + data);
  }
}

Error refusal(const std::string& path) {
  const auto file = ModelFile::open(path);
  REQUIRE(!file.has_value());
  return file.error();
}

}  // namespace

TEST_SUITE("infer/gguf_split") {
  TEST_CASE("a model in parts gives the same logits as the whole, whichever part is named") {
    const ScratchDir folder;
    write_parts(folder, "qwen3", 3);
    const ReferenceLogits reference = reference_logits("qwen3");
    EngineOptions options;
    options.kv_bytes_max = 8u << 20;
    const auto expected = await(tiny_engine("qwen3", options)->logits(reference.tokens));
    std::string digest;
    for (const unsigned part : {1u, 2u, 3u}) {
      auto file = ModelFile::open(folder / part_name(part, 3));
      REQUIRE_MESSAGE(file.has_value(), file.error().text());
      if (digest.empty()) digest = (*file)->digest();
      CHECK((*file)->digest() == digest);
      auto engine = Engine::open(*file, options);
      REQUIRE(engine.has_value());
      const auto logits = await((*engine)->logits(reference.tokens));
      CHECK(std::memcmp(logits->data(), expected->data(), expected->size() * sizeof(float)) == 0);
    }
    const auto info = read_model_file_info(folder / part_name(1, 3));
    REQUIRE(info.has_value());
    CHECK(info->parameters == read_model_file_info(test_data("tiny_qwen3.gguf"))->parameters);
    CHECK(info->file_bytes > std::filesystem::file_size(folder / part_name(1, 3)));
  }

  TEST_CASE("a missing part, a renamed one and parts that do not belong together are told apart") {
    const ScratchDir missing, renamed, number, count, twice;
    write_parts(missing, "llama", 3);
    std::filesystem::remove(missing / part_name(2, 3));
    CHECK(refusal(missing / part_name(1, 3)).code() == Code::kNotFound);
    CHECK(refusal(missing / part_name(1, 3)).text().find("part 2 of 3 is not there") != std::string::npos);

    write_parts(renamed, "llama", 2);
    std::filesystem::rename(renamed / part_name(1, 2), renamed / "model.gguf");
    CHECK(refusal(renamed / "model.gguf").code() == Code::kInvalidArgument);

    write_parts(number, "llama", 2, [](Claims& claims) { claims.number = 0; });
    CHECK(refusal(number / part_name(1, 2)).text().find("says it is part 1 of 2, not 2 of 2") !=
          std::string::npos);
    write_parts(count, "llama", 2, [](Claims& claims) { claims.count = 3; });
    CHECK(refusal(count / part_name(1, 2)).code() == Code::kCorrupt);

    write_parts(twice, "llama", 2);
    std::filesystem::remove(twice / part_name(2, 2));
    GgufBytes again;
    again.header(1, 3);
    add_claims(again, {1, 2, 99}).tensor("token_embd.weight", {4}, 0, 0).data(16);
    twice.write(part_name(2, 2), again.bytes());
    CHECK(refusal(twice / part_name(1, 2)).text().find("stands in an earlier part") != std::string::npos);
  }

  TEST_CASE("part names are told from others") {
    CHECK(split_part_path("/a/m-00001-of-00012.gguf", 7) == "/a/m-00007-of-00012.gguf");
    CHECK(!split_part_path("/a/m.gguf", 1));
    CHECK(!split_part_path("/a/m-0001-of-00012.gguf", 1));
    CHECK(!split_part_path("-00001-of-00012.gguf", 1));
  }
}
