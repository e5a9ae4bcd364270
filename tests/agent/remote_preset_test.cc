#include "agent/remote_preset.h"

#include <doctest/doctest.h>

#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

RemoteSpec spec_of(const std::string& text) {
  auto spec = parse_remote_spec(text);
  REQUIRE_MESSAGE(spec, spec.error().text());
  return *std::move(spec);
}

std::string complaint(const std::string& text) {
  auto spec = parse_remote_spec(text);
  return spec ? std::string() : spec.error().text();
}

}  // namespace

TEST_SUITE("agent/remote_preset") {
  TEST_CASE("a provider's name brings its address and the variable of its key") {
    const auto deepseek = spec_of("deepseek:deepseek-chat");
    CHECK(deepseek.model == "deepseek-chat");
    CHECK(deepseek.base_url == "https://api.deepseek.com/v1");
    CHECK(deepseek.key_name == "DEEPSEEK_API_KEY");
    CHECK(deepseek.key_required);
    // Models of ollama have a colon, those of fireworks slashes.
    CHECK(spec_of("ollama:qwen3:8b").model == "qwen3:8b");
    CHECK(!spec_of("ollama:qwen3:8b").key_required);
    CHECK(spec_of("fireworks:accounts/fireworks/models/glm").model == "accounts/fireworks/models/glm");
    CHECK(spec_of("vllm:Qwen/Qwen3-8B@http://gpu-1:8000/v1/").base_url == "http://gpu-1:8000/v1");
  }

  TEST_CASE("what names a provider is no path, and the other way round") {
    for (const auto& preset : remote_presets()) CHECK(names_remote_model(std::string(preset.name) + ":m"));
    CHECK(!names_remote_model("smollm2"));
    CHECK(!names_remote_model("models/qwen.gguf"));
    CHECK(!names_remote_model("openai"));
    CHECK(!names_remote_model("c:model.gguf"));
  }

  TEST_CASE("a key goes to its provider's hosts alone") {
    CHECK(spec_of("openai:m@http://127.0.0.1:9000/v1").key_name.empty());
    CHECK(spec_of("openai:m@https://api.openai.com.evil.example/v1").key_name.empty());
    CHECK(spec_of("openai:m@https://notapi.openai.com/v1").key_name.empty());
    CHECK(spec_of("deepseek:m@https://api.openai.com/v1").key_name == "OPENAI_API_KEY");
    CHECK(spec_of("openai:qwen-plus@https://dashscope-intl.aliyuncs.com/compatible-mode/v1").key_name ==
          "DASHSCOPE_API_KEY");
    CHECK(spec_of("openai:m@https://me.example/v1 key=${MY_KEY}").key_name == "MY_KEY");
    CHECK(spec_of("openai:m@https://me.example/v1 key=${MY_KEY}").key_required);
    CHECK(spec_of("openai:m key=none").key_name.empty());
  }

  TEST_CASE("prices and the context are options") {
    const auto spec = spec_of("openai:m context=32768 usd_in=0.5 usd_out=1.5");
    CHECK(spec.context_tokens == 32768);
    CHECK(spec.usd_in == 0.5);
    CHECK(spec.usd_cached == 0.5);
    CHECK(spec.usd_out == 1.5);
    CHECK(spec_of("openai:m usd_in=1 usd_cached=0.1").usd_cached == 0.1);
  }

  TEST_CASE("a mistake is named with what is taken, and a key is not repeated") {
    CHECK(contains(complaint("opnai:m"), "names no provider"));
    CHECK(contains(complaint("openai:"), "names no model"));
    CHECK(contains(complaint("openai:m@http:///v1"), "names no host"));
    CHECK(contains(complaint("openai:m contxt=3"), "did you mean context=?"));
    CHECK(contains(complaint("openai:m context=-3"), "takes a number of tokens"));
    CHECK(contains(complaint("openai:m usd_in=cheap"), "dollars for a million tokens"));
    CHECK(contains(complaint("openai:m@http://me:secret@host/v1"), "user name or password"));
    const auto literal = complaint("openai:m key=sk-123456789");
    CHECK(contains(literal, "takes ${NAME}"));
    CHECK(!contains(literal, "sk-123456789"));
  }
}
