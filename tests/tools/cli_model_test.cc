// `tsukai model`: folders, the cache, vectors and speed, as typed.
#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/json.h"
#include "infer/support/loopback_hub.h"
#include "tools/support/program.h"
#include "tools/tsukai/model_pull_command.h"

namespace tsukai::cli {
namespace {

using infer::test::honest;
using infer::test::LoopbackHub;
using infer::test::ok;
using infer::test::WireAnswer;

std::string folder() { return std::string(TSUKAI_SOURCE_DIR) + "/tests/infer/data/hf/qwen3"; }

Json document(const Finished& finished) {
  INFO(finished.out, finished.err);
  REQUIRE(finished.exit == 0);
  auto json = parse_json(finished.out);
  REQUIRE(json.has_value());
  return *json;
}

}  // namespace

TEST_SUITE("tools/tsukai/model") {
  TEST_CASE("a Hugging Face folder is looked into, answers and is tokenised like a file") {
    const Home home;
    const Json info = document(tsukai(home, {"model", "info", folder(), "--json"}));
    CHECK(info["architecture"] == "qwen3");
    CHECK(info["quantisation"] == "BF16");
    CHECK(info["tokenizer"] == "gpt2 (qwen2)");
    const Json tokens = document(tsukai(home, {"model", "tokenize", folder(), "The", "--json"}));
    CHECK(tokens["count"].get<int>() >= 1);
    for (const char* kv : {"8bit", "16bit"}) {
      const Json made = document(tsukai(home, {"model", "generate", folder(), "Hi", "--tokens", "4", "--kv",
                                               kv, "--threads", "1", "--context", "64", "--json"}));
      CHECK(made["usage"]["generated_tokens"].get<int>() >= 1);
    }
    const Finished long_prompt =
        tsukai(home, {"model", "generate", folder(), "Hi", "--tokens", "400", "--context", "64"});
    CHECK(long_prompt.exit != 0);
    CHECK(long_prompt.err.find("the context holds 64") != std::string::npos);
    CHECK(tsukai(home, {"model", "generate", folder(), "Hi", "--kv", "4bit"}).exit == 2);
  }

  TEST_CASE("texts become unit vectors, and a bench says tokens a second") {
    const Home home;
    const Json embedded = document(tsukai(home, {"model", "embed", folder(), "one", "two", "--json"}));
    REQUIRE(embedded["embeddings"].size() == 2);
    for (const Json& one : embedded["embeddings"]) {
      double sum = 0;
      for (const double value : one["vector"]) sum += value * value;
      CHECK(std::abs(sum - 1) < 1e-4);
    }
    CHECK(embedded["embeddings"][0]["vector"] != embedded["embeddings"][1]["vector"]);
    const Json bench = document(tsukai(
        home, {"model", "bench", folder(), "--prompt", "32", "--tokens", "8", "--repeats", "2", "--json"}));
    CHECK(bench["prefill_tokens_per_s"].get<double>() > 0);
    CHECK(bench["kv"] == "16bit");
  }

  TEST_CASE("a model is pulled through a cut, listed, and opened by the name it was pulled by") {
    std::map<std::string, std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(folder()))
      files[entry.path().filename().string()] = read_file(entry.path().string());
    int cuts = 0;
    LoopbackHub hub([&](const std::string& request) {
      const std::string target = request.substr(4, request.find(' ', 4) - 4);
      if (target.starts_with("/api/")) {
        Json list = Json::array();
        for (const auto& [name, bytes] : files)
          list.push_back({{"path", name}, {"size", bytes.size()}, {"lfs", {{"oid", sha256_hex(bytes)}}}});
        return ok(print_json(list));
      }
      WireAnswer answer = honest(request, files[target.substr(target.rfind('/') + 1)]);
      if (target.ends_with(".safetensors") && ++cuts == 1) answer.bytes.resize(answer.bytes.size() / 2);
      return answer;
    });
    Home home;
    home.environment["HF_ENDPOINT"] = hub.url() + "/";
    const Finished missing = tsukai(home, {"model", "info", "hf:o/tiny"});
    CHECK(missing.err.find("tsukai model pull hf:o/tiny") != std::string::npos);
    const Json pulled =
        document(hub.serve_while([&] { return tsukai(home, {"model", "pull", "hf:o/tiny", "--json"}); }));
    CHECK(cuts == 2);
    for (const Json& file : pulled["files"]) CHECK(file["checked"] == true);
    CHECK(document(tsukai(home, {"model", "list", "--json"}))["models"][0]["name"] == "hf:o/tiny");
    CHECK(document(tsukai(home, {"model", "info", "hf:o/tiny", "--json"}))["layers"] == 2);
    const Finished again = hub.serve_while([&] { return tsukai(home, {"model", "pull", "hf:o/tiny"}); });
    CHECK(again.out == pulled["path"].get<std::string>() + "\n");
    CHECK(again.err.find("0 B fetched") != std::string::npos);
  }

  TEST_CASE("a hub that lies, and a source that is none, are told in one sentence") {
    LoopbackHub hub([](const std::string& request) {
      if (request.find("/api/") != std::string::npos)
        return ok(R"([{"path":"m.gguf","size":3,"lfs":{"oid":")" + sha256_hex("abc") + R"("}}])");
      return ok("abd");
    });
    Home home;
    home.environment["HF_ENDPOINT"] = hub.url();
    const Finished lied = hub.serve_while([&] { return tsukai(home, {"model", "pull", "hf:o/r"}); });
    CHECK(lied.exit != 0);
    CHECK(lied.err.find("its SHA-256 is") != std::string::npos);
    CHECK(document(tsukai(home, {"model", "list", "--json"}))["models"].empty());
    const Finished none = tsukai(home, {"model", "pull", "somewhere"});
    CHECK(none.exit == 2);
    CHECK(none.err.find("hf:ORG/REPO") != std::string::npos);
  }

  TEST_CASE("the progress line fits the terminal and says how far it is") {
    const std::string half = progress_text("model.gguf", 512, 1024, 0, 79);
    CHECK(half.find("[##########----------] 50 %") != std::string::npos);
    CHECK(progress_text("m", 5, 0, 0, 79).find("5 B") != std::string::npos);
    CHECK(display_width(progress_text(std::string(200, 'n'), 1, 2, 3, 40)) <= 40);
    CHECK(progress_text("m", 9, 8, 0, 79).find("100 %") != std::string::npos);
  }
}

}  // namespace tsukai::cli
