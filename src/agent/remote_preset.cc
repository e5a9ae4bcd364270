#include "agent/remote_preset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kSpecBytesMax = 4096;
constexpr std::size_t kContextTokensMax = 100'000'000;

// The host of a URL that was checked to begin with http:// or https://.
std::string_view host_of(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  const auto at = url.rfind('@');
  if (at != std::string_view::npos) url.remove_prefix(at + 1);
  if (url.starts_with('[')) return url.substr(0, url.find(']') + 1);
  return url.substr(0, url.find(':'));
}

bool of_domain(std::string_view host, std::string_view domain) {
  if (domain.empty() || !host.ends_with(domain)) return false;
  return host.size() == domain.size() || host[host.size() - domain.size() - 1] == '.';
}

const RemotePreset* preset_named(std::string_view name) {
  const auto& all = remote_presets();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.name == name; });
  return found == all.end() ? nullptr : &*found;
}

template <typename Number>
bool parse_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

Result<void> read_option(std::string_view word, RemoteSpec& spec, bool& cached_given) {
  const auto equals = word.find('=');
  const auto name = word.substr(0, equals);
  const auto value = equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
  static const std::vector<std::string> kOptions = {"key", "context", "usd_in", "usd_cached", "usd_out"};
  if (name == "key") {
    if (value == "none") {
      spec.key_name.clear();
      spec.key_required = false;
      return {};
    }
    if (!value.starts_with("${") || !value.ends_with("}") || value.size() < 4) {
      // The value itself is not repeated: it may be a key.
      return fail(Code::kInvalidArgument, "key= takes ${NAME}, an environment variable, or none",
                  "never write a key into a file");
    }
    spec.key_name = value.substr(2, value.size() - 3);
    spec.key_required = true;
    return {};
  }
  if (name == "context") {
    if (parse_number(value, spec.context_tokens) && spec.context_tokens > 0 &&
        spec.context_tokens <= kContextTokensMax) {
      return {};
    }
    return fail(Code::kInvalidArgument, fmt::format("context={}: takes a number of tokens", value));
  }
  double* price = name == "usd_in"       ? &spec.usd_in
                  : name == "usd_cached" ? &spec.usd_cached
                  : name == "usd_out"    ? &spec.usd_out
                                         : nullptr;
  if (price != nullptr) {
    if (parse_number(value, *price) && *price >= 0 && *price <= 1e6) {
      cached_given = cached_given || name == "usd_cached";
      return {};
    }
    return fail(Code::kInvalidArgument,
                fmt::format("{}={}: takes dollars for a million tokens, such as 0.5", name, value));
  }
  const auto nearest = nearest_name(name, kOptions);
  return fail(Code::kInvalidArgument, fmt::format("there is no option \"{}\"", shortened(name, 40)),
              nearest.empty() ? fmt::format("it takes {}", fmt::join(kOptions, ", "))
                              : fmt::format("did you mean {}=?", nearest));
}

}  // namespace

