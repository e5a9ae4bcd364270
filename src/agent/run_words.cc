// What people say while a run is at work: decisions about calls that wait while others are made, and answers
// to servers that hold a call open until they have one.
#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/decisions.h"
#include "agent/records.h"
#include "agent/run_loop.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kQuestionLettersMax = 500;   // Of what a server asks, in a notice.
constexpr std::string_view kHeldKey = "question";  // Of the one question in `inputRequests`.

std::int64_t deadline_clock_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

// {"name": "...", "age": "..."}: what an answer looks like.
std::string content_like(const Json& params) {
  Json content = Json::object();
  const auto* schema = find(params, "requestedSchema");
  const auto* fields = schema == nullptr ? nullptr : find(*schema, "properties");
  if (fields != nullptr && fields->is_object()) {
    for (const auto& [name, field] : fields->items()) content[name] = "...";
  }
  return print_json(content);
}

}  // namespace

struct Run::HeldQuestion {
  explicit HeldQuestion(const asio::any_io_executor& executor) : timer(executor) {}
  asio::steady_timer timer;    // Cancelled once there is an answer, or nobody wants one.
  std::optional<Json> answer;  // As journaled.
  bool dropped = false;        // Its call is over.
};

Run::~Run() {
  *over_ = true;
  for (auto& [key, held] : questions_held_) held->timer.cancel();
}

void Run::begin_holding() {
  if (!questions_held_.empty()) return;
  held_.since_ms = parts_.clock.steady_ms();
  held_for_deadlines_.since_ms = deadline_clock_ms();
}

void Run::end_holding() {
  if (!questions_held_.empty()) return;
  held_ = {held_.so_far(parts_.clock.steady_ms()), -1};
  held_for_deadlines_ = {held_for_deadlines_.so_far(deadline_clock_ms()), -1};
}

// Called from a server's session: whatever is here may be gone after each suspension.
Task<JsonValue> Run::hold_question(std::string server, JsonValue params) {
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto over = over_;
  const JsonValue nobody(Json{{"action", "cancel"}});
  // Servers do not say which of their calls asks: the first one that asks nothing yet.
  std::string key;
  auto limit = mcp::ServerConfig().question_timeout;
  for (std::size_t i = 0; i < fates_.size() && i < calls().size() && key.empty(); ++i) {
    const auto* tool = parts_.toolbox.find(calls()[i].call.name);
    const bool its_own = tool != nullptr && !tool->agent && tool->server_name == server;
    if (its_own && fates_[i] == Fate::kFlying && !questions_held_.contains(calls()[i].step_key))
      key = calls()[i].step_key;
  }
  for (const auto& config : parts_.file.servers) {
    if (config.name == server) limit = config.question_timeout;
  }
  if (key.empty()) {
    tell("notice",
         {{"message", server + " asked a person outside of a call, and was told that nobody is there"}});
    co_return nobody;
  }
  const auto held = std::make_shared<HeldQuestion>(co_await asio::this_coro::executor);
  const Json shown = parts_.toolbox.redaction().json(*params);
  const Json asked = {
      {"inputRequests", {{std::string(kHeldKey), {{"method", "elicitation/create"}, {"params", shown}}}}}};
  begin_holding();
  questions_held_[key] = held;
  const auto answered = [&](const Json& answer, const std::string& by) {
    return stage(Kind::kSignal, "",
                 {{"name", kAnswerSignal},
                  {"payload", {{"call", key}, {"answers", {{std::string(kHeldKey), answer}}}, {"by", by}}}});
  };
  const auto wake = [&] {
    landed_any_ = true;
    landed_->cancel();
  };
  TSUKAI_CO_TRY_VOID(
      stage(Kind::kSignal, "",
            {{"name", kQuestionSignal}, {"payload", {{"call", key}, {"asked", asked}, {"held", true}}}}));
  std::string text = shortened(string_at(shown, "message"), kQuestionLettersMax);
  if (const auto url = string_at(shown, "url"); !url.empty()) text += " " + url;
  const bool form = string_at(shown, "mode", "form") != "url";
  tell("notice",
       {{"message",
         fmt::format(
             "waits for a person: {} asks \"{}\"; answer with: tsukai runs approve {} {}{}{}, or decline "
             "with --deny{}; after {:g} s it is told that nobody answered",
             server, text, id_, key, parts_.database_words,
             form ? " --content '" + content_like(shown) + "'" : "", form ? " in place of --content" : "",
             static_cast<double>(limit.count()) / 1000)}});
  wake();
  held->timer.expires_after(limit);
  boost::system::error_code error;
  co_await held->timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
  const bool withdrawn = co_await was_cancelled();
  if (*over || held->dropped) co_return nobody;
  if (!held->answer) {
    const auto why = withdrawn ? server + " no longer asks" : "nobody answered in time";
    TSUKAI_CO_TRY_VOID(answered(*nobody, why));
    tell("notice", {{"message", fmt::format("{} ({})", why, key)}});
    wake();
  }
  questions_held_.erase(key);
  end_holding();
  co_return held->answer ? JsonValue(*held->answer) : nobody;
}

