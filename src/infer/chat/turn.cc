#include "infer/chat/turn.h"

#include <algorithm>

#include "base/text.h"

namespace tsukai::infer {
namespace {

// Shorter forced texts are left to masked sampling: a forward pass saved is not worth a split token.
constexpr std::size_t kForcedBytesMin = 2;
constexpr std::size_t kForcedBytesMax = 256;

std::vector<TokenId> all_ends(const Tokenizer& tokenizer) {
  std::vector<TokenId> ends;
  for (TokenId token = 0; token < static_cast<TokenId>(tokenizer.size()); ++token) {
    if (tokenizer.ends_turn(token)) ends.push_back(token);
  }
  return ends;
}

void allow(TokenMask& mask, const std::vector<TokenId>& tokens) {
  for (const TokenId token : tokens) mask.set(token);
}

// The tokens of what a matcher says must come next. The last one stays open unless the text ends with it: the
// model may know a longer token that begins with the same bytes.
std::vector<TokenId> forced_tokens(const Tokenizer& tokenizer, const Matcher& matcher) {
  const std::string bytes = matcher.forced(kForcedBytesMax);
  if (bytes.size() < kForcedBytesMin) return {};
  std::vector<TokenId> tokens = tokenizer.encode(bytes);
  auto after = matcher.clone();
  after->accept(bytes);
  if (!after->must_end() && !tokens.empty()) tokens.pop_back();
  return tokens;
}

// What a matcher says must come next, its last token too.
std::vector<TokenId> likely_tokens(const Tokenizer& tokenizer, const Matcher& matcher) {
  const std::string bytes = matcher.forced(kForcedBytesMax);
  return bytes.empty() ? std::vector<TokenId>() : tokenizer.encode(bytes);
}

// A matcher that is copied with its owner.
class OwnMatcher {
 public:
  OwnMatcher() = default;
  explicit OwnMatcher(std::unique_ptr<Matcher> matcher) : matcher_(std::move(matcher)) {}
  OwnMatcher(const OwnMatcher& other) : matcher_(other.matcher_ ? other.matcher_->clone() : nullptr) {}
  OwnMatcher& operator=(OwnMatcher other) noexcept {
    matcher_ = std::move(other.matcher_);
    return *this;
  }
  Matcher& operator*() const { return *matcher_; }
  Matcher* operator->() const { return matcher_.get(); }

 private:
  std::unique_ptr<Matcher> matcher_;
};

class GrammarConstraint : public TokenConstraint {
 public:
  GrammarConstraint(std::shared_ptr<const Tokenizer> tokenizer, std::unique_ptr<Matcher> matcher,
                    std::vector<TokenId> ends)
      : tokenizer_(std::move(tokenizer)), matcher_(std::move(matcher)), ends_(std::move(ends)) {}

  bool mask(TokenMask& out) override {
    matcher_->mask(out);
    if (matcher_->may_end()) allow(out, ends_);
    return true;
  }
  std::vector<TokenId> forced() override {
    if (matcher_->must_end()) return {};
    return forced_tokens(*tokenizer_, *matcher_);
  }
  std::vector<TokenId> likely() override { return likely_tokens(*tokenizer_, *matcher_); }
  void accept(TokenId token) override {
    if (std::find(ends_.begin(), ends_.end(), token) != ends_.end()) return;
    TSUKAI_CHECK(matcher_->accept(tokenizer_->bytes(token)), "a token outside the mask was taken");
  }
  bool finished() const override { return matcher_->must_end(); }
  std::unique_ptr<TokenConstraint> clone() const override {
    return std::make_unique<GrammarConstraint>(*this);
  }

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  OwnMatcher matcher_;
  std::vector<TokenId> ends_;
};

class TurnConstraint : public TokenConstraint {
 public:
  TurnConstraint(std::shared_ptr<const Tokenizer> tokenizer, std::shared_ptr<const ToolFormat> format,
                 std::shared_ptr<const TurnVocabulary> vocabulary,
                 std::shared_ptr<const MaskVocabulary> masks, TurnRules rules,
                 std::shared_ptr<TurnTrace> trace)
      : tokenizer_(std::move(tokenizer)),
        format_(std::move(format)),
        vocabulary_(std::move(vocabulary)),
        masks_(std::move(masks)),
        rules_(std::move(rules)),
        trace_(std::move(trace)) {
    rules_.calls_max = std::min(rules_.calls_max, format_->calls_max());
    if (rules_.opened_thinking) {
      state_ = State::kThinking;
    } else if (rules_.thinking && must_not_be_free() && !format_->think_begin().empty()) {
      force(format_->think_begin(), State::kThinking);
    } else {
      after_thinking();
    }
  }

