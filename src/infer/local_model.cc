#include "infer/local_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "infer/chat/call_reader.h"
#include "infer/chat/prompt_tokens.h"
#include "infer/chat/template.h"
#include "infer/chat/tool_format.h"
#include "infer/chat/turn.h"
#include "infer/engine.h"
#include "infer/format/model_file.h"
#include "infer/stop_strings.h"

namespace tsukai::infer {
namespace {

// ChatML, for weights that come without a template (base models).
constexpr const char* kDefaultTemplate =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + "
    "'<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

// Hands text from the engine thread to the caller's executor, in whole characters, until close().
class TextStream : public std::enable_shared_from_this<TextStream> {
 public:
  TextStream(OnText on_text, asio::any_io_executor executor)
      : on_text_(std::move(on_text)), executor_(std::move(executor)) {}

  // On the engine thread. The last `undecided` bytes, which may begin a call, are kept back, and `stops` hold
  // back what may belong to one of them.
  void push(std::string_view bytes, std::size_t undecided, StopStrings& stops) {
    stops.add(bytes);
    pending_ += stops.take_certain();
    const std::size_t kept = std::max(undecided, incomplete_utf8_tail(pending_));
    if (kept >= pending_.size()) return;
    const std::size_t whole = pending_.size() - kept;
    told_bytes_ += whole;
    asio::post(executor_, [self = shared_from_this(), text = repaired_utf8(pending_.substr(0, whole))] {
      if (self->on_text_) self->on_text_(text);
    });
    pending_.erase(0, whole);
  }
  // On the caller's executor, when the generation has ended. The first `text_bytes` bytes of it were text: of
  // what was kept back, those are told. What arrives later is dropped.
  void close(StopStrings& stops, std::size_t text_bytes) {
    pending_ += stops.take_rest();
    pending_.resize(std::min(pending_.size(), text_bytes - std::min(text_bytes, told_bytes_)));
    if (on_text_ && !pending_.empty()) on_text_(repaired_utf8(pending_));
    on_text_ = nullptr;
  }

 private:
  OnText on_text_;
  asio::any_io_executor executor_;
  std::string pending_;
  std::size_t told_bytes_ = 0;
};

// Hands the arguments of a turn's call from the engine thread to the caller's executor, until close().
class CallStream : public std::enable_shared_from_this<CallStream> {
 public:
  CallStream(OnCall on_call, CallReader reader, asio::any_io_executor executor)
      : on_call_(std::move(on_call)), reader_(std::move(reader)), executor_(std::move(executor)) {}

  // On the engine thread. `call_begin`: where the first call's marker stands in all that was generated; npos:
  // not yet.
  void push(std::string_view bytes, std::size_t call_begin) {
    text_ += bytes;
    if (call_begin == std::string::npos) return;
    read_ = std::max(read_, std::min(call_begin, text_.size()));
    auto piece = reader_.feed(std::string_view(text_).substr(read_));
    read_ = text_.size();
    if (piece.empty()) return;
    asio::post(executor_, [self = shared_from_this(), name = reader_.name(), piece = std::move(piece),
                           first = std::exchange(first_, false)] {
      if (self->on_call_) (void)self->on_call_({0, name, piece, first});
    });
  }
  // On the caller's executor; what arrives later is dropped.
  void close() { on_call_ = nullptr; }

 private:
  OnCall on_call_;
  CallReader reader_;
  asio::any_io_executor executor_;
  std::string text_;
  std::size_t read_ = 0;  // Of text_.
  bool first_ = true;
};

class FileModel : public LocalModel {
 public:
  FileModel(LocalModelOptions options, std::shared_ptr<const ModelFile> file, ModelFileInfo info)
      : options_(std::move(options)), file_(std::move(file)), info_(std::move(info)) {}

  Result<void> load() {
    TSUKAI_TRY(auto data, file_->vocabulary());
    TSUKAI_TRY(auto tokenizer, Tokenizer::make(std::move(data)));
    tokenizer_ = std::move(tokenizer);
    const std::string source = file_->string("tokenizer.chat_template").value_or(kDefaultTemplate);
    auto parsed = ChatTemplate::parse(source);
    if (!parsed) return fail(std::move(parsed).error().in("chat template"));
    template_ = *std::move(parsed);
    format_ = ToolFormat::choose(source, info_.architecture, *tokenizer_);
    EngineOptions engine_options;
    engine_options.threads = options_.threads;
    engine_options.context = options_.context;
    engine_options.kv = options_.kv;
    engine_options.kernels = options_.kernels;
    TSUKAI_TRY(engine_, Engine::open(file_, engine_options));
    masks_ = MaskVocabulary::make(*tokenizer_);
    turns_ = std::make_shared<TurnVocabulary>(*tokenizer_, *format_, engine_->vocabulary());
    description_ = {info_.name, info_.architecture, info_.quantisation, file_->digest(),
                    engine_->context_tokens()};
    return {};
  }

