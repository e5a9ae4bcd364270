// A ChatModel whose turns are written in the test. Its prompts are real: they grow at the end only, a token
// is a byte.
#pragma once

#include <algorithm>
#include <boost/asio/post.hpp>
#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "infer/model.h"

namespace tsukai {

// What the model does when it is asked once.
struct FakeTurn {
  std::string text;
  std::vector<std::pair<std::string, Json>> calls;  // name, arguments
  infer::FinishReason finish = infer::FinishReason::kStop;
  std::optional<Error> failure;
  bool hangs = false;            // Never answers: until cancelled.
  std::string made;              // What it has written of its text by then.
  std::function<void()> before;  // Runs when the turn begins.
  double usd = 0;                // What it costs.
  std::int64_t unread = 0;       // Its last tokens that the next turn reads; 0: it does not say.
  std::int64_t forgets = 0;      // Tokens before them that the next turn has to compute again.
  // Tells its first call's arguments while it writes them, in these pieces; after piece i it goes on once
  // `goes_on(i)`, which is asked again and again.
  std::vector<std::string> pieces;
  std::string tool_written = "plan";
  std::function<bool(std::size_t)> goes_on;
};

inline FakeTurn says(std::string text) { return {.text = std::move(text)}; }
inline FakeTurn calls(std::string tool, Json arguments) {
  return {.calls = {{std::move(tool), std::move(arguments)}}, .finish = infer::FinishReason::kCalls};
}
inline FakeTurn calls_all(std::vector<std::pair<std::string, Json>> all) {
  return {.calls = std::move(all), .finish = infer::FinishReason::kCalls};
}

inline constexpr int kAskedMax = 100'000;

// What all FakeModels of a test share: the script and what they were given.
struct FakeScript {
  std::deque<FakeTurn> turns;
  std::vector<FakeTurn> given;  // Those taken from `turns`, oldest first.
  std::vector<infer::ChatRequest> requests;
  std::vector<infer::Prompt> prompts;
  std::vector<std::string> unsupported;  // Reported for the tool named `unsupported_tool`.
  std::string unsupported_tool;
  std::size_t context_tokens = 1'000'000;
  std::string architecture = "fake";
  int call_count = 0;
  std::int64_t unread = 0;  // What the next turn has to read of the last one.
};

class FakeModel : public infer::ChatModel {
 public:
  explicit FakeModel(FakeScript& script) : script_(script) {
    description_ = {"fake", script.architecture, "none", "digest-of-fake", script.context_tokens};
  }

  const infer::ModelDescription& description() const override { return description_; }

  Result<infer::Prompt> render(const infer::ChatRequest& request, const infer::Transcript& so_far) override {
    infer::Prompt prompt;
    for (const auto& tool : request.tools)
      prompt.text += "<|tool_definition|>" + tool.name + tool.input_schema.print();
    for (const auto& message : request.messages) {
      prompt.text += "<|" + std::string(name(message.role)) + "|>";
      prompt.text += message.role == infer::Role::kAssistant ? message.raw : message.text;
      prompt.text += "<|end|>";
    }
    prompt.text += "<|assistant|>";
    while (prompt.kept_bytes < so_far.text.size() && prompt.kept_bytes < prompt.text.size() &&
           prompt.text[prompt.kept_bytes] == so_far.text[prompt.kept_bytes]) {
      ++prompt.kept_bytes;
    }
    prompt.kept_tokens = prompt.kept_bytes;
    for (unsigned char c : prompt.text) prompt.tokens.push_back(c);
    if (prompt.tokens.size() + request.tokens_max > script_.context_tokens) {
      return fail(Code::kExhausted, "the prompt does not fit the model's context");
    }
    return prompt;
  }

  Task<infer::ChatReply> generate(infer::ChatRequest request, infer::Prompt prompt,
                                  infer::OnText on_text) override {
    // As with a real model, other things run before the answer comes.
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    script_.requests.push_back(request);
    script_.prompts.push_back(prompt);
    if (script_.turns.empty()) co_return fail(Code::kInternal, "the script has no more turns");
    auto turn = std::move(script_.turns.front());
    script_.turns.pop_front();
    script_.given.push_back(turn);
    if (turn.before) turn.before();
    if (turn.hangs) {
      auto waited = co_await sleep_for(std::chrono::hours(1));
      if (!waited) co_return cut(prompt, turn, request, std::move(waited).error());
    }
    for (std::size_t i = 0; i < turn.pieces.size() && request.on_call; ++i) {
      (void)request.on_call({0, turn.tool_written, turn.pieces[i], i == 0});
      for (int asked = 0; turn.goes_on && !turn.goes_on(i); ++asked) {
        if (asked == kAskedMax) co_return fail(Code::kInternal, "the model waits for what never comes");
        Result<void> waited = fail(Code::kCancelled, "the model was cancelled");
        if ((co_await asio::this_coro::cancellation_state).cancelled() == asio::cancellation_type::none)
          waited = co_await sleep_for(std::chrono::milliseconds(0));
        if (!waited) co_return cut(prompt, turn, request, std::move(waited).error());
      }
    }
    if (turn.failure) co_return fail(*turn.failure);
    co_return reply_to(prompt, turn, on_text);
  }

  std::vector<std::string> unsupported_keywords(const infer::ToolDefinition& tool) const override {
    return tool.name == script_.unsupported_tool ? script_.unsupported : std::vector<std::string>{};
  }

 protected:
  tl::unexpected<Error> cut(const infer::Prompt& prompt, const FakeTurn& turn,
                            const infer::ChatRequest& request, Error why) {
    if (!turn.made.empty() && request.on_cut)
      request.on_cut(reply_to(prompt, {.text = turn.made, .finish = infer::FinishReason::kLength}, {}));
    return fail(std::move(why));
  }
  infer::ChatReply reply_to(const infer::Prompt& prompt, const FakeTurn& turn, const infer::OnText& on_text) {
    infer::ChatReply reply;
    reply.finish = turn.finish;
    reply.message.role = infer::Role::kAssistant;
    reply.message.text = turn.text;
    reply.message.raw = turn.text;
    for (const auto& [tool, arguments] : turn.calls) {
      reply.message.raw += "<call>" + tool + print_json(arguments);
      reply.message.calls.push_back({"call-" + std::to_string(++script_.call_count), tool, arguments});
    }
    reply.text = reply.message.raw + (turn.finish == infer::FinishReason::kLength ? "" : "<|end|>");
    for (unsigned char c : reply.text) reply.tokens.push_back(c);
    const auto size = [](const auto& list) { return static_cast<std::int64_t>(list.size()); };
    reply.usage.prompt_tokens = size(prompt.tokens);
    reply.usage.reused_tokens =
        std::max<std::int64_t>(static_cast<std::int64_t>(prompt.kept_tokens) - script_.unread, 0);
    script_.unread = turn.unread + turn.forgets;
    if (turn.unread > 0) reply.usage.unread_tokens = turn.unread;
    reply.usage.prefilled_tokens = size(prompt.tokens) - reply.usage.reused_tokens;
    reply.usage.generated_tokens = size(reply.tokens);
    reply.usage.usd = turn.usd;
    if (on_text && !turn.text.empty()) on_text(turn.text);
    return reply;
  }

 private:
  FakeScript& script_;
  infer::ModelDescription description_;
};

}  // namespace tsukai