  bool mask(TokenMask& out) override {
    switch (state_) {
      case State::kThinking:
        out = vocabulary_->free();
        // Reasoning that leads to nothing is a turn of its own only where text is.
        if (must_not_be_free()) forbid_ends(out);
        return true;
      case State::kFree:
        out = vocabulary_->free();
        forbid_bad_calls(out);
        return true;
      case State::kCall:
        matcher_->mask(out);
        return true;
      case State::kOutput:
        matcher_->mask(out);
        if (matcher_->may_end()) allow(out, vocabulary_->ends());
        return true;
      case State::kAfterCall:
        out.reset();
        if (at_end_of(closing_))
          allow(out, vocabulary_->ends());
        else
          out.set(closing_[step_]);
        if (!at_end_of(another_)) out.set(another_[step_]);
        return true;
      case State::kForced:
        out.reset();
        out.set(pending_.front());
        return true;
    }
    return false;
  }

  std::vector<TokenId> forced() override {
    if (state_ == State::kForced) return pending_;
    if (state_ == State::kCall) return forced_tokens(*tokenizer_, *matcher_);
    if (state_ == State::kOutput) {
      if (matcher_->must_end()) return {tokenizer_->end_of_turn()};
      return forced_tokens(*tokenizer_, *matcher_);
    }
    return {};
  }

  std::vector<TokenId> likely() override {
    if (state_ != State::kCall && state_ != State::kOutput) return {};
    return likely_tokens(*tokenizer_, *matcher_);
  }

  void accept(TokenId token) override {
    const std::string_view bytes = tokenizer_->bytes(token, true);
    bytes_ += bytes.size();
    if (tokenizer_->ends_turn(token)) {
      ended_ = true;
      trace_->undecided_bytes = 0;
      return;
    }
    take(token, bytes);
    trace_->undecided_bytes = undecided_bytes();
  }

  bool finished() const override { return ended_; }

  std::unique_ptr<TokenConstraint> clone() const override {
    auto copy = std::make_unique<TurnConstraint>(*this);
    copy->trace_ = std::make_shared<TurnTrace>(*trace_);
    return copy;
  }

 private:
  void take(TokenId token, std::string_view bytes) {
    switch (state_) {
      case State::kForced:
        TSUKAI_CHECK(!pending_.empty() && pending_.front() == token,
                     "another token than the forced one was taken");
        pending_.erase(pending_.begin());
        if (pending_.empty()) enter(next_);
        break;
      case State::kThinking:
        tail_ += bytes;
        if (const auto at = tail_.find(format_->think_end()); at != std::string::npos) {
          tail_.clear();
          after_thinking();
        } else if (rules_.thinking_tokens_max != 0 && ++thought_ >= rules_.thinking_tokens_max &&
                   incomplete_utf8_tail(tail_) == 0) {
          close_thinking();
        }
        break;
      case State::kFree:
        accept_free(bytes);
        break;
      case State::kCall:
        TSUKAI_CHECK(matcher_->accept(bytes), "a token outside the mask was taken");
        if (matcher_->must_end()) end_call();
        break;
      case State::kOutput:
        TSUKAI_CHECK(matcher_->accept(bytes), "a token outside the mask was taken");
        break;
      case State::kAfterCall:
        accept_after_call(token);
        break;
    }
  }

  // The end of the text that is the beginning of a call's marker, as far as it goes.
  std::size_t undecided_bytes() const {
    if (state_ == State::kForced && next_ == State::kCall)
      return bytes_ - std::min(bytes_, forced_call_begin_);
    if (state_ != State::kFree || !has_calls()) return 0;
    const std::string_view marker = vocabulary_->marker();
    for (std::size_t length = std::min(tail_.size(), marker.size()); length > 0; --length) {
      const std::size_t before = tail_.size() - length;
      if (std::string_view(tail_).substr(before) == marker.substr(0, length) &&
          call_may_begin(std::string_view(tail_).substr(0, before)))
        return length;
    }
    return 0;
  }

  enum class State { kThinking, kFree, kForced, kCall, kAfterCall, kOutput };

  bool has_calls() const { return rules_.call != nullptr && rules_.choice != ToolChoice::kNone; }
  bool must_not_be_free() const {
    return (has_calls() && rules_.choice == ToolChoice::kRequired) || rules_.output;
  }
  bool at_end_of(const std::vector<TokenId>& tokens) const { return step_ >= tokens.size(); }

  void forbid_ends(TokenMask& out) const {
    for (const TokenId token : vocabulary_->ends()) out.clear(token);
  }

  void after_thinking() {
    if (has_calls() && rules_.choice == ToolChoice::kRequired)
      force(format_->call_begin(), State::kCall);
    else if (rules_.output != nullptr && !has_calls())
      enter(State::kOutput);
    else
      enter(State::kFree);
  }

