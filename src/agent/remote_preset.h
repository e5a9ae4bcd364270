// Which remote model a name means, and how its provider departs from the OpenAI chat completions API.
//   PRESET:MODEL[@BASE_URL] [OPTION=VALUE ...]
//   deepseek:deepseek-chat
//   openai:my-model@http://127.0.0.1:9000/v1 key=${MY_KEY} context=32768 usd_in=0.5 usd_out=1.5
// Options: `key` (an environment variable, `none` sends no key), `context` (tokens), `usd_in`, `usd_cached`,
// `usd_out` (dollars for a million tokens read, read from the provider's cache, written).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tsukai::agent {

// How an answer is held to a JSON Schema.
enum class SchemaSupport {
  kSchema,  // response_format json_schema.
  kObject,  // json_object alone: the schema is told in words.
  kNone,    // Told in words only.
};

struct RemotePreset {
  std::string_view name;      // "deepseek"
  std::string_view base_url;  // Without a slash at the end.
  std::string_view key_name;  // The environment variable of its key; empty: none is needed.
  bool key_required = true;
  bool local = false;       // A server of one's own: its key may go to whatever address is given.
  std::string_view domain;  // Hosts that end so are this provider's; its key goes nowhere else.
  SchemaSupport schema = SchemaSupport::kSchema;
  bool strict = false;           // Tools may be `strict`.
  bool new_token_limit = false;  // max_completion_tokens in place of max_tokens.
  bool penalties = true;         // frequency_penalty and presence_penalty are taken,
  bool parallel_flag = true;     // parallel_tool_calls,
  bool seed = true;              // seed,
  bool required_choice = true;   // and tool_choice "required".
  bool logit_bias = false;       // logit_bias is taken.
  bool echo_reasoning = false;   // Turns that call tools are sent back with their reasoning.
  // Sampling beyond the OpenAI API that it takes, under these names.
  std::string_view top_k, min_p, repetition_penalty;
};

const std::vector<RemotePreset>& remote_presets();

struct RemoteSpec {
  RemotePreset preset;
  std::string model;
  std::string base_url;  // Without a slash at the end.
  std::string key_name;  // Empty: no key is sent.
  bool key_required = false;
  std::size_t context_tokens = 131'072;
  double usd_in = 0, usd_cached = 0, usd_out = 0;  // For a million tokens. Cached: as usd_in when not given.
};

// Whether a model's name is of the form above (it need not be right). Never a path.
bool names_remote_model(std::string_view name);

// kInvalidArgument says what is wrong and what is taken.
Result<RemoteSpec> parse_remote_spec(const std::string& text);

}  // namespace tsukai::agent
