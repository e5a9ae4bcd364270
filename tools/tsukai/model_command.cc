#include "tools/tsukai/model_command.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "infer/format/model_file.h"
#include "infer/local_model.h"
#include "infer/tokenizer/tokenizer.h"
#include "tools/tsukai/files.h"
#include "tools/tsukai/interrupt.h"
#include "tools/tsukai/model_path.h"

namespace tsukai::cli {
namespace {

Result<std::string> prompt_text(const std::string& given) {
  if (given == "-") return read_text_file("-");
  return given;
}

Json usage_json(const infer::Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"reused_tokens", usage.reused_tokens},
          {"prefilled_tokens", usage.prefilled_tokens},
          {"generated_tokens", usage.generated_tokens},
          {"forced_tokens", usage.forced_tokens},
          {"prefill_ms", usage.prefill_ms},
          {"decode_ms", usage.decode_ms}};
}

std::string speed_text(const infer::Usage& usage) {
  const auto rate = [](std::int64_t tokens, double ms) {
    return ms > 0 ? static_cast<double>(tokens) * 1000 / ms : 0;
  };
  return fmt::format(
      "{} read at {:.0f}/s · {} written at {:.1f}/s", counted(usage.prefilled_tokens, "token", "tokens"),
      rate(usage.prefilled_tokens, usage.prefill_ms), counted(usage.generated_tokens, "token", "tokens"),
      rate(usage.generated_tokens, usage.decode_ms));
}

struct Text {
  std::string text;
  bool length = false;
  infer::Usage usage;
  Json tokens;  // With their log probabilities, when asked for; else null.
};

// "TOKEN=BIAS"
Result<std::pair<infer::TokenId, float>> bias_of(const std::string& word) {
  const auto equals = word.find('=');
  infer::TokenId token = 0;
  float bias = 0;
  const char* const end = word.data() + word.size();
  const char* const middle = word.data() + std::min(equals, word.size());
  const auto left = std::from_chars(word.data(), middle, token);
  if (equals == std::string::npos || left.ec != std::errc() || left.ptr != middle)
    return fail(Code::kInvalidArgument, "--logit-bias " + word, "write TOKEN=BIAS, such as 271=-100");
  const auto right = std::from_chars(middle + 1, end, bias);
  if (right.ec != std::errc() || right.ptr != end)
    return fail(Code::kInvalidArgument, "--logit-bias " + word, "write TOKEN=BIAS, such as 271=-100");
  return std::pair{token, bias};
}

Json probabilities_json(const infer::LocalModel& model, const infer::Generated& made) {
  const auto one = [&](infer::TokenId token, double logprob) {
    return Json{{"id", token}, {"text", repaired_utf8(model.token_text(token))}, {"logprob", logprob}};
  };
  Json list = Json::array();
  for (std::size_t i = 0; i < made.probabilities.size(); ++i) {
    Json& entry = list.emplace_back(one(made.tokens[i], made.probabilities[i].logprob));
    entry["top"] = Json::array();
    for (const auto& [token, logprob] : made.probabilities[i].alternatives)
      entry["top"].push_back(one(token, logprob));
  }
  return list;
}

Task<Text> continue_text(infer::LocalModel& model, GenerateArguments arguments, infer::Sampling sampling,
                         std::optional<JsonValue> schema, infer::OnText on_text) {
  infer::GenerateOptions options;
  options.tokens_max = arguments.tokens_max;
  options.sampling = sampling;
  options.schema = std::move(schema);
  options.stop = arguments.stop;
  if (arguments.logprobs >= 0) options.logprobs = arguments.logprobs;
  TSUKAI_CO_TRY(auto made, co_await model.complete(model.tokenize(arguments.prompt, false),
                                                   std::move(options), std::move(on_text)));
  Json tokens = options.logprobs ? probabilities_json(model, made) : Json();
  co_return Text{std::move(made.text), made.length, made.usage, std::move(tokens)};
}