  // The end marker on a line of its own, as the families write it, and what must follow in any case.
  void close_thinking() {
    std::string text = (tail_.ends_with('\n') ? "" : "\n") + format_->think_end() + "\n\n";
    tail_.clear();
    if (has_calls() && rules_.choice == ToolChoice::kRequired) {
      force(text + format_->call_begin(), State::kCall);
    } else {
      force(text, rules_.output != nullptr && !has_calls() ? State::kOutput : State::kFree);
    }
  }

  void force(const std::string& text, State next) {
    pending_ = tokenizer_->encode_with_control(text);
    next_ = next;
    if (next == State::kCall) {
      const std::size_t begin = std::min(format_->call_begin().size(), text.size());
      forced_call_begin_ = bytes_ + text.size() - begin;
    }
    if (pending_.empty())
      enter(next);
    else
      state_ = State::kForced;
  }

  void enter(State state) {
    state_ = state;
    if (state == State::kCall) {
      matcher_ = OwnMatcher(Matcher::make(rules_.call, masks_));
      if (trace_->call_begin_bytes == std::string::npos) trace_->call_begin_bytes = call_offset();
    } else if (state == State::kOutput) {
      matcher_ = OwnMatcher(Matcher::make(rules_.output, masks_));
    }
  }

  // Where the marker of the call now entered begins in the generated text.
  std::size_t call_offset() const {
    const std::size_t begin = format_->call_begin().size();
    return bytes_ >= begin ? bytes_ - begin : 0;
  }

  // Calls may stand anywhere in the text, or only first, after white space.
  bool call_may_begin(std::string_view before) const {
    if (!format_->call_only_first()) return true;
    return std::all_of(before.begin(), before.end(),
                       [](char c) { return c == ' ' || c == '\n' || c == '\t'; });
  }

  // Does the text after the marker, all in the token that completed it, still lead into a call?
  bool leads_into_call(std::string_view after) const {
    const std::string rest = format_->call_begin().substr(vocabulary_->marker().size());
    const std::size_t common = std::min(rest.size(), after.size());
    if (after.substr(0, common) != std::string_view(rest).substr(0, common)) return false;
    if (after.size() <= rest.size()) return true;
    return Matcher::make(rules_.call, masks_)->accept(after.substr(rest.size()));
  }

  // Takes away the tokens that would complete the call marker and go on as no call can; without calls, all of
  // them.
  void forbid_bad_calls(TokenMask& out) const {
    const std::string& marker = vocabulary_->marker();
    for (std::size_t length = 0; length < marker.size(); ++length) {
      if (tail_.size() < length || tail_.compare(tail_.size() - length, length, marker, 0, length) != 0)
        continue;
      const std::string_view before = std::string_view(tail_).substr(0, tail_.size() - length);
      if (has_calls() && !call_may_begin(before)) continue;
      for (const TokenId token : vocabulary_->completing(length)) {
        const std::string_view after = tokenizer_->bytes(token, true).substr(marker.size() - length);
        if (!has_calls() || !leads_into_call(after)) out.clear(token);
      }
    }
  }

  void accept_free(std::string_view bytes) {
    tail_ += bytes;
    if (const auto at = tail_.find(format_->think_begin());
        !format_->think_begin().empty() && at != std::string::npos &&
        call_may_begin(std::string_view(tail_).substr(0, at))) {
      tail_.clear();
      state_ = State::kThinking;
      return;
    }
    const std::string& marker = vocabulary_->marker();
    const auto at = marker.empty() ? std::string::npos : tail_.find(marker);
    if (has_calls() && at != std::string::npos && call_may_begin(std::string_view(tail_).substr(0, at))) {
      begin_call(tail_.substr(at + marker.size()));
      return;
    }
    // Families that call anywhere need no more of the text than what may become a marker.
    constexpr std::size_t kTailBytes = 4096;
    if (!format_->call_only_first() && tail_.size() > 2 * kTailBytes)
      tail_.erase(0, tail_.size() - kTailBytes);
  }

  void begin_call(const std::string& after) {
    const std::string rest = format_->call_begin().substr(vocabulary_->marker().size());
    if (trace_->call_begin_bytes == std::string::npos) {
      trace_->call_begin_bytes = bytes_ - after.size() - vocabulary_->marker().size();
    }
    tail_.clear();
    if (after.size() < rest.size()) {
      force(rest.substr(after.size()), State::kCall);
      return;
    }
    enter(State::kCall);
    if (after.size() > rest.size()) {
      TSUKAI_CHECK(matcher_->accept(std::string_view(after).substr(rest.size())),
                   "a token outside the mask was taken");
    }
  }

