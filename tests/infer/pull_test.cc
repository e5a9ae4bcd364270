// Whole models from hubs on loopback that speak the endpoints of Hugging Face and ModelScope.
#include "infer/pull/pull.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/json.h"
#include "infer/local_model.h"
#include "infer/support/loopback_hub.h"
#include "infer/support/tiny_models.h"

using namespace tsukai;
using namespace tsukai::infer;
using namespace tsukai::infer::test;

namespace {

std::map<std::string, std::string> files_of(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    files[entry.path().filename().string()] = read_file(entry.path().string());
  return files;
}

// Answers lists and files as the hubs do.
WireAnswer serve(const std::map<std::string, std::string>& files, const std::string& request) {
  const std::string target = request.substr(4, request.find(' ', 4) - 4);
  if (target == "/api/models/o/r/tree/main?recursive=true") {
    Json list = Json::array({{{"type", "directory"}, {"path", "d"}, {"size", 0}}});
    for (const auto& [name, bytes] : files) {
      list.push_back({{"type", "file"}, {"path", name}, {"size", bytes.size()}});
      if (bytes.size() > 5'000) list.back()["lfs"] = {{"oid", sha256_hex(bytes)}, {"size", bytes.size()}};
    }
    return ok(print_json(list));
  }
  if (target == "/api/v1/models/o/r/repo/files?Revision=master&Recursive=true") {
    Json list = Json::array();
    for (const auto& [name, bytes] : files)
      list.push_back(
          {{"Type", "blob"}, {"Path", name}, {"Size", bytes.size()}, {"Sha256", sha256_hex(bytes)}});
    return ok(print_json({{"Code", 200}, {"Data", {{"Files", list}}}}));
  }
  for (const std::string prefix :
       {"/o/r/resolve/main/", "/api/v1/models/o/r/repo?Revision=master&FilePath=", "/f/"}) {
    if (!target.starts_with(prefix)) continue;
    const auto found = files.find(target.substr(prefix.size()));
    if (found != files.end()) return honest(request, found->second);
  }
  return {head(404, 0)};
}

PullOptions options_for(const LoopbackHub& hub, const ScratchDir& cache) {
  PullOptions options;
  options.cache = cache.path();
  options.hugging_face = options.model_scope = hub.url();
  options.retry_pause = std::chrono::milliseconds(0);
  return options;
}

Error pull_refusal(const std::string& source) {
  const auto parsed = parse_model_source(source);
  REQUIRE(!parsed.has_value());
  return parsed.error();
}

}  // namespace

TEST_SUITE("infer/pull") {
  TEST_CASE("a folder is pulled, listed, found by name and opens") {
    const auto files = files_of(test_data("hf/qwen3"));
    for (const std::string hub_name : {"hf", "ms"}) {
      LoopbackHub hub([&](const std::string& request) { return serve(files, request); });
      const ScratchDir cache;
      const auto source = parse_model_source(hub_name + ":o/r");
      REQUIRE(source.has_value());
      CHECK(find_cached(cache.path(), *source).error().code() == Code::kNotFound);
      std::size_t told = 0;
      PullOptions options = options_for(hub, cache);
      options.on_progress = [&](const std::string&, std::uint64_t, std::uint64_t, std::size_t,
                                std::size_t of) { told = of; };
      const auto pulled = hub.run(pull_model(hub.client(), *source, options));
      REQUIRE_MESSAGE(pulled.has_value(), pulled.error().text());
      CHECK(told == pulled->files.size());
      CHECK(pulled->files.back().path.ends_with("/config.json"));
      CHECK(!std::filesystem::exists(pulled->path + "/reference.json"));  // Not part of a model.
      CHECK(find_cached(cache.path(), *source) == pulled->path);
      const auto models = list_cached(cache.path());
      REQUIRE(models.size() == 1);
      CHECK(models[0].name == hub_name + ":o/r");
      CHECK(models[0].bytes > files.at("model.safetensors").size());
      LocalModelOptions open;
      open.path = pulled->path;
      CHECK(LocalModel::open(open).has_value());

      const std::size_t before = hub.requests().size();
      const auto again = hub.run(pull_model(hub.client(), *source, options));
      REQUIRE(again.has_value());
      for (const PulledFile& file : again->files) CHECK(file.bytes_fetched == 0);
      CHECK(hub.requests().size() == before + 1);  // The list alone.
    }
  }

  TEST_CASE("one of several GGUF files is chosen by a part of its name, a split one with all its parts") {
    const std::map<std::string, std::string> files{{"a-Q4_0.gguf", std::string(6'000, '4')},
                                                   {"a-Q8_0-00001-of-00002.gguf", std::string(6'000, '8')},
                                                   {"a-Q8_0-00002-of-00002.gguf", std::string(6'000, '9')},
                                                   {"README.md", "text"}};
    LoopbackHub hub([&](const std::string& request) { return serve(files, request); });
    const ScratchDir cache;
    const auto pull = [&](const std::string& name) {
      return hub.run(pull_model(hub.client(), *parse_model_source(name), options_for(hub, cache)));
    };
    CHECK(pull("hf:o/r").error().code() == Code::kInvalidArgument);
    CHECK(pull("hf:o/r").error().text().find("a-Q4_0.gguf, a-Q8_0-00001-of-00002.gguf") != std::string::npos);
    CHECK(pull("hf:o/r:Q2").error().code() == Code::kNotFound);
    CHECK(pull("hf:o/other").error().code() == Code::kNotFound);
    const auto split = pull("hf:o/r:q8_0");
    REQUIRE_MESSAGE(split.has_value(), split.error().text());
    REQUIRE(split->files.size() == 2);
    CHECK(split->path.ends_with("/hf/o/r/a-Q8_0-00001-of-00002.gguf"));
    CHECK(split->files[1].checked);
    REQUIRE(pull("hf:o/r:a-Q4_0.gguf").has_value());
    const auto models = list_cached(cache.path());
    REQUIRE(models.size() == 2);
    CHECK(models[0].name == "hf:o/r:a-Q4_0.gguf");
    CHECK(models[1].name == "hf:o/r:a-Q8_0-00001-of-00002.gguf");
    CHECK(models[1].bytes == 12'000);
    CHECK(find_cached(cache.path(), *parse_model_source("hf:o/r:Q4")) == models[0].path);
    CHECK(find_cached(cache.path(), *parse_model_source("hf:o/r")).error().code() == Code::kInvalidArgument);
  }

  TEST_CASE("a URL is one file, checked when its SHA-256 is given") {
    const std::map<std::string, std::string> files{{"m.gguf", std::string(6'000, 'm')}};
    LoopbackHub hub([&](const std::string& request) { return serve(files, request); });
    const ScratchDir cache;
    PullOptions options = options_for(hub, cache);
    options.sha256 = sha256_hex("another");
    const auto source = *parse_model_source(hub.url() + "/f/m.gguf");
    CHECK(hub.run(pull_model(hub.client(), source, options)).error().code() == Code::kProtocol);
    options.sha256 = sha256_hex(files.at("m.gguf"));
    const auto pulled = hub.run(pull_model(hub.client(), source, options));
    REQUIRE_MESSAGE(pulled.has_value(), pulled.error().text());
    CHECK(pulled->path == cache / "url/127.0.0.1_" + hub.url().substr(17) + "/m.gguf");
    CHECK(find_cached(cache.path(), source) == pulled->path);
  }

  TEST_CASE("the token goes to Hugging Face alone") {
    const std::map<std::string, std::string> files{{"m.gguf", "weights"}};
    LoopbackHub hub([&](const std::string& request) { return serve(files, request); });
    const ScratchDir cache;
    PullOptions options = options_for(hub, cache);
    options.token = "hf_secret";
    REQUIRE(hub.run(pull_model(hub.client(), *parse_model_source("hf:o/r"), options)).has_value());
    for (const std::string& request : hub.requests())
      CHECK(request.find("Bearer hf_secret") != std::string::npos);
    const std::size_t before = hub.requests().size();
    REQUIRE(hub.run(pull_model(hub.client(), *parse_model_source("ms:o/r"), options)).has_value());
    REQUIRE(
        hub.run(pull_model(hub.client(), *parse_model_source(hub.url() + "/f/m.gguf"), options)).has_value());
    for (std::size_t i = before; i < hub.requests().size(); ++i)
      CHECK(hub.requests()[i].find("hf_secret") == std::string::npos);
  }

  TEST_CASE("a list that names files outside the folder, or is no list, does no harm") {
    const auto list = parse_file_list(
        ModelHub::kHuggingFace,
        R"([{"path":"../../x.gguf"},{"path":"/etc/x.gguf"},{"path":"a/../x.gguf"},{"path":".ssh/x.gguf"},
            {"path":"a//x.gguf"},{"path":"x\ny.gguf"},{"path":"-x.gguf"},{"path":7},{"path":"a/good.gguf","size":-4,
             "lfs":{"oid":"zz"}}])");
    REQUIRE(list.has_value());
    REQUIRE(list->size() == 1);
    CHECK(list->front().path == "a/good.gguf");
    CHECK(list->front().bytes == 0);
    CHECK(list->front().sha256.empty());
    for (const char* bad : {"", "{}", "<html>", R"({"Data":[]})"}) {
      CHECK(parse_file_list(ModelHub::kHuggingFace, bad).error().code() == Code::kProtocol);
      CHECK(parse_file_list(ModelHub::kModelScope, bad).error().code() == Code::kProtocol);
    }
  }

  TEST_CASE("sources are read, and what is none is refused in words") {
    const auto source = parse_model_source("hf:Qwen/Qwen3-0.6B-GGUF:Qwen3-0.6B-Q8_0.gguf");
    REQUIRE(source.has_value());
    CHECK(source->hub == ModelHub::kHuggingFace);
    CHECK(source->repository == "Qwen/Qwen3-0.6B-GGUF");
    CHECK(source->file == "Qwen3-0.6B-Q8_0.gguf");
    CHECK(parse_model_source("ms:a/b")->hub == ModelHub::kModelScope);
    CHECK(parse_model_source("https://example.com/d/m.gguf?x=1")->file == "m.gguf");
    for (const char* bad :
         {"hf:", "hf:a", "hf:a/b/c", "hf:../b", "hf:a/..", "hf:a/b:", "hf:a/b:../x", "hf:a b/c",
          "https://example.com", "https://example.com/", "ftp://example.com/x", "model"})
      CHECK(pull_refusal(bad).code() == Code::kInvalidArgument);
  }

  TEST_CASE("an empty or absent cache folder holds no models") {
    const ScratchDir cache;
    CHECK(list_cached(cache.path()).empty());
    CHECK(list_cached(cache / "absent").empty());
    cache.write("hf/o/r/m.gguf.part", "half");
    CHECK(list_cached(cache.path()).empty());
    cache.write("own.gguf", "x");
    REQUIRE(list_cached(cache.path()).size() == 1);
    CHECK(list_cached(cache.path())[0].name == cache / "own.gguf");
  }
}
