#include "agent/server_questions.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tsukai::agent {

struct ServerQuestions::Desk {
  std::vector<PolicyRule> policy;
  Elicit elicit;
  std::function<void(std::string)> notice;
  std::vector<Lender*> lenders = {};  // The newest last.
  bool open = true;
};

namespace {

using Desk = ServerQuestions::Desk;

std::string named(const std::string& server, std::string_view what) {
  return fmt::format("{}.{}", server, what);
}

// Sampling is allowed by a rule, never by the absence of one.
bool may_sample(const std::vector<PolicyRule>& policy, const std::string& server, const Json& params,
                PolicyRule::Action action) {
  const auto verdict = judge(policy, named(server, kSamplingName), params);
  return !verdict.rule.empty() && verdict.action == action;
}

// The text of a message's content: one block or an array of them. kUnsupported: other than text.
Result<std::string> content_text(const Json& content) {
  if (content.is_array()) {
    std::string text;
    for (const auto& block : content) {
      TSUKAI_TRY(const auto part, content_text(block));
      text += (text.empty() ? "" : "\n") + part;
    }
    return text;
  }
  if (string_at(content, "type") != "text")
    return fail(Code::kUnsupported,
                fmt::format("the model reads text, not {}", string_at(content, "type", "that")));
  return string_at(content, "text");
}

infer::Message chat_message(infer::Role role, std::string text) {
  infer::Message message;
  message.role = role;
  message.text = std::move(text);
  return message;
}

Result<infer::ChatRequest> request_of(const Json& params) {
  infer::ChatRequest request;
  request.name = "sampling";
  if (const auto system = string_at(params, "systemPrompt"); !system.empty())
    request.messages.push_back(chat_message(infer::Role::kSystem, system));
  const auto* messages = find(params, "messages");
  if (messages == nullptr || !messages->is_array() || messages->empty())
    return fail(Code::kInvalidArgument, "sampling/createMessage needs messages");
  for (const auto& one : *messages) {
    const auto* content = find(one, "content");
    if (content == nullptr) return fail(Code::kInvalidArgument, "a message has no content");
    TSUKAI_TRY(auto text, content_text(*content));
    request.messages.push_back(
        chat_message(string_at(one, "role") == "assistant" ? infer::Role::kAssistant : infer::Role::kUser,
                     std::move(text)));
  }
  const auto most = static_cast<std::int64_t>(ServerQuestions::kSamplingTokensMax);
  request.tokens_max =
      static_cast<std::size_t>(std::clamp<std::int64_t>(integer_at(params, "maxTokens", most), 1, most));
  if (const auto* stop = find(params, "stopSequences"); stop != nullptr && stop->is_array()) {
    for (const auto& word : *stop) {
      if (word.is_string()) request.stop.push_back(word.get<std::string>());
    }
  }
  request.thinking = false;
  return request;
}

Lender* lender_for(const Desk& desk, const std::string& server) {
  const auto& all = desk.lenders;
  const auto found =
      std::find_if(all.rbegin(), all.rend(), [&](const auto* each) { return each->calls_server(server); });
  return found != all.rend() ? *found : all.empty() ? nullptr : all.back();
}

Task<JsonValue> sample(std::shared_ptr<Desk> desk, std::string server, JsonValue params) {
  if (desk->lenders.empty()) co_return fail(Code::kDenied, "the run is over");
  bool allowed = may_sample(desk->policy, server, *params, PolicyRule::Action::kAllow);
  if (!allowed && desk->elicit && may_sample(desk->policy, server, *params, PolicyRule::Action::kAsk)) {
    const auto* messages = find(*params, "messages");
    Json question = {{"message", fmt::format("{} wants to ask the model: {}", server,
                                             messages == nullptr ? "" : print_json(*messages))},
                     {"requestedSchema", {{"type", "object"}, {"properties", Json::object()}}}};
    TSUKAI_CO_TRY(const auto answer, co_await desk->elicit(server, std::move(question)));
    allowed = string_at(*answer, "action") == "accept";
  }
  if (!allowed) {
    desk->notice(fmt::format("{} asked the model and was refused; `allow: {}` in the policy lets it", server,
                             named(server, kSamplingName)));
    co_return fail(Code::kDenied, "this run's policy does not let servers ask its model");
  }
  TSUKAI_CO_TRY(auto request, request_of(*params));
  auto* lender = lender_for(*desk, server);
  if (lender == nullptr) co_return fail(Code::kDenied, "the run is over");
  const auto model = lender->lent_model().name;
  auto lent = co_await lender->lend(server, std::move(request));
  if (!lent) {
    if (lent.error().code() == Code::kExhausted)
      desk->notice(fmt::format("{} asked the model and was refused: {}", server, lent.error().message()));
    co_return fail(std::move(lent).error());
  }
  const auto& reply = *lent;
  desk->notice(fmt::format("{} asked the model: {} tokens read, {} written", server,
                           reply.usage.prompt_tokens, reply.usage.generated_tokens));
  co_return JsonValue(
      Json{{"role", "assistant"},
           {"content", {{"type", "text"}, {"text", reply.message.text}}},
           {"model", model},
           {"stopReason", reply.finish == infer::FinishReason::kLength ? "maxTokens" : "endTurn"}});
}

Task<JsonValue> elicit(std::shared_ptr<Desk> desk, std::string server, JsonValue params) {
  const auto verdict = judge(desk->policy, named(server, kElicitationName), *params);
  if (!desk->open || verdict.action == PolicyRule::Action::kDeny) {
    co_return JsonValue(Json{{"action", "decline"}});
  }
  co_return co_await desk->elicit(std::move(server), std::move(params));
}

Task<JsonValue> hold(std::shared_ptr<Desk> desk, std::string server, JsonValue params) {
  auto* lender = desk->open ? lender_for(*desk, server) : nullptr;
  if (lender == nullptr) co_return JsonValue(Json{{"action", "cancel"}});
  if (judge(desk->policy, named(server, kElicitationName), *params).action == PolicyRule::Action::kDeny)
    co_return JsonValue(Json{{"action", "decline"}});
  co_return co_await lender->hold_question(std::move(server), std::move(params));
}

}  // namespace

ServerQuestions::ServerQuestions(std::vector<PolicyRule> policy, Elicit elicit,
                                 std::function<void(std::string)> notice)
    : desk_(std::make_shared<Desk>()) {
  *desk_ = {std::move(policy), std::move(elicit), std::move(notice)};
}
ServerQuestions::~ServerQuestions() { close(); }

void ServerQuestions::enter(Lender& lender) { desk_->lenders.push_back(&lender); }
void ServerQuestions::leave(Lender& lender) { std::erase(desk_->lenders, &lender); }

void ServerQuestions::close() {
  desk_->open = false;
  desk_->lenders.clear();
}

mcp::ClientOptions ServerQuestions::options_for(const std::string& server) const {
  mcp::ClientOptions options;
  options.on_sampling = [desk = desk_, server](JsonValue params) {
    return sample(desk, server, std::move(params));
  };
  if (desk_->elicit) {
    options.on_elicitation = [desk = desk_, server](JsonValue params) {
      return elicit(desk, server, std::move(params));
    };
    options.elicitation_url = true;
  } else {
    // The run waits for an answer instead, from whichever terminal it comes.
    const auto verdict = judge(desk_->policy, named(server, kElicitationName), Json::object());
    options.elicitation_parks = verdict.action != PolicyRule::Action::kDeny;
    options.on_held_elicitation = [desk = desk_, server](JsonValue params) {
      return hold(desk, server, std::move(params));
    };
  }
  return options;
}

}  // namespace tsukai::agent