Task<Text> answer_text(infer::LocalModel& model, GenerateArguments arguments, infer::Sampling sampling,
                       std::optional<JsonValue> schema, infer::OnText on_text) {
  infer::ChatRequest request;
  if (!arguments.system.empty()) request.messages.push_back({infer::Role::kSystem, arguments.system});
  request.messages.push_back({infer::Role::kUser, arguments.prompt});
  request.output_schema = std::move(schema);
  request.sampling = sampling;
  request.tokens_max = arguments.tokens_max;
  request.stop = arguments.stop;
  request.thinking = arguments.thinking != "off";
  if (request.thinking && !arguments.thinking.empty())
    request.thinking_tokens_max = std::stoul(arguments.thinking);
  TSUKAI_CO_TRY(auto prompt, model.render(request, {}));
  TSUKAI_CO_TRY(auto reply,
                co_await model.generate(std::move(request), std::move(prompt), std::move(on_text)));
  co_return Text{std::move(reply.message.text), reply.finish == infer::FinishReason::kLength, reply.usage,
                 Json()};
}

Result<std::optional<JsonValue>> schema_of(const std::string& path) {
  if (path.empty()) return std::optional<JsonValue>();
  TSUKAI_TRY(const std::string text, read_text_file(path));
  auto schema = parse_json(text);
  if (!schema) return fail(std::move(schema).error().in(path));
  return std::optional<JsonValue>(*std::move(schema));
}

int generate(Output& output, GenerateArguments arguments) {
  auto prompt = prompt_text(arguments.prompt);
  if (!prompt) return output.fail(prompt.error());
  arguments.prompt = *std::move(prompt);
  auto schema = schema_of(arguments.schema);
  if (!schema) return output.fail(schema.error());
  output.busy("loading " + arguments.model);
  auto model = open_model(arguments.model, arguments.flags);
  if (!model) return output.fail(model.error());

  infer::Sampling sampling;
  sampling.temperature = arguments.temperature;
  sampling.top_p = arguments.top_p;
  sampling.top_k = arguments.top_k;
  sampling.min_p = arguments.min_p;
  sampling.seed = arguments.seed;
  for (const std::string& word : arguments.logit_bias) {
    const auto bias = bias_of(word);
    if (!bias) return output.fail(bias.error());
    sampling.logit_bias.push_back(*bias);
  }
  output.busy("the model reads");
  bool any = false;
  infer::OnText on_text;
  if (!output.json()) {
    on_text = [&](std::string_view text) {
      any = any || !text.empty();
      output.write(output.out_is_terminal() ? printable(text) : std::string(text));
    };
  }
  asio::io_context context;
  const std::chrono::milliseconds limit(static_cast<std::int64_t>(arguments.timeout_s * 1000));
  auto made = run_interruptible(
      context,
      arguments.plain ? continue_text(**model, arguments, sampling, *std::move(schema), std::move(on_text))
                      : answer_text(**model, arguments, sampling, *std::move(schema), std::move(on_text)),
      limit);
  if (any) output.line("");
  if (!made) return output.fail(made.error());
  if (output.json()) {
    Json document = {{"text", made->text},
                     {"finish", made->length ? "length" : "stop"},
                     {"kernels", (*model)->kernels()},
                     {"usage", usage_json(made->usage)}};
    if (!made->tokens.is_null()) document["tokens"] = std::move(made->tokens);
    output.document(std::move(document));
    return 0;
  }
  if (!any) output.line(printable(made->text));
  output.note(output.paint_note(Style::kDim, speed_text(made->usage) + " · " + (*model)->kernels() +
                                                 (made->length ? " · cut at --tokens" : "")));
  return 0;
}

}  // namespace

