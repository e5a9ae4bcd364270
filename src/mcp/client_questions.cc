// What servers ask of a client and tell it.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "mcp/client_core.h"
#include "mcp/version.h"

namespace tsukai::mcp {

namespace {

constexpr int kUserRejected = -1;  // As the specification's examples write it.
constexpr std::chrono::milliseconds kListenWait{1'000}, kListenWaitMax{60'000};

// What the form's schema gives by default and the answer leaves out.
void fill_defaults(Json& content, const Json& schema) {
  const Json* properties = find(schema, "properties");
  if (properties == nullptr || !properties->is_object()) return;
  if (!content.is_object()) content = Json::object();
  for (const auto& [name, property] : properties->items()) {
    if (const Json* value = find(property, "default"); value != nullptr && !content.contains(name)) {
      content[name] = *value;
    }
  }
}

const char* key_of(Changed kind) {
  return kind == Changed::kTools ? "tools" : kind == Changed::kResources ? "resources" : "prompts";
}

}  // namespace

void ClientCore::warn(const std::string& what) const {
  log_info("{}", what);
  if (options.on_warning) options.on_warning(what);
}

const QuestionHandler& ClientCore::on_elicitation() const {
  const bool held = !options.on_elicitation && options.elicitation_parks && !modern;
  return held ? options.on_held_elicitation : options.on_elicitation;
}

bool ClientCore::elicits_urls() const {
  return options.on_elicitation ? options.elicitation_url : options.elicitation_parks;
}

Json ClientCore::client_capabilities() const {
  Json out = Json::object();
  if (options.roots || !config.roots.empty())
    out["roots"] = modern ? Json::object() : Json{{"listChanged", true}};
  if (options.on_sampling) {
    out["sampling"] = Json::object();
    if (options.sampling_tools) out["sampling"]["tools"] = Json::object();
  }
  const bool parks = modern && options.elicitation_parks && !options.on_elicitation;
  if (on_elicitation() || parks) {
    out["elicitation"] = {{"form", Json::object()}};
    if (elicits_urls()) out["elicitation"]["url"] = Json::object();
  }
  if (modern) out["extensions"] = {{std::string(kTasksExtension), Json::object()}};
  return out;
}

void ClientCore::take(const Message& message) {
  if (!watched.empty() && message.kind == MessageKind::kNotification && take_task_news(message)) return;
  if (session->deliver(message)) return;
  const auto& method = message.method;
  if (message.kind == MessageKind::kRequest) {
    // In 2026-07-28 questions come inside results; whoever asks like this is not answered.
    if (modern) return;
    if (answering.size() >= kQuestionsMax) {
      (void)link->send(failure(message.id, {kInternalError, "too many questions at once", {}}), {});
      return;
    }
    gate.spawn(run_answer(shared_from_this(), message), answering[message.id.print()]);
    return;
  }
  const Json& params = *message.body;
  if (method == "notifications/cancelled") {
    const Json* id = find(params, "requestId");
    if (id == nullptr) return;
    if (auto it = answering.find(print_json(*id)); it != answering.end()) {
      auto child = it->second;
      answering.erase(it);
      child.cancel();
    }
  } else if (method == "notifications/message") {
    const Json* data = find(params, "data");
    if (options.on_log)
      options.on_log(
          {string_at(params, "level"), string_at(params, "logger"), data ? JsonValue(*data) : JsonValue()});
  } else if (method == "notifications/tools/list_changed") {
    changed(Changed::kTools);
  } else if (method == "notifications/resources/list_changed") {
    changed(Changed::kResources);
  } else if (method == "notifications/prompts/list_changed") {
    changed(Changed::kPrompts);
  } else if (method == "notifications/resources/updated") {
    const auto uri = string_at(params, "uri");
    cache.erase("resources/read " + uri);
    if (options.on_resource_updated) options.on_resource_updated(uri);
  }
}

Task<void> ClientCore::run_answer(std::shared_ptr<ClientCore> core, Message message) {
  // A person takes as long as a person takes.
  const auto held = message.method == "elicitation/create" ? core->session->hold() : nullptr;
  auto reply = co_await core->answer(message.method, message.body);
  // A question that the server has withdrawn meanwhile gets no answer.
  if (core->answering.erase(message.id.print()) == 0) co_return Result<void>();
  if (!reply) co_return core->link->send(failure(message.id, reply.error()), {});
  // What belongs to a task says so, in both directions (2025-11-25).
  const Json* meta = find(*message.body, "_meta");
  if (const Json* task = meta == nullptr ? nullptr : find(*meta, kMetaRelatedTask);
      task && (*reply)->is_object()) {
    Json marked = **reply;
    marked["_meta"][std::string(kMetaRelatedTask)] = *task;
    reply = JsonValue(std::move(marked));
  }
  co_return core->link->send(result(message.id, *reply), {});
}

asio::awaitable<Reply> ClientCore::answer(std::string method, JsonValue params) {
  const auto refuse = [](int code, std::string why) {
    return tl::unexpected<RpcError>(RpcError{code, std::move(why), {}});
  };
  if (method == "ping") co_return JsonValue(Json::object());
  if (method == "roots/list") {
    Json roots = Json::array();
    for (const auto& root : options.roots ? options.roots() : std::vector<Root>()) {
      Json one = {{"uri", root.uri}};
      if (!root.name.empty()) one["name"] = root.name;
      roots.push_back(std::move(one));
    }
    for (const auto& uri : config.roots) roots.push_back({{"uri", uri}});
    co_return JsonValue(Json{{"roots", std::move(roots)}});
  }
  const bool sampling = method == "sampling/createMessage", elicitation = method == "elicitation/create";
  const auto& handler = sampling ? options.on_sampling : on_elicitation();
  if ((!sampling && !elicitation) || !handler)
    co_return refuse(kMethodNotFound, "method not found: " + method);
  if (sampling && find(*params, "tools") != nullptr && !options.sampling_tools) {
    co_return refuse(kInvalidParams, "tools in sampling were not declared");
  }
  const bool url = elicitation && string_at(*params, "mode", "form") == "url";
  if (url && !elicits_urls()) co_return refuse(kInvalidParams, "elicitation mode url was not declared");
  auto given = co_await handler(params);
  if (!given) {
    const bool no = given.error().code() == Code::kDenied || given.error().code() == Code::kCancelled;
    co_return refuse(no ? kUserRejected : kInternalError, given.error().text());
  }
  if (!elicitation || url || string_at(**given, "action") != "accept") co_return *given;
  Json filled = **given;
  if (const Json* schema = find(*params, "requestedSchema")) fill_defaults(filled["content"], *schema);
  co_return JsonValue(std::move(filled));
}

Task<Json> ClientCore::answer_all(JsonValue questions) {
  if (!questions->is_object() || questions->size() > kQuestionsMax) {
    co_return fail(Code::kProtocol,
                   fmt::format("server {}: inputRequests must be an object of at most {} questions",
                               config.name, kQuestionsMax));
  }
  Json answers = Json::object();
  // One after another: they end up before one person.
  for (const auto& [key, question] : questions->items()) {
    const auto method = string_at(question, "method");
    const Json* params = find(question, "params");
    auto reply = co_await answer(method, params == nullptr ? JsonValue(Json::object()) : JsonValue(*params));
    if (!reply) {
      co_return fail(reply.error().code == kUserRejected ? Code::kDenied : Code::kUnsupported,
                     fmt::format("server {} asks for {}: {}", config.name, method, reply.error().message));
    }
    answers[key] = **reply;
  }
  co_return answers;
}

Task<Json> ClientCore::answer_rest(JsonValue questions, JsonValue given) {
  Json answers = Json::object(), rest = Json::object();
  for (const auto& [key, question] : questions->items()) {
    const Json* answer = find(*given, key);
    if (answer == nullptr) {
      rest[key] = question;
      continue;
    }
    answers[key] = *answer;
    const Json* params = find(question, "params");
    const Json* schema = params == nullptr ? nullptr : find(*params, "requestedSchema");
    if (schema != nullptr && string_at(*answer, "action") == "accept")
      fill_defaults(answers[key]["content"], *schema);
  }
  if (rest.empty()) co_return answers;
  TSUKAI_CO_TRY(const auto others, co_await answer_all(std::move(rest)));
  answers.update(others);
  co_return answers;
}

void ClientCore::changed(Changed kind) {
  if (kind == Changed::kResources) {
    std::erase_if(cache, [](const auto& entry) { return entry.first.starts_with("resources/"); });
  } else {
    cache.erase(std::string(key_of(kind)) + "/list");
  }
  if (!options.on_changed) return;
  auto& state = refresh[static_cast<std::size_t>(kind)];
  state.pending = true;
  if (state.running) return;
  state.running = gate.spawn(run_changed(shared_from_this(), kind));
}

Task<void> ClientCore::run_changed(std::shared_ptr<ClientCore> core, Changed kind) {
  auto& state = core->refresh[static_cast<std::size_t>(kind)];
  struct Done {
    Refresh& state;
    ~Done() { state.running = false; }
  } done{state};
  while (state.pending) {
    state.pending = false;
    auto outcome = co_await core->options.on_changed(kind);
    if (!outcome && outcome.error().code() == Code::kCancelled) break;
    if (!outcome) core->warn(fmt::format("after a change of {}: {}", key_of(kind), outcome.error().text()));
  }
  co_return Result<void>();
}

void ClientCore::listen() {
  if (!modern) return;
  listening.cancel();
  if (options.on_changed || !subscribed.empty()) gate.spawn(run_listen(shared_from_this()), listening);
}

// subscriptions/listen stays open as long as the client; a broken one is opened anew, more and more slowly.
Task<void> ClientCore::run_listen(std::shared_ptr<ClientCore> core) {
  auto wait = kListenWait;
  while (true) {
    Json wanted = Json::object();
    if (core->options.on_changed) {
      for (auto kind : {Changed::kTools, Changed::kResources, Changed::kPrompts}) {
        const Json* offered = core->described ? find(*core->capabilities, key_of(kind)) : nullptr;
        if (!core->described || (offered != nullptr && bool_at(*offered, "listChanged"))) {
          wanted[std::string(key_of(kind)) + "ListChanged"] = true;
        }
      }
    }
    if (!core->subscribed.empty()) wanted["resourceSubscriptions"] = core->subscribed;
    if (wanted.empty()) co_return Result<void>();
    const auto began = std::chrono::steady_clock::now();
    constexpr auto kForEver = std::chrono::hours(24 * 365);
    auto reply = co_await core->exchange("subscriptions/listen", Json{{"notifications", std::move(wanted)}},
                                         {kForEver, kForEver, {}, true, {}}, {});
    if (!reply && reply.error().code() != Code::kTransport) co_return fail(std::move(reply).error());
    if (reply && !*reply) {
      core->warn(fmt::format("server {} tells no changes: {}", core->config.name, reply->error().message));
      co_return Result<void>();
    }
    if (std::chrono::steady_clock::now() - began > kListenWaitMax) wait = kListenWait;
    TSUKAI_CO_TRY_VOID(co_await sleep_for(wait));
    wait = std::min(wait * 2, kListenWaitMax);
    if (core->session->broken()) co_return Result<void>();
  }
}

}  // namespace tsukai::mcp
