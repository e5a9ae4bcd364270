// ChatModel: what planner and agent see of any language model, local or remote. Fakes implement it in tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/task.h"

namespace tsukai::infer {

using TokenId = std::int32_t;

enum class Role { kSystem, kUser, kAssistant, kTool };
std::string_view name(Role role);  // "system", "user", "assistant", "tool"

// A tool as the model is told of it.
struct ToolDefinition {
  std::string name;  // [a-zA-Z0-9_-]{1,64}
  std::string description;
  JsonValue input_schema;  // A JSON Schema of type object.
  // What a grammar holds the arguments to, where a policy allows less than input_schema; `false`: it may not
  // be called at all; null: input_schema.
  JsonValue narrowed{};
};

struct ToolCall {
  std::string id;  // Unique within the run; made by the model's host, not by the model.
  std::string name;
  JsonValue arguments;  // An object.
};

struct Message {
  Role role = Role::kUser;
  std::string text;
  std::string reasoning;        // Assistant only: what stood between <think> and </think>.
  std::vector<ToolCall> calls;  // Assistant only.
  std::string call_id;          // Tool only: the call this answers.
  std::string tool_name;        // Tool only.
  // Assistant only, local models: the exact text the model produced for this turn, so that it is never
  // re-rendered.
  std::string raw;
};

// The messages of a conversation, in order. Each is immutable and shared: a copy of the list, which every
// turn's request holds, costs a pointer a message.
class Messages {
 public:
  class Iterator {
   public:
    using value_type = const Message;
    using difference_type = std::ptrdiff_t;
    explicit Iterator(const std::shared_ptr<const Message>* at) : at_(at) {}
    const Message& operator*() const { return **at_; }
    const Message* operator->() const { return at_->get(); }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator==(const Iterator&) const = default;

   private:
    const std::shared_ptr<const Message>* at_;
  };

  Messages() = default;
  Messages(std::initializer_list<Message> all) {
    for (const auto& each : all) push_back(each);
  }
  bool empty() const { return all_.empty(); }
  std::size_t size() const { return all_.size(); }
  const Message& operator[](std::size_t index) const { return *all_[index]; }
  const Message& front() const { return *all_.front(); }
  const Message& back() const { return *all_.back(); }
  Iterator begin() const { return Iterator(all_.data()); }
  Iterator end() const { return Iterator(all_.data() + all_.size()); }

  void push_back(Message message) { all_.push_back(std::make_shared<const Message>(std::move(message))); }
  // Another text in one of them, here alone.
  void set_text(std::size_t index, std::string text) {
    Message changed = *all_[index];
    changed.text = std::move(text);
    all_[index] = std::make_shared<const Message>(std::move(changed));
  }
  void erase(std::size_t from, std::size_t to) {
    all_.erase(all_.begin() + static_cast<std::ptrdiff_t>(from),
               all_.begin() + static_cast<std::ptrdiff_t>(to));
  }

