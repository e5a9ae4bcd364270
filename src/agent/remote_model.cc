#include "agent/remote_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "agent/redaction.h"
#include "agent/remote_reply.h"
#include "agent/remote_request.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/http_client.h"
#include "base/random.h"
#include "base/sse.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kErrorBytesMax = 1u << 20;

double ms_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

// Retry-After: seconds, or a date (RFC 9110, 10.2.3).
std::optional<std::chrono::milliseconds> retry_after(const HttpHeaders& headers) {
  const std::string text(trimmed(header_text(headers, "Retry-After")));
  if (text.empty()) return std::nullopt;
  double seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size()) {
    std::tm date{};
    if (strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date) == nullptr) return std::nullopt;
    seconds = static_cast<double>(timegm(&date)) - static_cast<double>(system_clock().wall_ms()) / 1000;
  }
  seconds = std::clamp(seconds, 0.0, 1e7);
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1000));
}

// One attempt's end.
struct Attempt {
  std::optional<infer::ChatReply> reply;
  std::optional<Error> error;
  bool again = false;                                      // Worth another attempt,
  std::optional<std::chrono::milliseconds> wait_at_least;  // not before this.
};

Attempt failed(Error error, bool again) { return {.error = std::move(error), .again = again}; }

bool worth_another(const Error& error) {
  return error.code() == Code::kTransport || error.code() == Code::kTimeout;
}

class RemoteModel : public infer::ChatModel {
 public:
  explicit RemoteModel(RemoteModelOptions options) : options_(std::move(options)) {
    const auto& spec = options_.spec;
    description_ = {spec.model, "remote", "", sha256_hex(spec.base_url + "\n" + spec.model),
                    spec.context_tokens};
    if (!options_.key.empty()) redaction_.add(spec.key_name.empty() ? "key" : spec.key_name, options_.key);
  }

  const infer::ModelDescription& description() const override { return description_; }

  Result<infer::Prompt> render(const infer::ChatRequest& request, const infer::Transcript& so_far) override {
    infer::Prompt prompt;
    TSUKAI_TRY(prompt.text, remote_request_body(options_.spec, request));
    const auto end =
        std::mismatch(prompt.text.begin(), prompt.text.end(), so_far.text.begin(), so_far.text.end());
    prompt.kept_bytes = static_cast<std::size_t>(end.first - prompt.text.begin());
    // Not within a character: what is new is written down as text.
    while (prompt.kept_bytes > 0 && prompt.kept_bytes < prompt.text.size() &&
           (static_cast<unsigned char>(prompt.text[prompt.kept_bytes]) & 0xc0) == 0x80) {
      --prompt.kept_bytes;
    }
    return prompt;
  }

  Task<infer::ChatReply> generate(infer::ChatRequest request, infer::Prompt prompt,
                                  infer::OnText on_text) override {
    if (!client_) client_ = HttpClient::make(co_await asio::this_coro::executor);
    Heard heard{.on_text = std::move(on_text),
                .on_call = std::move(request.on_call),
                .on_cut = std::move(request.on_cut)};
    auto wait = options_.back_off;
    for (int number = 1;; ++number) {
      if (heard.any_text) heard.on_text = {};
      auto attempt = co_await ask(prompt.text, &heard);
      if (attempt.reply) co_return *std::move(attempt.reply);
      auto error = redacted(*attempt.error);
      if (!attempt.again || heard.begun || error.code() == Code::kCancelled) co_return fail(std::move(error));
      if (number >= options_.attempts_max) {
        co_return fail(std::move(error).in(fmt::format("after {} attempts", number)));
      }
      // Between one and one and a half times, so that many clients do not come back at once.
      auto pause =
          wait + std::chrono::milliseconds(entropy() % (static_cast<std::uint64_t>(wait.count()) / 2 + 1));
      if (attempt.wait_at_least) {
        if (*attempt.wait_at_least > options_.retry_after_max) {
          co_return fail(
              std::move(error).in(fmt::format("asked to wait {} s", attempt.wait_at_least->count() / 1000)));
        }
        pause = std::max(pause, *attempt.wait_at_least);
      }
      TSUKAI_CO_TRY_VOID(co_await sleep_for(pause));
      wait *= 2;
    }
  }

  // Arguments are checked when they are there; what can't be held to a schema is told to the model then.
  std::vector<std::string> unsupported_keywords(const infer::ToolDefinition&) const override { return {}; }

 private:
  HttpRequest request_of(const std::string& body) const {
    HttpRequest request;
    request.method = "POST";
    request.url = options_.spec.base_url + "/chat/completions";
    request.headers = {{"Content-Type", "application/json"},
                       {"Accept", "text/event-stream, application/json"}};
    if (!options_.key.empty()) request.headers.emplace_back("Authorization", "Bearer " + options_.key);
    request.body = body;
    request.idle_timeout = options_.idle_timeout;
    return request;
  }

  Error redacted(const Error& error) const {
    return Error(error.code(), redaction_.text(error.message()), redaction_.text(error.remedy()));
  }