  const ModelDescription& description() const override { return description_; }

  Result<Prompt> render(const ChatRequest& request, const Transcript& so_far) override {
    auto pieces = format_->render(*template_, request);
    if (!pieces) return fail(std::move(pieces).error().in("chat template"));
    Prompt prompt = extend_prompt(*tokenizer_, *std::move(pieces), so_far);
    if (prompt.tokens.size() + request.tokens_max > engine_->context_tokens()) {
      return fail(
          Code::kExhausted,
          fmt::format("the prompt has {} tokens and the answer may have {}, but the context holds {}",
                      prompt.tokens.size(), request.tokens_max, engine_->context_tokens()),
          "shorten the task, the tool results or the instructions, or use a model with a longer context");
    }
    return prompt;
  }

  Task<ChatReply> generate(ChatRequest request, Prompt prompt, OnText on_text) override {
    TSUKAI_CO_TRY(TurnRules rules, rules_of(request, prompt));
    TSUKAI_CO_TRY(auto watched, StopStrings::make(request.stop));
    auto stops = std::make_shared<StopStrings>(std::move(watched));
    auto trace = std::make_shared<TurnTrace>();
    auto stream = std::make_shared<TextStream>(std::move(on_text), co_await asio::this_coro::executor);
    Generation generation;
    generation.prompt = std::move(prompt.tokens);
    generation.tokens_max = request.tokens_max;
    generation.sampling = request.sampling;
    generation.constraint =
        make_turn_constraint(tokenizer_, format_, turns_, masks_, std::move(rules), trace);
    generation.ends = turns_->ends();
    std::shared_ptr<CallStream> calls;
    if (request.on_call) {
      calls = std::make_shared<CallStream>(std::move(request.on_call), CallReader(*format_, request.tools),
                                           co_await asio::this_coro::executor);
    }
    generation.on_token = [stream, calls, trace, stops, tokenizer = tokenizer_](TokenId token, bool) {
      // Calls are told as events of their own; a terminal need not see their JSON twice.
      if (trace->call_begin_bytes == std::string::npos)
        stream->push(tokenizer->bytes(token), trace->undecided_bytes, *stops);
      if (calls) calls->push(tokenizer->bytes(token, true), trace->call_begin_bytes);
    };
    generation.stops = [stops] { return stops->found(); };
    const std::size_t prompt_tokens = generation.prompt.size();
    const auto cut = std::make_shared<EngineOutput>();
    if (request.on_cut) generation.cut = cut;
    auto output = co_await engine_->generate(std::move(generation));
    stream->close(*stops, trace->call_begin_bytes);
    if (calls) calls->close();
    if (!output && output.error().code() == Code::kCancelled && request.on_cut) {
      cut->length = true;  // Also where it had not begun.
      if (auto reply = reply_of(std::move(*cut), request, *trace, prompt_tokens, stops->cut_bytes()))
        request.on_cut(*reply);
    }
    if (!output) co_return fail(std::move(output).error());
    co_return reply_of(*std::move(output), request, *trace, prompt_tokens, stops->cut_bytes());
  }

  std::vector<std::string> unsupported_keywords(const ToolDefinition& tool) const override {
    return Grammar::unsupported(*tool.input_schema);
  }

  std::vector<TokenId> tokenize(std::string_view text, bool control) const override {
    return control ? tokenizer_->encode_with_control(text) : tokenizer_->encode(text);
  }
  std::string token_text(TokenId token) const override { return std::string(tokenizer_->bytes(token, true)); }

  Task<Generated> complete(std::vector<TokenId> prompt, GenerateOptions options, OnText on_text) override {
    auto stream = std::make_shared<TextStream>(std::move(on_text), co_await asio::this_coro::executor);
    TSUKAI_CO_TRY(auto watched, StopStrings::make(options.stop));
    auto stops = std::make_shared<StopStrings>(std::move(watched));
    Generation generation;
    generation.prompt = std::move(prompt);
    generation.logprobs = options.logprobs;
    generation.tokens_max = options.tokens_max;
    generation.sampling = options.sampling;
    generation.ends = turns_->ends();
    if (options.schema) {
      TSUKAI_CO_TRY(auto grammar, Grammar::from_schema(**options.schema));
      generation.constraint = make_grammar_constraint(tokenizer_, masks_, std::move(grammar), turns_->ends());
    }
    generation.on_token = [stream, stops, tokenizer = tokenizer_](TokenId token, bool) {
      stream->push(tokenizer->bytes(token), 0, *stops);
    };
    generation.stops = [stops] { return stops->found(); };
    auto output = co_await engine_->generate(std::move(generation));
    stream->close(*stops, std::string::npos);
    if (!output) co_return fail(std::move(output).error());
    Generated generated;
    generated.tokens = std::move(output->tokens);
    generated.text = tokenizer_->decode(generated.tokens);
    generated.text.resize(generated.text.size() - stops->cut_bytes());
    generated.probabilities = std::move(output->probabilities);
    generated.length = output->length;
    generated.usage = output->usage;
    co_return generated;
  }

