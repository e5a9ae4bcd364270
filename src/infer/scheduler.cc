#include "infer/scheduler.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "infer/prompt_lookup.h"

namespace tsukai::infer {
namespace {

using Steady = std::chrono::steady_clock;

double milliseconds(Steady::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

std::size_t common_prefix(std::span<const TokenId> a, std::span<const TokenId> b) {
  const auto [end, ignored] = std::mismatch(
      a.begin(), a.begin() + static_cast<std::ptrdiff_t>(std::min(a.size(), b.size())), b.begin());
  return static_cast<std::size_t>(end - a.begin());
}

std::size_t pages_of(std::size_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }

Result<void> check_sampling(const Generation& generation, int vocabulary) {
  const Sampling& s = generation.sampling;
  for (const auto& [name, value] : {std::pair{"temperature", s.temperature},
                                    {"top_p", s.top_p},
                                    {"min_p", s.min_p},
                                    {"repetition_penalty", s.repetition_penalty},
                                    {"presence_penalty", s.presence_penalty},
                                    {"frequency_penalty", s.frequency_penalty}}) {
    if (!std::isfinite(value)) return fail(Code::kInvalidArgument, std::string(name) + " is no number");
  }
  if (!(s.repetition_penalty > 0))
    return fail(Code::kInvalidArgument, "a repetition penalty must be above 0; 1 is none");
  std::set<TokenId> biased;
  for (const auto& [token, bias] : s.logit_bias) {
    if (token < 0 || token >= vocabulary || !std::isfinite(bias) || !biased.insert(token).second) {
      return fail(Code::kInvalidArgument, "the logit bias of token " + std::to_string(token) +
                                              " is given twice, is no number, or the vocabulary of " +
                                              std::to_string(vocabulary) + " has no such token");
    }
  }
  if (generation.logprobs && (*generation.logprobs < 0 || *generation.logprobs > kAlternativesMax)) {
    return fail(Code::kInvalidArgument,
                "log probabilities of " + std::to_string(*generation.logprobs) + " tokens beside each",
                "ask for 0 to " + std::to_string(kAlternativesMax));
  }
  return {};
}

}  // namespace

// A generation that has a place in the batch. `tokens` = prompt + generated; the first `computed` have K and
// V.
struct Scheduler::Live {
  std::shared_ptr<EngineRequest> request;
  std::unique_ptr<KvCache::Sequence> sequence;
  std::vector<TokenId> tokens;
  std::size_t computed = 0;
  std::size_t pages_needed = 0;
  EngineOutput output;
  std::vector<float> values;
  std::vector<double> pooled;
  PromptLookup lookup{0};
  Adjustments adjustments;
  Steady::time_point begun, first_logits;
  bool prefilled = false;  // the logits of the prompt's end have been seen
  bool complete = false;   // nothing more is generated; finish() is due
  bool ended = false;      // the caller has its answer
  // In the batch being built:
  int rows = 0;
  int output_row = -1;         // of its first wanted output among those of the step
  std::vector<TokenId> draft;  // guessed tokens behind the last known one
  bool out_of_memory = false;
  bool fetching = false;
  std::vector<float> fetched;  // outputs on their way from the backend
  std::size_t likely = 0;      // of these, what the constraint told
  // While tokens are chosen from the batch's logits:
  bool choosing = false;
  struct Choice {
    std::size_t guesses;  // that stand before it
    int index;            // of the stage
  };
  std::vector<Choice> choices;
  std::size_t known = 0;     // tokens.size() before
  std::size_t accepted = 0;  // guesses that came true
  std::size_t drawn = 0;     // where the last token that was not forced stands
};

Scheduler::Scheduler(Architecture& model, Backend& backend, KvCache& cache, Limits limits,
                     std::function<void()> on_reached)
    : model_(model),
      backend_(backend),
      cache_(cache),
      limits_(limits),
      mask_(static_cast<std::size_t>(model.shape().vocabulary)),
      on_reached_(std::move(on_reached)) {}

Result<std::unique_ptr<Scheduler>> Scheduler::make(Architecture& model, Backend& backend, KvCache& cache,
                                                   Limits limits, std::function<void()> on_reached) {
  std::unique_ptr<Scheduler> scheduler(new Scheduler(model, backend, cache, limits, std::move(on_reached)));
  TSUKAI_TRY(scheduler->stage_, SampleStage::make(backend, static_cast<std::size_t>(model.shape().vocabulary),
                                                  std::max<int>(limits.rows_max, kLiveMax)));
  return scheduler;
}

Scheduler::~Scheduler() { cancel_all(); }

void Scheduler::cancel_all() {
  if (fence_) fence_->wait();  // the backend writes to memory of ours
  fence_.reset();
  for (const auto& live : live_) end(*live, Error(Code::kCancelled, "the generation was cancelled"));
  live_.clear();
  for (const auto& request : waiting_) {
    request->complete(fail(Code::kCancelled, "the generation was cancelled"));
  }
  waiting_.clear();
}

// ---- Admission ----

std::size_t Scheduler::pages_needed(const EngineRequest& request) const {
  const std::size_t prompt = request.generation.prompt.size();
  // The last generated token is never computed.
  const std::size_t generated = request.work != EngineWork::kGenerate ? 0 : request.generation.tokens_max;
  return pages_of(std::max(prompt, prompt + generated - (generated > 0 ? 1 : 0)));
}

Result<void> Scheduler::check(const EngineRequest& request) const {
  const Generation& generation = request.generation;
  const std::size_t prompt = generation.prompt.size();
  if (prompt == 0) return fail(Code::kInvalidArgument, "the prompt is empty");
  const std::size_t generated = request.work != EngineWork::kGenerate ? 0 : generation.tokens_max;
  if (prompt > limits_.context || generated > limits_.context - prompt) {
    return fail(Code::kExhausted,
                "the prompt's " + std::to_string(prompt) + " tokens and up to " + std::to_string(generated) +
                    " generated ones do not fit the context of " + std::to_string(limits_.context) +
                    " tokens",
                "shorten the prompt, generate less, or open the model with a larger context");
  }
  for (const TokenId token : generation.prompt) {
    if (token < 0 || token >= model_.shape().vocabulary) {
      return fail(Code::kInvalidArgument, "token " + std::to_string(token) + " is not in the vocabulary of " +
                                              std::to_string(model_.shape().vocabulary));
    }
  }
  if (auto sampling = check_sampling(generation, model_.shape().vocabulary); !sampling) return sampling;
  if (pages_needed(request) > cache_.pages()) {
    return fail(Code::kExhausted,
                "the sequence needs " + std::to_string(pages_needed(request)) + " KV pages of " +
                    std::to_string(kPageTokens) + " tokens; the KV memory holds " +
                    std::to_string(cache_.pages()),
                "shorten the prompt, generate less, or give the KV cache more memory");
  }
  return {};
}

void Scheduler::add(std::shared_ptr<EngineRequest> request) {
  if (auto checked = check(*request); !checked) return request->complete(fail(std::move(checked).error()));
  if (waiting_.size() >= kWaitingMax) {
    return request->complete(fail(
        Code::kExhausted, std::to_string(kWaitingMax) + " generations are waiting for the engine already",
        "try again later"));
  }
  // Behind those of the same priority.
  const int priority = request->generation.priority;
  const auto place = std::ranges::find_if(
      waiting_, [&](const auto& other) { return other->generation.priority < priority; });
  waiting_.insert(place, std::move(request));
}

void Scheduler::drop_cancelled() {
  const auto cancelled = [](const auto& request) { return request->cancelled.load(); };
  for (const auto& request : waiting_) {
    if (cancelled(request)) request->complete(fail(Code::kCancelled, "the generation was cancelled"));
  }
  std::erase_if(waiting_, cancelled);
  for (const auto& live : live_) {
    if (cancelled(live->request)) end(*live, Error(Code::kCancelled, "the generation was cancelled"));
  }
  std::erase_if(live_, [](const auto& live) { return live->ended; });
}

// True when a live sequence is about to compute tokens that this prompt begins with as well: better to wait
// for them. Only live sequences are waited for, and they wait for nobody, so this can't deadlock.
bool Scheduler::prefix_in_flight(const EngineRequest& request) const {
  if (request.work != EngineWork::kGenerate) return false;
  const auto& prompt = request.generation.prompt;
  const std::size_t cached = cache_.matched(prompt);
  for (const auto& live : live_) {
    if (live->request->work != EngineWork::kGenerate) continue;
    const std::size_t common = common_prefix(live->tokens, prompt);
    if (common > cached && common > live->computed) return true;
  }
  return false;
}

bool Scheduler::fits_memory(const EngineRequest& request) {
  std::size_t promised = 0;  // pages that live sequences may still take; one more each for a copied page
  for (const auto& live : live_)
    promised += live->pages_needed + 1 - std::min(live->pages_needed, live->sequence->pages().size());
  const auto& prompt = request.generation.prompt;
  const std::size_t cached = request.work != EngineWork::kGenerate ? 0 : cache_.matched(prompt);
  const std::size_t in_use = request.work != EngineWork::kGenerate ? 0 : cache_.unused_in_prefix(prompt);
  const std::size_t wanted = pages_needed(request) - cached / kPageTokens + in_use;
  if (promised + wanted <= cache_.available()) return true;
  if (!live_.empty()) return false;
  cache_.clear();  // Alone it fits: check() saw to that.
  return true;
}

void Scheduler::admit_waiting() {
  for (std::size_t i = 0; i < waiting_.size() && live_.size() < kLiveMax;) {
    if (prefix_in_flight(*waiting_[i])) {
      ++i;
      continue;
    }
    if (!fits_memory(*waiting_[i])) return;  // In order: a small one does not overtake a large one for ever.
    auto request = std::move(waiting_[i]);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    admit(std::move(request));
  }
}

void Scheduler::admit(std::shared_ptr<EngineRequest> request) {
  auto live = std::make_unique<Live>();
  live->begun = Steady::now();
  live->tokens = request->generation.prompt;
  live->pages_needed = pages_needed(*request);
  live->adjustments = Adjustments(request->generation.sampling);
  live->lookup = PromptLookup(limits_.draft_tokens_max);
  live->sequence = cache_.begin(live->tokens, request->work == EngineWork::kGenerate);
  // The logits of the last prompt token are needed: when all is cached, its row is computed once more, stored
  // nowhere.
  live->computed = std::min(live->sequence->tokens(), live->tokens.size() - 1);
  Usage& usage = live->output.usage;
  usage.prompt_tokens = static_cast<std::int64_t>(live->tokens.size());
  usage.reused_tokens = static_cast<std::int64_t>(live->computed);
  usage.prefilled_tokens = usage.prompt_tokens - usage.reused_tokens;
  live->request = std::move(request);
  live_.push_back(std::move(live));
  Live& added = *live_.back();
  if (added.request->work == EngineWork::kGenerate) append_forced(added);
  if (added.complete) finish(added);
}

// ---- One step ----

void Scheduler::begin_step() {
  TSUKAI_CHECK(!in_flight(), "a step was begun before the last one ended");
  drop_cancelled();
  admit_waiting();
  std::erase_if(live_, [](const auto& live) { return live->ended; });
  if (live_.empty()) return;
  build_batch();
  if (!batch_.tokens.empty()) model_.forward(batch_, logit_rows_, hidden_rows_);
  for (const auto& live : live_) {
    live->computed += static_cast<std::size_t>(live->rows) - live->draft.size();
    if (live->out_of_memory || live->output_row < 0) continue;
    if (live->request->work == EngineWork::kGenerate) {
      live->choosing = true;
      live->known = live->tokens.size();
      live->accepted = 0;
    } else {
      fetch_outputs(*live);
    }
  }
  // The masks are made while the backend computes the logits.
  stage_->clear();
  for (const auto& live : live_) {
    if (live->choosing) ask_for_tokens(*live);
  }
  if (!stage_->empty()) stage_->run(model_.logits());
  fence_ = backend_.fence(on_reached_);
}

void Scheduler::collect() {
  if (!reached()) return;
  fence_.reset();
  for (const auto& live : live_) {
    if (live->ended) continue;
    if (live->out_of_memory) {
      end(*live, Error(Code::kExhausted, "the KV memory is full", "run fewer generations at once"));
    } else if (live->choosing) {
      take_tokens(*live);
    } else if (live->fetching) {
      take_outputs(*live);
    }
  }
  std::erase_if(live_, [](const auto& live) { return live->ended; });
}

void Scheduler::build_batch() {
  batch_ = Batch{};
  logit_rows_.clear();
  hidden_rows_.clear();
  bool any_decodes = false;
  auto others = static_cast<int>(live_.size());  // that may want a row too
  for (const auto& live : live_) {
    live->rows = 0;
    live->output_row = -1;
    live->draft.clear();
    --others;
    if (!live->prefilled) continue;
    // One token, or a run that was forced: it does not queue behind another's prompt.
    any_decodes = true;
    const int missing = static_cast<int>(live->tokens.size() - live->computed);
    const int room = limits_.rows_max - static_cast<int>(batch_.tokens.size()) - others;
    add_rows(*live, std::max(1, std::min({missing, room, limits_.chunk_rows})));
  }
  for (const auto& live : live_) {
    const int room = limits_.rows_max - static_cast<int>(batch_.tokens.size());
    const int missing = static_cast<int>(live->tokens.size() - live->computed);
    if (live->prefilled || room <= 0) continue;
    const int rows = std::min({missing, room, any_decodes ? limits_.chunk_rows : limits_.rows_max});
    add_rows(*live, rows);
    if (any_decodes) break;  // one chunk a step, so that those that decode wait for no more than that
  }
}

// A row of the live sequence that is being added; false: no page is left.
bool Scheduler::add_row(Live& live, TokenId token, std::size_t position) {
  std::int32_t slot = -1;
  if (position >= live.sequence->tokens() && !live.sequence->append(token, slot)) return false;
  batch_.tokens.push_back(token);
  batch_.positions.push_back(static_cast<std::int32_t>(position));
  batch_.slots.push_back(slot);
  ++live.rows;
  return true;
}

void Scheduler::add_rows(Live& live, int rows) {
  BatchSequence sequence;
  sequence.first_row = static_cast<int>(batch_.tokens.size());
  sequence.position = static_cast<int>(live.computed);
  for (int i = 0; i < rows; ++i) {
    const std::size_t position = live.computed + static_cast<std::size_t>(i);
    if (!add_row(live, live.tokens[position], position)) {
      live.out_of_memory =
          true;  // What was appended is computed all the same: others may find it in the cache.
      break;
    }
  }
  if (live.rows == 0) return;
  const bool to_the_end = live.computed + static_cast<std::size_t>(live.rows) == live.tokens.size();
  const EngineWork work = live.request->work;
  if (work == EngineWork::kGenerate && to_the_end && live.prefilled) add_draft(live);
  sequence.rows = live.rows;
  sequence.first_page = static_cast<int>(batch_.pages.size());
  batch_.pages.insert(batch_.pages.end(), live.sequence->pages().begin(), live.sequence->pages().end());
  batch_.sequences.push_back(sequence);

  // Whose outputs are wanted: all rows, or the last one and those of a draft.
  auto& wanted =
      work == EngineWork::kEmbedLast || work == EngineWork::kEmbedMean ? hidden_rows_ : logit_rows_;
  const bool all = work == EngineWork::kLogits || work == EngineWork::kEmbedMean;
  if (!all && !to_the_end) return;
  live.output_row = static_cast<int>(wanted.size());
  const int first = all ? 0 : live.rows - 1 - static_cast<int>(live.draft.size());
  for (int i = first; i < live.rows; ++i) wanted.push_back(sequence.first_row + i);
}

// Speculation: rows for the tokens that may follow, checked in take_tokens().
void Scheduler::add_draft(Live& live) {
  const int room = limits_.rows_max - static_cast<int>(batch_.tokens.size() + live_.size());
  const auto left = static_cast<int>(live.request->generation.tokens_max - live.output.tokens.size());
  for (const TokenId token : guess(live, std::min({limits_.draft_tokens_max, room, left - 1}))) {
    if (!add_row(live, token, live.tokens.size() + live.draft.size())) return;
    live.draft.push_back(token);
  }
}

// What the constraint holds for likely, then what followed where the like was said before.
std::vector<TokenId> Scheduler::guess(Live& live, int room) {
  live.likely = 0;
  if (room <= 0) return {};
  const Generation& generation = live.request->generation;
  std::vector<TokenId> guessed;
  if (generation.constraint) guessed = generation.constraint->likely();
  if (guessed.size() > static_cast<std::size_t>(room)) guessed.resize(static_cast<std::size_t>(room));
  live.likely = guessed.size();
  live.tokens.insert(live.tokens.end(), guessed.begin(), guessed.end());
  const auto repeated = live.lookup.guess(live.tokens, room - static_cast<int>(guessed.size()));
  live.tokens.resize(live.tokens.size() - guessed.size());
  guessed.insert(guessed.end(), repeated.begin(), repeated.end());
  if (generation.constraint && !guessed.empty())
    permit(*generation.constraint, generation, static_cast<std::size_t>(room), guessed);
  return guessed;
}

// Cuts guesses where they can't come true, and puts what the constraint forces in the place of what it does
// not allow: a row spent on a token that can't come is a row lost.
void Scheduler::permit(const TokenConstraint& constraint, const Generation& generation, std::size_t room,
                       std::vector<TokenId>& guessed) {
  const auto ahead = constraint.clone();
  for (std::size_t at = 0; at < guessed.size();) {
    const TokenId token = guessed[at];
    const bool known = token >= 0 && token < model_.shape().vocabulary;
    if (!known || (ahead->mask(mask_) && !mask_.test(token)) ||
        std::ranges::find(generation.ends, token) != generation.ends.end()) {
      return guessed.resize(at);
    }
    ahead->accept(token);
    ++at;
    if (ahead->finished()) return guessed.resize(at);
    for (auto forced = ahead->forced(); !forced.empty(); forced = ahead->forced()) {
      for (const TokenId next : forced) {
        if (at >= room || ahead->finished()) return guessed.resize(std::min(at, guessed.size()));
        if (at >= guessed.size() || guessed[at] != next) {
          guessed.resize(at);
          guessed.push_back(next);
        }
        ahead->accept(next);
        ++at;
      }
      if (ahead->finished()) return guessed.resize(at);
    }
  }
}

// Logits and embeddings: rows are taken in order, so that chunks make no difference.
void Scheduler::fetch_outputs(Live& live) {
  const bool logits = live.request->work == EngineWork::kLogits;
  const auto width = static_cast<std::size_t>(logits ? model_.shape().vocabulary : model_.shape().embedding);
  const bool last = live.request->work == EngineWork::kEmbedLast;
  live.fetching = true;
  live.fetched.resize((last ? 1 : static_cast<std::size_t>(live.rows)) * width);
  backend_.download(logits ? model_.logits() : model_.hidden(),
                    static_cast<std::size_t>(live.output_row) * width * sizeof(float),
                    std::as_writable_bytes(std::span(live.fetched)));
}

void Scheduler::take_outputs(Live& live) {
  live.fetching = false;
  const bool logits = live.request->work == EngineWork::kLogits;
  if (logits) {
    live.values.insert(live.values.end(), live.fetched.begin(), live.fetched.end());
  } else {
    const auto width = static_cast<std::size_t>(model_.shape().embedding);
    live.pooled.resize(width);
    for (std::size_t i = 0; i < live.fetched.size(); ++i)
      live.pooled[i % width] += static_cast<double>(live.fetched[i]);
  }
  if (live.computed < live.tokens.size()) return;
  if (!logits) {
    double squares = 0;
    for (const double value : live.pooled) squares += value * value;
    const double length = squares > 0 ? std::sqrt(squares) : 1;
    for (const double value : live.pooled) live.values.push_back(static_cast<float>(value / length));
  }
  finish(live);
}

// One token, and one behind each guess for the case that it comes true: all of a draft is looked at in one
// round, under the masks, penalties and biases that are those of each place.
void Scheduler::ask_for_tokens(Live& live) {
  live.choices.clear();
  const Generation& generation = live.request->generation;
  if (live.output.tokens.size() >= generation.tokens_max) return;  // take_tokens() ends it
  TokenConstraint* constraint = generation.constraint.get();
  std::unique_ptr<TokenConstraint> ahead;
  Adjustments adjustments = live.adjustments;
  std::size_t at = 0;  // guesses passed
  const auto pass = [&](TokenId token) {
    if (constraint && !ahead) constraint = (ahead = constraint->clone()).get();
    if (constraint) constraint->accept(token);
    adjustments.said(token);
    ++at;
    return !(constraint && constraint->finished()) && live.output.tokens.size() + at < generation.tokens_max;
  };
  while (true) {
    const bool masked = constraint && constraint->mask(mask_);
    if (masked && std::ranges::all_of(mask_.words(), [](std::uint64_t word) { return word == 0; })) {
      if (at == 0) end(live, Error(Code::kInternal, "the grammar allows no token at all"));
      return;
    }
    const int index =
        stage_->add(live.output_row + static_cast<int>(at), generation.sampling, adjustments,
                    masked ? &mask_ : nullptr, live.tokens.size() + at, generation.logprobs.value_or(-1));
    live.choices.push_back({at, index});
    if (at >= live.draft.size()) return;
    const TokenId guess = live.draft[at];
    if ((masked && !mask_.test(guess)) ||
        std::ranges::find(generation.ends, guess) != generation.ends.end() || !pass(guess)) {
      return;
    }
    if (!constraint) continue;
    for (auto forced = constraint->forced(); !forced.empty(); forced = constraint->forced()) {
      for (const TokenId token : forced) {
        if (at >= live.draft.size() || live.draft[at] != token || !pass(token)) return;
      }
    }
  }
}

// Tokens are taken from the last known token's logits on, as long as what comes out is what was guessed: then
// the next token's logits are at hand too. Exactly the tokens that one step each would give, since logits
// depend on no batch and a draw depends on its position alone.
void Scheduler::take_tokens(Live& live) {
  if (!live.prefilled) {
    live.prefilled = true;
    live.first_logits = Steady::now();
    live.output.usage.prefill_ms = milliseconds(live.first_logits - live.begun);
  }
  if (live.choices.empty()) {
    live.output.length = true;
    live.complete = true;
  }
  for (const auto& choice : live.choices) {
    if (choice.guesses != live.accepted) break;
    take_token(live, choice.index);
    if (live.ended) return;
    const std::size_t added = live.tokens.size() - live.known;
    while (live.accepted < std::min(added, live.draft.size()) &&
           live.draft[live.accepted] == live.tokens[live.known + live.accepted]) {
      ++live.accepted;
    }
    if (live.complete || live.accepted < added) break;
  }
  end_verification(live);
}

void Scheduler::take_token(Live& live, int choice) {
  if (live.request->generation.logprobs) {
    const auto told = stage_->logprobs(choice);
    TokenProbability& one = live.output.probabilities.emplace_back();
    one.logprob = static_cast<double>(told[0].logprob);
    for (const TokenLogprob& other : told.subspan(1)) {
      if (other.token >= 0) one.alternatives.emplace_back(other.token, static_cast<double>(other.logprob));
    }
  }
  live.drawn = live.tokens.size();
  if (append(live, stage_->token(choice), false)) append_forced(live);
}

void Scheduler::end_verification(Live& live) {
  live.choosing = false;
  if (!live.draft.empty()) {
    const std::size_t likely = std::min(live.likely, live.draft.size());
    live.lookup.learn(static_cast<int>(live.draft.size() - likely),
                      static_cast<int>(std::max(live.accepted, likely) - likely));
    live.output.usage.drafted_tokens += static_cast<std::int64_t>(live.draft.size());
    live.output.usage.rejected_tokens += static_cast<std::int64_t>(live.draft.size() - live.accepted);
    // What follows the last drawn token of a generation is left uncomputed, guessed or not: what the next
    // turn prefills depends on no guess.
    live.computed =
        std::min(live.computed + live.accepted, live.complete ? live.drawn : live.tokens.size() - 1);
    live.sequence->truncate(live.computed);
  }
  if (live.complete) finish(live);
}

bool Scheduler::append(Live& live, TokenId token, bool forced) {
  const Generation& generation = live.request->generation;
  live.tokens.push_back(token);
  live.output.tokens.push_back(token);
  ++live.output.usage.generated_tokens;
  live.adjustments.said(token);
  if (forced) {
    ++live.output.usage.forced_tokens;
    if (generation.logprobs) live.output.probabilities.emplace_back();
  }
  if (generation.constraint) generation.constraint->accept(token);
  if (generation.on_token) generation.on_token(token, forced);
  const bool ends = std::ranges::find(generation.ends, token) != generation.ends.end() ||
                    (generation.constraint && generation.constraint->finished()) ||
                    (generation.stops && generation.stops());
  if (ends || live.output.tokens.size() >= generation.tokens_max) {
    live.output.length = !ends;
    live.complete = true;
    return false;
  }
  return true;
}

// Jump-forward: tokens without a choice are appended at once and computed as one chunk.
void Scheduler::append_forced(Live& live) {
  const Generation& generation = live.request->generation;
  if (!generation.constraint || live.output.tokens.size() >= generation.tokens_max) return;
  while (true) {
    const std::vector<TokenId> forced = generation.constraint->forced();
    if (forced.empty()) return;
    for (const TokenId token : forced) {
      if (token < 0 || token >= model_.shape().vocabulary) {
        return end(live, Error(Code::kInternal, "the grammar forces token " + std::to_string(token)));
      }
      if (!append(live, token, true)) return;
    }
  }
}

void Scheduler::finish(Live& live) {
  live.ended = true;
  if (live.prefilled) live.output.usage.decode_ms = milliseconds(Steady::now() - live.first_logits);
  live.output.usage.unread_tokens = static_cast<std::int64_t>(live.tokens.size() - live.computed);
  live.sequence.reset();
  live.request->complete(EngineOutcome{std::move(live.output), std::move(live.values)});
}

void Scheduler::end(Live& live, Error error) {
  live.ended = true;
  if (const auto& cut = live.request->generation.cut; cut && error.code() == Code::kCancelled) {
    Usage& usage = live.output.usage;
    // Of a prompt that was not read to its end, what was read.
    const auto read = static_cast<std::int64_t>(live.computed);
    usage.prompt_tokens = std::min(usage.prompt_tokens, std::max(read, usage.reused_tokens));
    usage.prefilled_tokens = usage.prompt_tokens - usage.reused_tokens;
    usage.unread_tokens = static_cast<std::int64_t>(live.tokens.size() - live.computed);
    if (live.prefilled) usage.decode_ms = milliseconds(Steady::now() - live.first_logits);
    live.output.length = true;
    *cut = std::move(live.output);
  }
  live.sequence.reset();
  live.request->complete(fail(std::move(error)));
}

}  // namespace tsukai::infer
