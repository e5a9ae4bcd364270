#include "agent/remote_reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/remote_request.h"
#include "base/random.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kSaidCharactersMax = 300;
constexpr std::size_t kCallIdLetters = 10;
// Where a provider does not count tokens: text in most languages and tokenizers has three to five bytes a
// token.
constexpr std::size_t kReplyBytesPerToken = 4;
constexpr double kTokensPriced = 1e6;  // Prices are for a million.

// What an error body says, in a line.
std::string said(std::string_view body) {
  const auto parsed = parse_json(body);
  if (!parsed || !parsed->is_object()) return shortened(trimmed(repaired_utf8(body)), kSaidCharactersMax);
  const auto* error = find(*parsed, "error");
  std::string text;
  if (error != nullptr && error->is_object()) text = string_at(*error, "message");
  if (error != nullptr && error->is_string()) text = error->get<std::string>();
  for (const char* key : {"message", "detail"}) {
    if (text.empty()) text = string_at(*parsed, key);
  }
  return shortened(text.empty() ? std::string(body) : text, kSaidCharactersMax);
}

std::string kind_of_error(std::string_view body) {
  const auto parsed = parse_json(body);
  const auto* error = parsed ? find(*parsed, "error") : nullptr;
  if (error == nullptr || !error->is_object()) return {};
  return string_at(*error, "code") + " " + string_at(*error, "type");
}

bool mentions(const std::string& text, std::initializer_list<std::string_view> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [&](std::string_view part) { return text.find(part) != std::string::npos; });
}

}  // namespace

Error remote_error(int status, std::string_view body) {
  const std::string what = said(body);
  const std::string kind = kind_of_error(body);
  const std::string message = status == 0 ? "the provider broke off: " + what
                                          : fmt::format("the provider answered {}: {}", status, what);
  if (mentions(kind, {"context_length_exceeded"}) ||
      (status == 400 &&
       mentions(what, {"context length", "context window", "maximum context", "context size"}))) {
    return Error(Code::kExhausted, message, "the conversation is too long for the model");
  }
  if (mentions(kind, {"insufficient_quota", "billing"}) || status == 402) {
    return Error(Code::kDenied, message, "the account has no credit left");
  }
  if (status == 401 || status == 403) return Error(Code::kDenied, message, "check the key");
  if (status == 404) return Error(Code::kNotFound, message, "check the model's name and the base URL");
  if (status == 429) return Error(Code::kExhausted, message, "try again later");
  if (status == 0 || status == 408 || status == 409 || status >= 500)
    return Error(Code::kTransport, message, "try again later");
  return Error(Code::kInvalidArgument, message);
}

Result<std::string> RemoteReply::take(std::string_view data) {
  std::string shown;
  if (trimmed(data) == "[DONE]") {
    done_ = true;
    return shown;
  }
  bytes_ += data.size();
  if (bytes_ > kRemoteReplyBytesMax * 4) {
    return fail(Code::kExhausted, fmt::format("the reply has more than {} bytes", kRemoteReplyBytesMax * 4));
  }
  auto parsed = parse_json(data);
  if (!parsed || !parsed->is_object()) {
    return fail(Code::kProtocol,
                fmt::format("the provider sent no JSON: {}", shortened(repaired_utf8(data), 80)));
  }
  if (const auto* error = find(*parsed, "error"); error != nullptr && !error->is_null()) {
    const auto code = error->is_object() ? integer_at(*error, "code") : 0;
    return fail(remote_error(code >= 400 && code < 600 ? static_cast<int>(code) : 0, data));
  }
  if (const auto* usage = find(*parsed, "usage"); usage != nullptr && usage->is_object()) take_usage(*usage);
  const auto* choices = find(*parsed, "choices");
  if (choices == nullptr || !choices->is_array()) {
    return fail(Code::kProtocol,
                fmt::format("the provider sent no chat completion: {}", shortened(repaired_utf8(data), 80)));
  }
  if (!choices->empty()) TSUKAI_TRY_VOID(take_choice(choices->front(), shown));
  return shown;
}

Result<void> RemoteReply::take_choice(const Json& choice, std::string& shown) {
  const auto* delta = find(choice, "delta");
  if (delta == nullptr) delta = find(choice, "message");  // A whole answer.
  if (delta != nullptr && delta->is_object()) {
    shown = string_at(*delta, "content");
    message_.text += shown;
    auto reasoning = string_at(*delta, "reasoning_content");
    if (reasoning.empty()) reasoning = string_at(*delta, "reasoning");
    message_.reasoning += reasoning;
    if (const auto* calls = find(*delta, "tool_calls"); calls != nullptr && calls->is_array()) {
      TSUKAI_TRY_VOID(take_calls(*calls));
    }
  }
  if (message_.text.size() + message_.reasoning.size() > kRemoteReplyBytesMax) {
    return fail(Code::kExhausted, fmt::format("the reply has more than {} bytes", kRemoteReplyBytesMax));
  }
  if (auto finish = string_at(choice, "finish_reason"); !finish.empty()) finish_ = std::move(finish);
  return {};
}

