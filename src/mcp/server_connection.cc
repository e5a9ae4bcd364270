#include "mcp/server_connection.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "mcp/server_run.h"
#include "mcp/version.h"
#include "mcp/wire.h"

namespace tsukai::mcp {

// An open subscriptions/listen.
struct ServerConnection::Subscription {
  ServerRequest request;
  std::set<Change> changes;
  std::set<std::string> uris;
  std::set<std::string> tasks;

  void send(const char* method, Json params) const {
    params["_meta"][std::string(kMetaSubscriptionId)] = *request.id;
    request.outlet(notification(method, std::move(params)));
  }
};

namespace {

const char* method_of(Change change) {
  switch (change) {
    case Change::kTools:
      return "notifications/tools/list_changed";
    case Change::kResources:
      return "notifications/resources/list_changed";
    case Change::kPrompts:
      return "notifications/prompts/list_changed";
  }
  return "";
}

}  // namespace

ServerConnection::ServerConnection(Registry& registry, asio::any_io_executor executor)
    : registry_(registry),
      number_(++registry.connections_made),
      calls_(executor),
      peer_(executor,
            [](const Message&) -> Result<void> { return fail(Code::kTransport, "no stream to the client"); }),
      capabilities_(Json::object()) {
  registry_.connections.insert(this);
}
ServerConnection::~ServerConnection() { registry_.connections.erase(this); }

asio::awaitable<void> ServerConnection::finish() {
  for (const auto& [id, subscription] : listens_) {
    subscription.request.answer(
        Json{{"_meta", {{std::string(kMetaSubscriptionId), *subscription.request.id}}}});
  }
  listens_.clear();
  peer_.break_off(Error(Code::kTransport, "the client has ended the connection"));
  co_await calls_.drained();
}

asio::awaitable<void> ServerConnection::abort() {
  for (auto& [id, call] : in_flight_) call->is_cancelled = true;
  listens_.clear();
  peer_.break_off(Error(Code::kCancelled, "the connection was given up"));
  co_await calls_.close();
}

void ServerConnection::announce(Change change) {
  if (!version_.empty() && announcements_) announcements_(notification(method_of(change), {}));
  for (const auto& [id, subscription] : listens_) {
    if (subscription.changes.contains(change)) subscription.send(method_of(change), Json::object());
  }
}

void ServerConnection::announce_updated(const std::string& uri) {
  constexpr auto kMethod = "notifications/resources/updated";
  if (announcements_ && subscribed_.contains(uri)) announcements_(notification(kMethod, Json{{"uri", uri}}));
  for (const auto& [id, subscription] : listens_) {
    if (subscription.uris.contains(uri)) subscription.send(kMethod, Json{{"uri", uri}});
  }
}

void ServerConnection::announce_message(Message message) {
  if (!version_.empty() && announcements_) announcements_(std::move(message));
}

void ServerConnection::announce_task(const ServerTask& task) {
  if (task.connection == number_ && version_ >= "2025-11-25")
    announce_message(notification("notifications/tasks/status", registry_.tasks->legacy(task)));
  for (const auto& [id, subscription] : listens_) {
    if (subscription.tasks.contains(task.id))
      subscription.send("notifications/tasks", registry_.tasks->modern(task, true));
  }
}

void ServerConnection::deliver(const std::string& text, Outlet outlet) {
  auto parsed = parse_messages(text);
  if (!parsed) {
    outlet(failure(parsed.error().id, parsed.error().error));
    return;
  }
  if (parsed->batch && version_ != "2025-03-26") {
    outlet(failure(
        {}, {kInvalidRequest, "batches exist in revision 2025-03-26 only; send one message at a time", {}}));
    return;
  }
  for (auto& message : parsed->messages) deliver(std::move(message), outlet);
}

void ServerConnection::deliver(Message message, Outlet outlet) {
  if (message.kind == MessageKind::kRequest)
    handle_request(std::move(message), std::move(outlet));
  else if (message.kind == MessageKind::kNotification)
    handle_notification(message);
  else
    peer_.deliver(message);
}

void ServerConnection::handle_request(Message message, Outlet outlet) {
  ServerRequest request{
      message.id,        message.method, message.body.is_null() ? JsonValue(Json::object()) : message.body,
      std::move(outlet), false,          &registry_};
  if (const Json* meta = find(*request.params, "_meta");
      meta != nullptr && find(*meta, kMetaVersion) != nullptr) {
    request.modern = true;
    if (handle_stateless(request)) return;
    const auto level = string_at(*meta, kMetaLogLevel);
    const int from = level.empty() ? 8 : log_severity(level);
    if (from < 0) return request.reject(kInvalidParams, "no such log level: " + level);
    return dispatch(std::move(request), *find(*meta, kMetaClientCapabilities), from);
  }
  dispatch_legacy(std::move(request));
}

// Checks what every request of 2026-07-28 carries; true when the request has been answered by that.
bool ServerConnection::handle_stateless(const ServerRequest& request) {
  const Json& meta = *find(*request.params, "_meta");
  const Json& version = *find(meta, kMetaVersion);
  if (!version.is_string()) {
    request.reject(kInvalidParams, fmt::format("_meta \"{}\" must be a string", kMetaVersion));
    return true;
  }
  if (version != kModernVersion) {
    request.reject(kUnsupportedVersion,
                   fmt::format("protocol version {} is not supported", version.get<std::string>()),
                   Json{{"supported", Json::array({std::string(kModernVersion)})}, {"requested", version}});
    return true;
  }
  const Json* capabilities = find(meta, kMetaClientCapabilities);
  if (capabilities == nullptr || !capabilities->is_object()) {
    request.reject(kInvalidParams,
                   fmt::format("params._meta needs \"{}\", an object", kMetaClientCapabilities));
    return true;
  }
  if (request.method == "server/discover") {
    Json answer = {{"supportedVersions", Json::array({std::string(kModernVersion)})},
                   {"capabilities", registry_.capabilities(kModernVersion)}};
    if (!registry_.options.instructions.empty()) answer["instructions"] = registry_.options.instructions;
    request.answer_cacheable(std::move(answer));
    return true;
  }
  if (request.method == "subscriptions/listen") {
    listen(request);
    return true;
  }
  return false;
}

void ServerConnection::dispatch_legacy(ServerRequest request) {
  const auto& method = request.method;
  if (method == "initialize") return initialize(request);
  if (method == "ping") return request.answer(Json::object());
  if (version_.empty()) {
    return request.reject(
        kInvalidParams,
        fmt::format("{} came before initialize; a client of {} sends params._meta \"{}\" with every "
                    "request instead",
                    method, kModernVersion, kMetaVersion));
  }
  if (method == "logging/setLevel" && registry_.options.logging) {
    const auto level = string_at(*request.params, "level");
    if (log_severity(level) < 0) return request.refuse(kInvalidParams, "no such log level: " + level);
    log_from_ = log_severity(level);
    return request.answer(Json::object());
  }
  if ((method == "resources/subscribe" || method == "resources/unsubscribe") && registry_.options.changes) {
    const auto uri = string_at(*request.params, "uri");
    if (uri.empty()) return request.refuse(kInvalidParams, method + " needs a uri");
    if (method == "resources/unsubscribe")
      subscribed_.erase(uri);
    else if (subscribed_.size() < kSubscriptionsMax)
      subscribed_.insert(uri);
    else
      return request.refuse(kInternalError,
                            fmt::format("{} resources are subscribed to already", kSubscriptionsMax));
    return request.answer(Json::object());
  }
  dispatch(std::move(request), capabilities_, log_from_);
}

// What both eras have in common.
void ServerConnection::dispatch(ServerRequest request, JsonValue capabilities, int log_from) {
  const auto& method = request.method;
  const auto name = string_at(*request.params, "name");
  if (method == "tools/list" && !registry_.tools.empty()) return list(request);
  const bool resources = !registry_.resources.empty() || !registry_.templates.empty();
  if ((method == "resources/list" || method == "resources/templates/list") && resources) return list(request);
  if (method == "prompts/list" && !registry_.prompts.empty()) return list(request);
  if (method == "completion/complete" && registry_.completion) return complete(std::move(request));
  if (handle_task_request(request, *capabilities)) return;

  std::optional<TaskTerms> terms;
  if (method == "tools/call" && !registry_.tools.empty()) {
    if (registry_.tool(name) == nullptr)
      return request.refuse(kInvalidParams, fmt::format("unknown tool: {}", name));
    const Json* arguments = find(*request.params, "arguments");
    if (arguments != nullptr && !arguments->is_object()) {
      return request.refuse(kInvalidParams,
                            fmt::format("arguments must be an object, not {}", arguments->type_name()));
    }
    if (auto refusal = task_terms(request, *capabilities, terms)) {
      return refusal->refused ? request.reject(refusal->code, refusal->message, refusal->data)
                              : request.refuse(refusal->code, refusal->message, refusal->data);
    }
  } else if (method == "prompts/get" && !registry_.prompts.empty()) {
    if (registry_.prompt(name) == nullptr)
      return request.refuse(kInvalidParams, fmt::format("unknown prompt: {}", name));
  } else if (!(method == "resources/read" && resources)) {
    return request.refuse(kMethodNotFound, "method not found: " + method);
  }
  auto call = std::make_shared<ServerCall>(std::move(request), std::move(capabilities), log_from, &peer_);
  call->terms = std::move(terms);
  start(std::move(call));
}

void ServerConnection::handle_notification(const Message& message) {
  if (message.method == "notifications/progress") {
    peer_.deliver(message);
    return;
  }
  if (message.method != "notifications/cancelled") return;
  const Json* id = find(*message.body, "requestId");
  if (id == nullptr) return;
  listens_.erase(print_json(*id));
  auto it = in_flight_.find(print_json(*id));
  if (it == in_flight_.end()) return;  // Already answered: the two crossed on the way.
  const auto call = it->second;
  call->is_cancelled = true;
  call->task.cancel();
}

void ServerConnection::initialize(const ServerRequest& request) {
  const auto asked = string_at(*request.params, "protocolVersion");
  if (asked.empty()) return request.refuse(kInvalidParams, "initialize needs protocolVersion");
  version_ = is_legacy(asked) ? asked : std::string(kLatestLegacy);
  if (const Json* capabilities = find(*request.params, "capabilities");
      capabilities && capabilities->is_object()) {
    capabilities_ = *capabilities;
  }
  Json answer = {{"protocolVersion", version_},
                 {"capabilities", registry_.capabilities(version_)},
                 {"serverInfo", to_json(registry_.options.implementation)}};
  if (!registry_.options.instructions.empty()) answer["instructions"] = registry_.options.instructions;
  request.answer(std::move(answer));
}

void ServerConnection::list(const ServerRequest& request) {
  const auto& method = request.method;
  const Json* cursor = find(*request.params, "cursor");
  if (cursor != nullptr && cursor->is_null()) cursor = nullptr;
  Json answer = Json::object();
  if (method != "tools/list") {
    if (cursor != nullptr) return request.refuse(kInvalidParams, "no such cursor: " + print_json(*cursor));
    Json entries = Json::array();
    if (method == "prompts/list") {
      for (const auto& prompt : registry_.prompts) entries.push_back(*prompt.definition);
      answer["prompts"] = std::move(entries);
    } else {
      const bool templates = method == "resources/templates/list";
      for (const auto& resource : templates ? registry_.templates : registry_.resources) {
        entries.push_back(*resource.definition);
      }
      answer[templates ? "resourceTemplates" : "resources"] = std::move(entries);
    }
    return request.answer_cacheable(std::move(answer));
  }
  const auto& tools = registry_.tools;
  std::size_t start = 0;
  if (cursor != nullptr) {
    // A cursor is the name of the first tool of its page: it stays right when the server has been restarted.
    while (start < tools.size() && *cursor != tools[start].name) ++start;
    if (start == tools.size())
      return request.refuse(kInvalidParams, "no such cursor: " + print_json(*cursor));
  }
  const std::size_t page = registry_.options.page_tools;
  const std::size_t end = page == 0 ? tools.size() : std::min(tools.size(), start + page);
  Json entries = Json::array();
  for (std::size_t i = start; i < end; ++i) {
    entries.push_back(*tools[i].definition);
    if (tools[i].task && !request.modern && version_ >= "2025-11-25") {
      entries.back()["execution"] = {{"taskSupport", tools[i].task->required ? "required" : "optional"}};
    }
  }
  answer["tools"] = std::move(entries);
  if (end < tools.size()) answer["nextCursor"] = tools[end].name;
  request.answer_cacheable(std::move(answer));
}

void ServerConnection::listen(const ServerRequest& request) {
  const bool changes = registry_.options.changes;
  if (!changes && !registry_.offers_tasks())
    return request.refuse(kMethodNotFound, "nothing of this server changes while it runs");
  const Json* wanted = find(*request.params, "notifications");
  if (wanted == nullptr || !wanted->is_object())
    return request.reject(kInvalidParams, "params.notifications must be an object");
  if (listens_.size() >= kCallsInFlightMax || listens_.contains(request.id.print())) {
    return request.refuse(kInvalidRequest, "too many subscriptions, or one with this id is open already");
  }
  Subscription subscription{request, {}, {}, {}};
  Json agreed = Json::object();
  const auto agree = [&](const char* key, Change change, bool offered) {
    if (!changes || !offered || !bool_at(*wanted, key)) return;
    subscription.changes.insert(change);
    agreed[key] = true;
  };
  const bool resources = !registry_.resources.empty() || !registry_.templates.empty();
  agree("toolsListChanged", Change::kTools, !registry_.tools.empty());
  agree("promptsListChanged", Change::kPrompts, !registry_.prompts.empty());
  agree("resourcesListChanged", Change::kResources, resources);
  if (const Json* uris = find(*wanted, "resourceSubscriptions");
      uris != nullptr && uris->is_array() && resources && changes) {
    for (const auto& uri : *uris) {
      if (uri.is_string() && subscription.uris.size() < kSubscriptionsMax)
        subscription.uris.insert(uri.get<std::string>());
    }
    agreed["resourceSubscriptions"] = subscription.uris;
  }
  std::vector<std::shared_ptr<ServerTask>> tasks;
  if (const Json* ids = find(*wanted, "taskIds"); ids != nullptr && registry_.offers_tasks()) {
    if (!declares_tasks(*find(*find(*request.params, "_meta"), kMetaClientCapabilities))) {
      const auto refusal = tasks_not_declared();
      return request.reject(refusal.code, refusal.message, refusal.data);
    }
    for (const auto& id : ids->is_array() ? *ids : Json::array()) {
      auto task = id.is_string() ? registry_.tasks->find(id.get<std::string>(), principal_) : nullptr;
      if (task) tasks.push_back(std::move(task));
    }
    for (const auto& task : tasks) subscription.tasks.insert(task->id);
    agreed["taskIds"] = subscription.tasks;
  }
  subscription.send("notifications/subscriptions/acknowledged", Json{{"notifications", std::move(agreed)}});
  // What happened before is not told again, so each begins with how it stands.
  for (const auto& task : tasks)
    subscription.send("notifications/tasks", registry_.tasks->modern(*task, true));
  listens_.emplace(request.id.print(), std::move(subscription));
}

void ServerConnection::complete(ServerRequest request) {
  const Json* argument = find(*request.params, "argument");
  if (find(*request.params, "ref") == nullptr || argument == nullptr ||
      string_at(*argument, "name").empty()) {
    return request.refuse(kInvalidParams, "completion/complete needs ref and argument.name");
  }
  calls_.spawn(run_completion(std::move(request)));
}

Task<void> ServerConnection::run_completion(ServerRequest request) {
  constexpr std::size_t kValuesMax = 100;  // The specification's own limit.
  const Json& argument = *find(*request.params, "argument");
  auto values = co_await registry_.completion(*find(*request.params, "ref"), string_at(argument, "name"),
                                              string_at(argument, "value"));
  if (!values) {
    request.refuse(values.error().code() == Code::kNotFound ? kInvalidParams : kInternalError,
                   values.error().text());
    co_return Result<void>();
  }
  const auto total = values->size();
  if (total > kValuesMax) values->resize(kValuesMax);
  request.answer(
      Json{{"completion", {{"values", *values}, {"total", total}, {"hasMore", total > kValuesMax}}}});
  co_return Result<void>();
}

void ServerConnection::start(std::shared_ptr<ServerCall> call) {
  const auto& request = call->request;
  const auto key = request.id.print();
  if (in_flight_.contains(key)) {
    return request.refuse(kInvalidRequest, fmt::format("a request with id {} is still in flight", key));
  }
  if (in_flight_.size() >= kCallsInFlightMax) {
    return request.refuse(kInternalError,
                          fmt::format("{} calls are in flight; wait for one to end", kCallsInFlightMax));
  }
  if (auto wrong = call->take_responses()) return request.reject(wrong->code, wrong->message);
  if (call->terms) return start_task(std::move(call));
  begin(std::move(call));
}

void ServerConnection::begin(std::shared_ptr<ServerCall> call) {
  const auto key = call->request.id.print();
  in_flight_.emplace(key, call);
  if (!calls_.spawn(call->terms ? run_until_task(call) : run(call), call->task)) in_flight_.erase(key);
}

Task<void> ServerConnection::run(std::shared_ptr<ServerCall> call) {
  auto answer = co_await run_handler(call);
  in_flight_.erase(call->request.id.print());
  if (call->is_cancelled) co_return Result<void>();
  if (answer)
    call->request.answer(*std::move(answer));
  else
    call->request.outlet(failure(call->request.id, std::move(answer).error()));
  co_return Result<void>();
}

}  // namespace tsukai::mcp