// Its call is over: nobody needs an answer any more.
void Run::let_go(const std::string& step_key) {
  const auto found = questions_held_.find(step_key);
  if (found == questions_held_.end()) return;
  found->second->dropped = true;
  found->second->timer.cancel();
  questions_held_.erase(found);
  end_holding();
}

// After signals were taken: what waited for them goes on.
void Run::take_words() {
  for (auto& [key, held] : questions_held_) {
    const auto* call = progress_.call_at(key);
    if (call == nullptr || call->held_answers.is_null() || held->answer) continue;
    const auto* answer = find(*call->held_answers, kHeldKey);
    held->answer = answer == nullptr ? Json{{"action", "cancel"}} : *answer;
    held->timer.cancel();
  }
  if (progress_.steps.empty() && !progress_.draft) return;
  for (std::size_t i = 0; i < fates_.size() && i < calls().size(); ++i) {
    const auto& call = calls()[i];
    const bool undecided = call.asked && !call.allowed && !call.denied;
    if (fates_[i] != Fate::kWaits || undecided || waits_below_.contains(call.step_key)) continue;
    if (call.stage == CallProgress::Stage::kUnknown || call.waits_for_answer()) continue;
    fates_[i] = call.stage == CallProgress::Stage::kSettled ? Fate::kOver : Fate::kNew;
    waits_told_.erase(call.step_key);
  }
}

std::string Run::how_to_decide(const CallProgress& call) const {
  const auto command = [&](const char* verb, const char* flags) {
    return fmt::format("tsukai runs {} {} {} {}{}", verb, id_, call.step_key, flags, parts_.database_words);
  };
  if (call.stage == CallProgress::Stage::kUnknown)
    return command("resolve", "--done JSON | --retry | --abort");
  return command("approve", call.waits_for_answer() ? "--content JSON | --deny" : "[--deny]");
}

// Of what waits while other calls are made, once; what waits in the end is told with the run's pause.
void Run::tell_waits() {
  if (count(Fate::kFlying) == 0) return;
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    const auto& call = calls()[i];
    if (fates_[i] != Fate::kWaits || !waits_told_.insert(call.step_key).second) continue;
    const auto below = waits_below_.find(call.step_key);
    tell("notice",
         {{"message", fmt::format("{} {} waits for a person: {}", call.step_key, call.call.name,
                                  below == waits_below_.end() ? how_to_decide(call) : below->second)}});
  }
}

bool Run::something_waits() const { return !questions_held_.empty() || count(Fate::kWaits) > 0; }

// In table `run`, for whoever lists what waits.
Task<void> Run::show_state() {
  const bool waits = something_waits();
  if (shown_waiting_.value_or(false) == waits) co_return Result<void>();
  TSUKAI_CO_TRY_VOID(co_await journaled_void([run = id_, waits](Journal& journal) {
    return journal.set_state(run, waits ? RunState::kWaiting : RunState::kRunning);
  }));
  shown_waiting_ = waits;
  co_return Result<void>();
}

// Only where another connection has written since is there anything to hear.
Task<void> Run::look_for_words() {
  if (!something_waits()) co_return Result<void>();
  TSUKAI_CO_TRY(const auto version,
                co_await journaled<std::int64_t>([](Journal& journal) { return journal.data_version(); }));
  if (words_version_ == version) co_return Result<void>();
  words_version_ = version;
  signals_ms_ = 0;  // outside() looks at once.
  for (std::size_t i = 0; i < fates_.size(); ++i) {
    if (fates_[i] != Fate::kWaits) continue;
    const auto each = calls()[i];
    const bool below = waits_below_.contains(each.step_key);
    if (!below && !(each.asked && !each.allowed && !each.denied)) continue;
    TSUKAI_CO_TRY(const bool told,
                  co_await journaled<bool>([below, run = below ? string_at(*each.child, "run") : id_,
                                            key = each.step_key](Journal& journal) -> Result<bool> {
                    if (below) return is_told_something(journal, run);
                    TSUKAI_TRY(const auto pending, journal.pending_approvals(run));
                    return std::none_of(pending.begin(), pending.end(),
                                        [&](const Approval& each) { return each.step_key == key; });
                  }));
    if (!told || fates_[i] != Fate::kWaits) continue;
    fates_[i] = Fate::kNew;
    waits_below_.erase(each.step_key);
    waits_told_.erase(each.step_key);
  }
  co_return Result<void>();
}

Task<void> Run::wait_for_news() {
  if (!something_waits() && !shown_waiting_.value_or(false)) {
    co_await wait_for_landing();
    co_return Result<void>();
  }
  tell_waits();
  TSUKAI_CO_TRY_VOID(co_await show_state());
  co_await wait_for_landing();
  co_return co_await look_for_words();
}

}  // namespace tsukai::agent