int model_info_command(Output& output, const std::string& model) {
  auto path = resolve_model(model);
  if (!path) return output.fail(path.error());
  auto info = infer::read_model_file_info(*path);
  if (!info) return output.fail(info.error());
  if (output.json()) {
    Json types = Json::object();
    for (const auto& [type, count] : info->tensor_types) types[type] = count;
    output.document({{"path", info->path},
                     {"name", info->name},
                     {"architecture", info->architecture},
                     {"quantisation", info->quantisation},
                     {"tokenizer", info->tokenizer},
                     {"chat_format", info->chat_format},
                     {"file_bytes", info->file_bytes},
                     {"weight_bytes", info->weight_bytes},
                     {"parameters", info->parameters},
                     {"layers", info->layers},
                     {"embedding", info->embedding},
                     {"heads", info->heads},
                     {"kv_heads", info->kv_heads},
                     {"head_dim", info->head_dim},
                     {"feed_forward", info->feed_forward},
                     {"vocabulary", info->vocabulary},
                     {"context_tokens", info->context_tokens},
                     {"tensor_types", std::move(types)}});
    return 0;
  }
  const auto count = [](std::uint64_t number) { return grouped(static_cast<std::int64_t>(number)); };
  Table table({{""}, {"", Align::kLeft, true}});
  table.add({"file", info->path});
  table.add({"size", fmt::format("{} ({} of weights)", bytes_text(info->file_bytes),
                                 bytes_text(info->weight_bytes))});
  table.add({"name", info->name});
  table.add({"architecture", info->architecture});
  table.add({"parameters", count(info->parameters)});
  table.add({"quantisation", info->quantisation});
  std::vector<std::string> types;
  for (const auto& [type, tensors] : info->tensor_types) types.push_back(fmt::format("{} {}", tensors, type));
  table.add({"tensors", fmt::format("{}", fmt::join(types, ", "))});
  table.add({"layers", fmt::format("{} of {} wide, feed-forward {}", info->layers, count(info->embedding),
                                   count(info->feed_forward))});
  table.add(
      {"heads", fmt::format("{} query, {} key-value, {} wide", info->heads, info->kv_heads, info->head_dim)});
  table.add({"vocabulary", count(info->vocabulary)});
  table.add({"context", counted(static_cast<std::int64_t>(info->context_tokens), "token", "tokens")});
  table.add({"tokenizer", info->tokenizer});
  table.add({"chat format", info->chat_format});
  for (const std::string& line : table.lines(output.width(), false)) output.line(line);
  return 0;
}

int model_generate_command(Output& output, const GenerateArguments& arguments) {
  return generate(output, arguments);
}

int model_tokenize_command(Output& output, const std::string& model, const std::string& text, bool control) {
  auto path = resolve_model(model);
  if (!path) return output.fail(path.error());
  auto whole = prompt_text(text);
  if (!whole) return output.fail(whole.error());
  auto file = infer::ModelFile::open(*path);
  if (!file) return output.fail(file.error());
  auto vocabulary = (*file)->vocabulary();
  if (!vocabulary) return output.fail(vocabulary.error());
  auto tokenizer = infer::Tokenizer::make(*std::move(vocabulary));
  if (!tokenizer) return output.fail(tokenizer.error());
  const auto tokens = control ? (*tokenizer)->encode_with_control(*whole) : (*tokenizer)->encode(*whole);
  if (output.json()) {
    Json list = Json::array();
    for (const infer::TokenId token : tokens) {
      list.push_back({{"id", token}, {"text", std::string((*tokenizer)->bytes(token, true))}});
    }
    output.document({{"count", tokens.size()}, {"tokens", std::move(list)}});
    return 0;
  }
  if (output.quiet()) {
    for (const infer::TokenId token : tokens) output.line(std::to_string(token));
    return 0;
  }
  Table table({{"TOKEN", Align::kRight}, {"TEXT"}});
  for (const infer::TokenId token : tokens) {
    // As a JSON string, so that spaces and line breaks can be seen; a lone piece of a character as its bytes.
    const std::string_view bytes = (*tokenizer)->bytes(token, true);
    std::string shown;
    if (valid_utf8(bytes)) {
      shown = print_json(Json(std::string(bytes)));
    } else {
      for (const unsigned char byte : bytes) shown += fmt::format("<{:02x}>", byte);
    }
    table.add({std::to_string(token), shown});
  }
  output.table(table);
  output.note(
      output.paint_note(Style::kDim, counted(static_cast<std::int64_t>(tokens.size()), "token", "tokens")));
  return 0;
}

}  // namespace tsukai::cli