// Where the facts come from (read 2026-11-23): dashscope: help.aliyun.com, "compatibility of OpenAI with
// DashScope"; deepseek: api-docs.deepseek.com (JSON output is json_object); openai: platform.openai.com, chat
// completions; vllm: docs.vllm.ai, "OpenAI-compatible server" (extra sampling parameters); sglang:
// docs.sglang.ai, OpenAI APIs; llama-server: ggml-org/llama.cpp, tools/server/README.md; ollama:
// docs.ollama.com/api/openai-compatibility (request fields); groq: console.groq.com/docs/openai; cerebras:
// inference-docs.cerebras.ai, "OpenAI compatibility" (penalties and parallel_tool_calls are refused with
// 400); fireworks: docs.fireworks.ai; sambanova: docs.sambanova.ai. The members after `domain` were not tried
// against the services themselves.
const std::vector<RemotePreset>& remote_presets() {
  static const std::vector<RemotePreset> kPresets = {
      {.name = "openai",
       .base_url = "https://api.openai.com/v1",
       .key_name = "OPENAI_API_KEY",
       .domain = "api.openai.com",
       .strict = true,
       .new_token_limit = true,
       .logit_bias = true},
      {.name = "dashscope",
       .base_url = "https://dashscope.aliyuncs.com/compatible-mode/v1",
       .key_name = "DASHSCOPE_API_KEY",
       .domain = "aliyuncs.com",
       .schema = SchemaSupport::kObject,
       .penalties = true,
       .required_choice = false,
       .top_k = "top_k",
       .repetition_penalty = "repetition_penalty"},
      {.name = "deepseek",
       .base_url = "https://api.deepseek.com/v1",
       .key_name = "DEEPSEEK_API_KEY",
       .domain = "api.deepseek.com",
       .schema = SchemaSupport::kObject,
       .parallel_flag = false,
       .seed = false,
       .echo_reasoning = true},
      {.name = "groq",
       .base_url = "https://api.groq.com/openai/v1",
       .key_name = "GROQ_API_KEY",
       .domain = "api.groq.com",
       .schema = SchemaSupport::kObject},
      {.name = "cerebras",
       .base_url = "https://api.cerebras.ai/v1",
       .key_name = "CEREBRAS_API_KEY",
       .domain = "api.cerebras.ai",
       .penalties = false,
       .parallel_flag = false},
      {.name = "fireworks",
       .base_url = "https://api.fireworks.ai/inference/v1",
       .key_name = "FIREWORKS_API_KEY",
       .domain = "api.fireworks.ai",
       .parallel_flag = false,
       .logit_bias = true,
       .top_k = "top_k",
       .min_p = "min_p",
       .repetition_penalty = "repetition_penalty"},
      {.name = "sambanova",
       .base_url = "https://api.sambanova.ai/v1",
       .key_name = "SAMBANOVA_API_KEY",
       .domain = "api.sambanova.ai",
       .schema = SchemaSupport::kObject,
       .penalties = false,
       .seed = false,
       .top_k = "top_k"},
      {.name = "vllm",
       .base_url = "http://127.0.0.1:8000/v1",
       .key_name = "VLLM_API_KEY",
       .key_required = false,
       .local = true,
       .logit_bias = true,
       .top_k = "top_k",
       .min_p = "min_p",
       .repetition_penalty = "repetition_penalty"},
      {.name = "sglang",
       .base_url = "http://127.0.0.1:30000/v1",
       .key_name = "SGLANG_API_KEY",
       .key_required = false,
       .local = true,
       .logit_bias = true,
       .top_k = "top_k",
       .min_p = "min_p",
       .repetition_penalty = "repetition_penalty"},
      {.name = "llama-server",
       .base_url = "http://127.0.0.1:8080/v1",
       .key_name = "LLAMA_API_KEY",
       .key_required = false,
       .local = true,
       .logit_bias = true,
       .top_k = "top_k",
       .min_p = "min_p",
       .repetition_penalty = "repeat_penalty"},
      {.name = "ollama",
       .base_url = "http://127.0.0.1:11434/v1",
       .key_name = "OLLAMA_API_KEY",
       .key_required = false,
       .local = true,
       .parallel_flag = false,
       .required_choice = false}};
  return kPresets;
}

bool names_remote_model(std::string_view name) {
  return preset_named(name.substr(0, name.find(':'))) != nullptr && name.find(':') != std::string_view::npos;
}

Result<RemoteSpec> parse_remote_spec(const std::string& text) {
  if (text.size() > kSpecBytesMax) return fail(Code::kInvalidArgument, "the model's name is too long");
  std::vector<std::string> words;
  for (auto& word : split(text, ' ')) {
    if (!word.empty()) words.push_back(std::move(word));
  }
  const std::string head = words.empty() ? "" : words.front();
  const auto colon = head.find(':');
  const RemotePreset* preset = colon == std::string::npos ? nullptr : preset_named(head.substr(0, colon));
  if (preset == nullptr) {
    std::vector<std::string_view> names;
    for (const auto& one : remote_presets()) names.push_back(one.name);
    return fail(Code::kInvalidArgument, fmt::format("model \"{}\" names no provider", shortened(head, 80)),
                fmt::format("write PROVIDER:MODEL[@BASE_URL] with one of {}", fmt::join(names, ", ")));
  }
  RemoteSpec spec;
  spec.model = head.substr(colon + 1);
  spec.base_url = preset->base_url;
  auto at = spec.model.rfind("@http://");
  if (at == std::string::npos) at = spec.model.rfind("@https://");
  if (at != std::string::npos) {
    spec.base_url = spec.model.substr(at + 1);
    spec.model.resize(at);
    while (spec.base_url.ends_with('/')) spec.base_url.pop_back();
  }
  const auto host = host_of(spec.base_url);
  if (spec.model.empty() || host.empty()) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("model \"{}\" names no {}", shortened(head, 80), spec.model.empty() ? "model" : "host"),
        fmt::format("write {}:MODEL[@BASE_URL]", preset->name));
  }
  if (spec.base_url.find('@') != std::string::npos) {
    return fail(Code::kInvalidArgument, "the base URL holds a user name or password",
                "give the key as key=${NAME}");
  }
  // The host decides whose API it is: a key never goes to another provider's host.
  spec.preset = *preset;
  bool own_host = at == std::string::npos || preset->local || of_domain(host, preset->domain);
  for (const auto& one : remote_presets()) {
    if (at == std::string::npos || !of_domain(host, one.domain)) continue;
    spec.preset = one;
    own_host = true;
  }
  if (own_host) {
    spec.key_name = spec.preset.key_name;
    spec.key_required = spec.preset.key_required;
  } else {  // Some server that speaks the protocol: nothing beyond it is taken for granted.
    spec.preset.strict = false;
    spec.preset.new_token_limit = false;
  }
  bool cached_given = false;
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (auto read = read_option(words[i], spec, cached_given); !read)
      return fail(std::move(read).error().in("model " + spec.model));
  }
  if (!cached_given) spec.usd_cached = spec.usd_in;
  return spec;
}

}  // namespace tsukai::agent