 private:
  std::vector<std::shared_ptr<const Message>> all_;
};

enum class ToolChoice {
  kAuto,      // The model decides between text and calls.
  kRequired,  // At least one call; the grammar starts inside the call.
  kNone,      // Text only.
};

struct Sampling {
  float temperature = 0;  // 0: greedy.
  float top_p = 1;
  int top_k = 0;  // 0: off.
  float min_p = 0;
  float repetition_penalty = 1;
  float presence_penalty = 0;
  float frequency_penalty = 0;
  std::uint64_t seed = 0;
  std::vector<std::pair<TokenId, float>> logit_bias{};  // Added to these logits; no token twice.
};

// A piece of a call while the model writes it: for calls that are begun before they are whole.
struct CallPiece {
  std::size_t call = 0;        // Its place in the turn, from 0.
  std::string_view name;       // Of the tool, whole.
  std::string_view arguments;  // The next bytes of their JSON; cut anywhere.
  bool first = false;          // The call begins (again: what came of it before does not count).
};
// On the caller's executor. True: something was begun that can't be taken back, so the turn may not be
// written a second time.
using OnCall = std::function<bool(const CallPiece&)>;

struct ChatReply;
// What there was of a turn when it was cancelled: without calls, its finish kLength.
using OnCut = std::function<void(const ChatReply&)>;
// Stands in the conversation for a turn that was cut before its first word.
inline constexpr const char* kInterruptedText = "[interrupted]";

struct ChatRequest {
  std::string name;  // Of the turn within its run ("step-3"): for records; no model looks at it.
  Messages messages;
  std::vector<ToolDefinition> tools;  // Fixed for a run: part of the prompt's prefix.
  // May be called as well, though the prompt's list does not hold them: a message told the model of them.
  std::vector<ToolDefinition> told_tools;
  std::vector<std::string> allowed_tools;  // Empty: all. Else the grammar lets only these be called.
  ToolChoice tool_choice = ToolChoice::kAuto;
  std::size_t calls_max = 8;               // Calls in one turn.
  std::optional<JsonValue> output_schema;  // The text must be JSON of this schema.
  Sampling sampling;
  std::size_t tokens_max = 1024;  // Generated in this turn, closing tokens included.
  std::vector<std::string> stop;
  bool thinking = true;  // Where the model knows how.
  // After so many tokens thinking is closed and the answer begins; 0: no bound but tokens_max.
  std::size_t thinking_tokens_max = 0;
  // Hears of calls as they are written, where the model can tell; not all do, and not of all calls.
  OnCall on_call;
  // Hears of a cancelled turn, on the caller's executor, before generate() ends with kCancelled.
  OnCut on_cut;
};

// The tools that a grammar lets a turn call, their schemas narrowed where a policy says so.
std::vector<ToolDefinition> callable_tools(const ChatRequest& request);

// Everything the model has seen and said so far in one conversation. Grows at the end only, unless a template
// rewrites history. Remote models leave `tokens` empty.
struct Transcript {
  std::string text;
  std::vector<TokenId> tokens;
};

// What the model will be given next.
struct Prompt {
  std::string text;             // Whole; for a remote model the canonical JSON request body.
  std::vector<TokenId> tokens;  // Whole.
  std::size_t kept_bytes = 0;   // The first bytes of the previous transcript's text that are unchanged
  std::size_t kept_tokens =
      0;  // and the first tokens; less than all of them only when the template rewrote history.
};

// Token counts of one model call. prompt = reused + prefilled.
struct Usage {
  std::int64_t prompt_tokens = 0;
  std::int64_t reused_tokens = 0;     // Found in the KV cache.
  std::int64_t prefilled_tokens = 0;  // Computed for this call.
  std::int64_t rewound_tokens = 0;    // Prefilled again only because a template rewrote history.
  std::int64_t generated_tokens = 0;  // sampled + forced.
  std::int64_t forced_tokens = 0;     // Appended because the grammar left one choice (jump-forward).
  std::int64_t drafted_tokens =
      0;  // Guessed by prompt lookup and checked in the same step as the token before.
  std::int64_t rejected_tokens = 0;  // Of these, computed in vain. Neither kind is part of generated_tokens.
  // The last generated tokens have no K and V yet: the last one, and forced ones before it. The next turn
  // computes them.
  std::int64_t unread_tokens = 1;
  double prefill_ms = 0;
  double decode_ms = 0;
  double usd = 0;  // By the model's price list; 0 for a local model.
};

enum class FinishReason {
  kStop,    // The model ended its turn with text.
  kCalls,   // The model called tools.
  kLength,  // tokens_max was reached: calls is empty, text may be cut.
};
std::string_view name(FinishReason reason);  // "stop", "calls", "length"

struct ChatReply {
  Message message;  // role kAssistant
  FinishReason finish = FinishReason::kStop;
  std::vector<TokenId>
      tokens;        // As produced, the end-of-turn token included when there was one. Empty when remote.
  std::string text;  // The text of `tokens`, special tokens spelled out.
  Usage usage;
};

// A piece of text as it is produced; for terminals. Called on the caller's executor.
using OnText = std::function<void(std::string_view)>;

struct ModelDescription {
  std::string name;          // "SmolLM2-135M-Instruct"
  std::string architecture;  // "llama", "qwen3", "remote"
  std::string quantisation;  // "Q4_1"; empty when remote
  std::string digest;        // sha256 of the weights' header and size; of base URL and model name when remote
  std::size_t context_tokens = 0;
};

// A model that talks and calls tools. Lives on the io thread; generate() hands the work to wherever it is
// done.
class ChatModel {
 public:
  virtual ~ChatModel() = default;

  virtual const ModelDescription& description() const = 0;

  // The prompt for the next turn: pure, the same request and transcript give the same prompt. Sampled tokens
  // in `so_far` are kept as they are; only what is new is rendered and tokenised. kInvalidArgument when a
  // tool's schema holds a keyword the grammar can't honour (named), kExhausted when the prompt leaves no room
  // for tokens_max in the context.
  virtual Result<Prompt> render(const ChatRequest& request, const Transcript& so_far) = 0;

  // Produces one assistant turn. `request` and `prompt` are those of render(). Cancelling the coroutine stops
  // the engine between two tokens (a remote model's connection is closed), and ChatRequest::on_cut hears what
  // was made until then. Arguments of calls conform to their tool's schema.
  virtual Task<ChatReply> generate(ChatRequest request, Prompt prompt, OnText on_text) = 0;

  // The schema keywords of this tool that the grammar can't honour, each with its place; empty: all is well.
  virtual std::vector<std::string> unsupported_keywords(const ToolDefinition& tool) const = 0;
};

}  // namespace tsukai::infer