  Task<std::vector<float>> logits(std::vector<TokenId> tokens) override {
    return engine_->logits(std::move(tokens));
  }
  Task<std::vector<float>> embed(std::vector<TokenId> tokens, Pooling pooling) override {
    return engine_->embed(std::move(tokens), pooling);
  }
  std::size_t vocabulary() const override { return engine_->vocabulary(); }
  std::string kernels() const override { return engine_->kernels(); }

 private:
  Result<TurnRules> rules_of(const ChatRequest& request, const Prompt& prompt) const {
    TurnRules rules;
    rules.choice = request.tool_choice;
    rules.calls_max = request.calls_max;
    rules.thinking = request.thinking && !format_->think_begin().empty();
    rules.thinking_tokens_max = request.thinking_tokens_max;
    rules.opened_thinking = format_->opens_thinking(prompt.text);
    if (request.tool_choice != ToolChoice::kNone && !request.tools.empty()) {
      const auto allowed = callable_tools(request);
      if (allowed.empty()) {
        rules.choice = ToolChoice::kNone;
      } else {
        TSUKAI_TRY(rules.call, format_->call(allowed));
      }
    }
    if (request.output_schema) {
      TSUKAI_TRY(rules.output, Grammar::from_schema(**request.output_schema));
    }
    return rules;
  }

  Result<ChatReply> reply_of(EngineOutput output, const ChatRequest& request, const TurnTrace& trace,
                             std::size_t prompt_tokens, std::size_t cut_bytes) const {
    ChatReply reply;
    reply.usage = output.usage;
    reply.text = tokenizer_->decode(output.tokens, true);
    reply.tokens = std::move(output.tokens);
    reply.message.role = Role::kAssistant;
    reply.message.raw = reply.text;
    if (!reply.tokens.empty() && tokenizer_->ends_turn(reply.tokens.back())) {
      reply.message.raw.resize(reply.text.size() - tokenizer_->bytes(reply.tokens.back(), true).size());
    }
    std::string told = reply.message.raw;
    // A call that was cut short is no call: what stood before it is all that is told.
    if (output.length && trace.call_begin_bytes != std::string::npos)
      told.resize(std::min(told.size(), trace.call_begin_bytes));
    // What a stop string ended is kept as it was said, for the transcript, and told without it.
    told.resize(told.size() - std::min(told.size(), cut_bytes));
    std::vector<ToolDefinition> known;
    if (request.tool_choice != ToolChoice::kNone) {
      known = request.tools;
      known.insert(known.end(), request.told_tools.begin(), request.told_tools.end());
    }
    auto parsed = format_->parse(told, known);
    if (!parsed) return fail(std::move(parsed).error().in("the model's turn"));
    reply.message.text = repaired_utf8(parsed->text);
    reply.message.reasoning = repaired_utf8(parsed->reasoning);
    for (std::size_t i = 0; i < parsed->calls.size(); ++i) {
      // The prompt only grows, so its length tells the turns of a run apart.
      reply.message.calls.push_back({fmt::format("call_{}_{}", prompt_tokens, i + 1), parsed->calls[i].name,
                                     parsed->calls[i].arguments});
    }
    reply.finish = output.length                 ? FinishReason::kLength
                   : reply.message.calls.empty() ? FinishReason::kStop
                                                 : FinishReason::kCalls;
    return reply;
  }

  LocalModelOptions options_;
  std::shared_ptr<const ModelFile> file_;
  ModelFileInfo info_;
  ModelDescription description_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<ChatTemplate> template_;
  std::shared_ptr<const ToolFormat> format_;
  std::shared_ptr<const TurnVocabulary> turns_;
  std::shared_ptr<const MaskVocabulary> masks_;
  std::unique_ptr<Engine> engine_;  // Last: its thread uses all of the above.
};

}  // namespace

Result<std::unique_ptr<LocalModel>> LocalModel::open(LocalModelOptions options) {
  TSUKAI_TRY(auto file, ModelFile::open(options.path));
  TSUKAI_TRY(auto info, read_model_file_info(*file));
  const std::string path = options.path;
  auto model = std::make_unique<FileModel>(std::move(options), std::move(file), std::move(info));
  if (auto loaded = model->load(); !loaded) return fail(std::move(loaded).error().in(path));
  return model;
}

}  // namespace tsukai::infer