  void end_call() {
    ++trace_->calls_complete;
    closing_ = tokenizer_->encode_with_control(format_->call_end());
    another_.clear();
    if (trace_->calls_complete < rules_.calls_max)
      another_ = tokenizer_->encode_with_control(format_->between_calls());
    step_ = 0;
    if (another_.empty()) {
      closing_.push_back(tokenizer_->end_of_turn());
      pending_ = closing_;
      state_ = State::kForced;
      next_ = State::kAfterCall;
      return;
    }
    // As long as both ways agree there is nothing to choose.
    while (!at_end_of(closing_) && !at_end_of(another_) && closing_[step_] == another_[step_]) ++step_;
    pending_.assign(closing_.begin(), closing_.begin() + static_cast<std::ptrdiff_t>(step_));
    state_ = pending_.empty() ? State::kAfterCall : State::kForced;
    next_ = State::kAfterCall;
  }

  void accept_after_call(TokenId token) {
    if (!at_end_of(another_) && token == another_[step_]) {
      pending_.assign(another_.begin() + static_cast<std::ptrdiff_t>(step_) + 1, another_.end());
      next_ = State::kCall;
      if (pending_.empty())
        enter(State::kCall);
      else
        state_ = State::kForced;
      return;
    }
    pending_.assign(closing_.begin() + static_cast<std::ptrdiff_t>(step_) + 1, closing_.end());
    pending_.push_back(tokenizer_->end_of_turn());
    state_ = State::kForced;
    next_ = State::kAfterCall;
  }

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const ToolFormat> format_;
  std::shared_ptr<const TurnVocabulary> vocabulary_;
  std::shared_ptr<const MaskVocabulary> masks_;
  TurnRules rules_;
  std::shared_ptr<TurnTrace> trace_;

  State state_ = State::kFree;
  State next_ = State::kFree;
  std::vector<TokenId> pending_;            // kForced
  OwnMatcher matcher_;                      // kCall, kOutput
  std::vector<TokenId> closing_, another_;  // kAfterCall: the two ways on, and
  std::size_t step_ = 0;                    // how far they agree.
  std::string tail_;                        // Text since the state was entered.
  std::size_t bytes_ = 0;                   // Generated so far.
  std::size_t forced_call_begin_ = 0;       // kForced on the way to kCall: where the marker begins.
  std::size_t thought_ = 0;                 // Tokens of reasoning, if they are counted.
  bool ended_ = false;
};

}  // namespace

TurnVocabulary::TurnVocabulary(const Tokenizer& tokenizer, const ToolFormat& format, std::size_t vocabulary)
    : free_(vocabulary),
      ends_(all_ends(tokenizer)),
      marker_(format.call_marker()),
      completing_(marker_.size()) {
  for (TokenId token = 0; token < static_cast<TokenId>(tokenizer.size()); ++token) {
    const TokenKind kind = tokenizer.kind(token);
    if (kind == TokenKind::kNormal || kind == TokenKind::kUserDefined || kind == TokenKind::kByte)
      free_.set(token);
    const std::string_view bytes = tokenizer.bytes(token, true);
    // A token with the whole marker in its middle would decide text and call at once; the model can spell it
    // in two.
    if (const auto at = bytes.find(marker_); !marker_.empty() && at != 0 && at != std::string_view::npos)
      free_.clear(token);
    for (std::size_t length = 0; length < marker_.size(); ++length) {
      const std::string_view rest = std::string_view(marker_).substr(length);
      if (bytes.substr(0, rest.size()) == rest) completing_[length].push_back(token);
    }
  }
  allow(free_, ends_);
  for (const auto& text : {format.call_begin(), format.think_begin(), format.think_end()}) {
    allow(free_, tokenizer.encode_with_control(text));
  }
}

std::unique_ptr<TokenConstraint> make_turn_constraint(std::shared_ptr<const Tokenizer> tokenizer,
                                                      std::shared_ptr<const ToolFormat> format,
                                                      std::shared_ptr<const TurnVocabulary> vocabulary,
                                                      std::shared_ptr<const MaskVocabulary> masks,
                                                      TurnRules rules, std::shared_ptr<TurnTrace> trace) {
  return std::make_unique<TurnConstraint>(std::move(tokenizer), std::move(format), std::move(vocabulary),
                                          std::move(masks), std::move(rules), std::move(trace));
}

std::unique_ptr<TokenConstraint> make_grammar_constraint(std::shared_ptr<const Tokenizer> tokenizer,
                                                         std::shared_ptr<const MaskVocabulary> masks,
                                                         std::shared_ptr<const Grammar> grammar,
                                                         std::vector<TokenId> ends) {
  auto matcher = Matcher::make(std::move(grammar), std::move(masks));
  return std::make_unique<GrammarConstraint>(std::move(tokenizer), std::move(matcher), std::move(ends));
}

}  // namespace tsukai::infer