  // Who listens to a reply, and whether they heard anything.
  struct Heard {
    infer::OnText on_text;
    infer::OnCall on_call;
    infer::OnCut on_cut;
    bool any_text = false, begun = false;
  };

  asio::awaitable<Attempt> ask(std::string body, Heard* heard) {
    const auto began = std::chrono::steady_clock::now();
    auto stream = co_await client_->open(request_of(body));
    if (!stream) co_return failed(stream.error(), worth_another(stream.error()));
    const int status = (*stream)->status();
    if (status != 200) co_return co_await refused(std::move(*stream), status);
    RemoteReply reply(options_.spec, heard->on_call);
    std::optional<std::chrono::steady_clock::time_point> first;
    const bool events =
        header_text((*stream)->headers(), "Content-Type").find("text/event-stream") != std::string::npos;
    SseParser parser(kRemoteReplyBytesMax);
    std::string whole;
    while (!reply.done()) {
      Result<std::optional<std::string>> piece = fail(Code::kCancelled, "the request was cancelled");
      // A cancellation that came between two pieces would be thrown by the next co_await.
      if ((co_await asio::this_coro::cancellation_state).cancelled() == asio::cancellation_type::none)
        piece = co_await (*stream)->read();
      if (!piece && piece.error().code() == Code::kCancelled && heard->on_cut)
        heard->on_cut(finished(reply, body.size(), began, first.value_or(began), true));
      if (!piece) co_return failed(piece.error(), worth_another(piece.error()));
      if (!*piece) break;
      if (!first) first = std::chrono::steady_clock::now();
      if (!events) {
        whole += **piece;
        if (whole.size() > kRemoteReplyBytesMax * 4) {
          co_return failed(Error(Code::kExhausted, "the reply is too long"), false);
        }
        continue;
      }
      auto arrived = parser.feed(**piece);
      if (!arrived) co_return failed(arrived.error(), false);
      for (const auto& event : *arrived) {
        if (auto took = take(reply, event.data, *heard); !took)
          co_return failed(took.error(), worth_another(took.error()));
      }
    }
    if (!events) {
      if (auto took = take(reply, whole, *heard); !took)
        co_return failed(took.error(), worth_another(took.error()));
    }
    if (!reply.complete()) {
      co_return failed(Error(Code::kTransport, "the reply was cut off before its end"), true);
    }
    Attempt attempt;
    attempt.reply = finished(reply, body.size(), began, first.value_or(began), false);
    co_return attempt;
  }

  static Result<void> take(RemoteReply& reply, std::string_view data, Heard& heard) {
    auto text = reply.take(data);
    heard.begun = heard.begun || reply.begun();
    if (!text) return fail(std::move(text).error());
    if (!text->empty() && heard.on_text) {
      heard.on_text(*text);
      heard.any_text = true;
    }
    return {};
  }

  asio::awaitable<Attempt> refused(std::unique_ptr<HttpStream> stream, int status) {
    std::string body;
    while (body.size() < kErrorBytesMax) {
      auto piece = co_await stream->read();
      if (!piece || !*piece) break;
      body += **piece;
    }
    auto error = remote_error(status, body);
    const bool busy = status == 429 && error.code() == Code::kExhausted;
    Attempt attempt = failed(error, busy || error.code() == Code::kTransport);
    attempt.wait_at_least = retry_after(stream->headers());
    co_return attempt;
  }

  static infer::ChatReply finished(const RemoteReply& pieces, std::size_t body_bytes,
                                   std::chrono::steady_clock::time_point began,
                                   std::chrono::steady_clock::time_point first, bool cut) {
    auto reply = pieces.reply(body_bytes, cut);
    reply.usage.prefill_ms = ms_between(began, first);
    reply.usage.decode_ms = ms_between(first, std::chrono::steady_clock::now());
    return reply;
  }

  RemoteModelOptions options_;
  infer::ModelDescription description_;
  Redaction redaction_;
  std::unique_ptr<HttpClient> client_;  // Made on the executor that first generates.
};

}  // namespace

std::unique_ptr<infer::ChatModel> make_remote_model(RemoteModelOptions options) {
  return std::make_unique<RemoteModel>(std::move(options));
}

OpenModel open_remote_models(OpenModel local) {
  return [local = std::move(local)](const std::string& model,
                                    int threads) -> Result<std::unique_ptr<infer::ChatModel>> {
    if (!names_remote_model(model)) return local(model, threads);
    RemoteModelOptions options;
    TSUKAI_TRY(options.spec, parse_remote_spec(model));
    if (const auto& name = options.spec.key_name; !name.empty()) {
      const char* key = std::getenv(name.c_str());
      if (key != nullptr) options.key = trimmed(key);
      if (options.key.empty() && options.spec.key_required) {
        return fail(Code::kInvalidArgument, fmt::format("model {}: {} is not set", options.spec.model, name),
                    fmt::format("export {}=... (the key of your account)", name));
      }
    }
    return make_remote_model(std::move(options));
  };
}

}  // namespace tsukai::agent
