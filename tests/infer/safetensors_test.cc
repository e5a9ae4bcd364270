#include "infer/format/safetensors.h"

#include <doctest/doctest.h>

#include <cstring>

#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

std::string file_of(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  bytes += header;
  for (std::size_t i = 0; i < data_bytes; ++i) bytes += static_cast<char>(i);
  return bytes;
}

Result<std::unique_ptr<const SafetensorsFile>> safetensors_parse(const std::string& bytes) {
  return SafetensorsFile::parse(std::as_bytes(std::span(bytes)), "model.safetensors");
}

std::string safetensors_refusal(const std::string& bytes) {
  const auto file = safetensors_parse(bytes);
  return file ? "accepted" : file.error().text();
}

constexpr const char* kTwo =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[8,20]},)"
    R"("a":{"dtype":"I64","shape":[],"data_offsets":[0,8]}})";

}  // namespace

TEST_SUITE("infer/safetensors") {
  TEST_CASE("tensors are found with type, shape and bytes, those of other types too") {
    const std::string bytes = file_of(kTwo, 20);
    const auto file = safetensors_parse(bytes);
    REQUIRE_MESSAGE(file.has_value(), file.error().text());
    const auto& entries = (*file)->entries();
    REQUIRE(entries.size() == 2);
    CHECK(entries[0].name == "a");
    CHECK(!entries[0].type);
    CHECK(entries[0].stored_as == "I64");
    CHECK(entries[1].type == TensorType::kBF16);
    CHECK(entries[1].shape == std::vector<std::uint64_t>{2, 3});
    CHECK(entries[1].bytes.size() == 12);
    CHECK(std::to_integer<int>(entries[1].bytes[0]) == 8);
  }

  TEST_CASE("a file cut at any byte, or longer than its tensors, is refused") {
    const std::string whole = file_of(kTwo, 20);
    for (std::size_t length = 0; length < whole.size(); ++length) {
      const std::string bytes = whole.substr(0, length);
      const auto file = safetensors_parse(bytes);
      REQUIRE(!file.has_value());
      CHECK(file.error().code() == Code::kCorrupt);
    }
    CHECK(safetensors_refusal(whole + "x").find("1 bytes after the last tensor") != std::string::npos);
  }

  TEST_CASE("hostile headers are refused with what is wrong") {
    const auto one = [](const std::string& description, std::size_t bytes = 8) {
      return safetensors_refusal(file_of(R"({"t":)" + description + "}", bytes));
    };
    const auto has = [](const std::string& text, const char* part) {
      INFO(text);
      CHECK(text.find(part) != std::string::npos);
    };
    std::string huge(8, '\xff');
    has(safetensors_refusal(huge), "claims a header");
    has(safetensors_refusal(file_of("[]", 0)), "no JSON object");
    has(safetensors_refusal(file_of("{", 0)), "header");
    has(safetensors_refusal(file_of(std::string(5000, '['), 0)), "header");
    has(one(R"({"dtype":"Q9","shape":[1],"data_offsets":[0,8]})"), "element type \"Q9\"");
    has(one(R"(7)"), "element type");
    has(one(R"({"dtype":"F32","data_offsets":[0,8]})"), "no shape");
    has(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0]})"), "no offsets");
    has(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,16]})"), "outside");
    has(one(R"({"dtype":"F32","shape":[2],"data_offsets":[8,0]})"), "outside");
    has(one(R"({"dtype":"F32","shape":[2],"data_offsets":[-8,0]})"), "outside");
    has(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551615]})"), "outside");
    has(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0,8]})"), "its shape needs 12");
    has(one(R"({"dtype":"F32","shape":[-2],"data_offsets":[0,8]})"), "impossible shape");
    has(one(R"({"dtype":"F32","shape":[1e9],"data_offsets":[0,8]})"), "impossible shape");
    has(one(R"({"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]})"),
        "impossible shape");
    has(one(R"({"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]})"), "no shape");
    has(one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})"), "gap before it");
    has(safetensors_refusal(file_of(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                    R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                                    8)),
        "overlaps another");
  }

  TEST_CASE("a file on disk is mapped; none at all is kNotFound") {
    const ScratchDir folder;
    const auto file = SafetensorsFile::open(folder.write("m.safetensors", file_of(kTwo, 20)));
    REQUIRE(file.has_value());
    CHECK((*file)->file_bytes() == file_of(kTwo, 20).size());
    CHECK((*file)->header() == kTwo);
    CHECK(SafetensorsFile::open(folder / "absent").error().code() == Code::kNotFound);
  }
}