Result<void> RemoteReply::take_calls(const Json& calls) {
  for (const auto& piece : calls) {
    // Some servers number no calls: a piece with a name begins one, a piece without goes on with the last.
    const auto* function = find(piece, "function");
    const std::string name = function == nullptr ? "" : string_at(*function, "name");
    const std::int64_t last = calls_.empty() ? -1 : calls_.rbegin()->first;
    const std::int64_t index =
        integer_at(piece, "index", name.empty() ? std::max<std::int64_t>(last, 0) : last + 1);
    if (!calls_.contains(index) && calls_.size() >= kRemoteCallsMax) {
      return fail(Code::kExhausted, fmt::format("the reply makes more than {} calls", kRemoteCallsMax));
    }
    Call& call = calls_[index];
    if (const auto id = string_at(piece, "id"); !id.empty()) call.id = id;
    if (!name.empty()) call.name = name;
    if (function == nullptr) continue;
    const auto* arguments = find(*function, "arguments");
    if (arguments == nullptr || arguments->is_null()) continue;
    call.arguments += arguments->is_string() ? arguments->get<std::string>() : print_json(*arguments);
    if (call.arguments.size() > kRemoteReplyBytesMax) {
      return fail(Code::kExhausted,
                  fmt::format("the arguments have more than {} bytes", kRemoteReplyBytesMax));
    }
    tell(index, call);
  }
  return {};
}

void RemoteReply::tell(std::int64_t index, Call& call) {
  if (!on_call_ || call.name.empty() || call.told == call.arguments.size()) return;
  const auto place = std::distance(calls_.begin(), calls_.find(index));
  const auto piece = std::string_view(call.arguments).substr(call.told);
  const bool begun = on_call_({static_cast<std::size_t>(place), call.name, piece, !call.announced});
  call.announced = true;
  call.told = call.arguments.size();
  begun_ = begun_ || begun;
}

void RemoteReply::take_usage(const Json& usage) {
  prompt_tokens_ = std::max<std::int64_t>(0, integer_at(usage, "prompt_tokens"));
  generated_tokens_ = std::max<std::int64_t>(0, integer_at(usage, "completion_tokens"));
  cached_tokens_ = integer_at(usage, "prompt_cache_hit_tokens");  // DeepSeek's name for it.
  if (const auto* details = find(usage, "prompt_tokens_details");
      details != nullptr && details->is_object()) {
    cached_tokens_ = integer_at(*details, "cached_tokens", cached_tokens_);
  }
  cached_tokens_ = std::clamp<std::int64_t>(cached_tokens_, 0, prompt_tokens_);
}

infer::ChatReply RemoteReply::reply(std::size_t body_bytes, bool cut) const {
  infer::ChatReply reply;
  reply.message = message_;
  reply.message.role = infer::Role::kAssistant;
  reply.finish = cut || finish_ == "length" ? infer::FinishReason::kLength : infer::FinishReason::kStop;
  std::size_t written = message_.text.size() + message_.reasoning.size();
  for (const auto& [index, call] : calls_) {
    written += call.name.size() + call.arguments.size();
    // A call that was cut short is never made, and may not stand in the history either.
    if (reply.finish == infer::FinishReason::kLength) continue;
    auto arguments = parse_json(trimmed(call.arguments).empty() ? "{}" : call.arguments);
    infer::ToolCall made;
    made.id = call.id.empty() ? "call_" + random_id(kCallIdLetters) : call.id;
    made.name = call.name;
    made.arguments =
        arguments && arguments->is_object() ? *std::move(arguments) : Json(repaired_utf8(call.arguments));
    reply.message.calls.push_back(std::move(made));
  }
  if (!reply.message.calls.empty()) reply.finish = infer::FinishReason::kCalls;
  if (cut && reply.message.text.empty()) reply.message.text = infer::kInterruptedText;
  reply.message.raw = print_json(remote_message(reply.message, spec_.preset.echo_reasoning));
  reply.text = reply.message.raw;

  auto& usage = reply.usage;
  const auto estimate = [](std::size_t bytes) {
    return static_cast<std::int64_t>(bytes / kReplyBytesPerToken + 1);
  };
  usage.prompt_tokens = prompt_tokens_ >= 0 ? prompt_tokens_ : estimate(body_bytes);
  usage.reused_tokens = cached_tokens_;
  usage.prefilled_tokens = usage.prompt_tokens - usage.reused_tokens;
  usage.generated_tokens = generated_tokens_ >= 0 ? generated_tokens_ : estimate(written);
  usage.usd = (static_cast<double>(usage.prefilled_tokens) * spec_.usd_in +
               static_cast<double>(usage.reused_tokens) * spec_.usd_cached +
               static_cast<double>(usage.generated_tokens) * spec_.usd_out) /
              kTokensPriced;
  return reply;
}

}  // namespace tsukai::agent
