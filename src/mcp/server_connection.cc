#include "mcp/server_connection.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/log.h"
#include "mcp/version.h"
#include "mcp/wire.h"

namespace tsukai::mcp {

// One incoming request, its era settled.
struct ServerConnection::Request {
  JsonValue id;
  std::string method;
  JsonValue params;  // An object.
  Outlet outlet;
  bool modern = false;
  const ServerOptions* options = nullptr;

  void answer(Json value) const {
    if (modern) {
      if (!value.contains("resultType")) value["resultType"] = "complete";
      value["_meta"][std::string(kMetaServerInfo)] = to_json(options->implementation);
    }
    outlet(result(id, std::move(value)));
  }
  // Lists of a server whose tools never change while it runs: still re-read now and then, as servers are
  // restarted.
  void answer_cacheable(Json value) const {
    if (modern) {
      value["ttlMs"] = 60'000;
      value["cacheScope"] = "public";
    }
    answer(std::move(value));
  }
  void refuse(int code, std::string message, JsonValue data = {}) const {
    outlet(failure(id, {code, std::move(message), std::move(data)}));
  }
};

// One tools/call in flight.
struct ServerConnection::Call : CallContext {
  Request request;
  const RegisteredTool* tool = nullptr;
  Json arguments;
  JsonValue token;  // null: the client asked for no progress.
  double done_last = -1;
  bool is_cancelled = false;
  Gate::Child task;

  // The specification wants `progress` to grow with each notification; what does not is dropped.
  void progress(double done, double total, std::string message) override {
    if (token.is_null() || is_cancelled || done <= done_last) return;
    done_last = done;
    Json params = {{"progressToken", *token}, {"progress", done}};
    if (total > 0) params["total"] = total;
    if (!message.empty()) params["message"] = std::move(message);
    request.outlet(notification("notifications/progress", std::move(params)));
  }
  bool cancelled() const override { return is_cancelled; }
};

ServerConnection::ServerConnection(const Registry& registry, asio::any_io_executor executor)
    : registry_(registry), calls_(std::move(executor)) {}
ServerConnection::~ServerConnection() = default;

asio::awaitable<void> ServerConnection::finish() { co_await calls_.drained(); }
asio::awaitable<void> ServerConnection::abort() {
  for (auto& [id, call] : in_flight_) call->is_cancelled = true;
  co_await calls_.close();
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
  switch (message.kind) {
    case MessageKind::kRequest:
      return handle_request(std::move(message), std::move(outlet));
    case MessageKind::kNotification:
      return handle_notification(message);
    case MessageKind::kResult:
    case MessageKind::kError:
      log_debug("an answer to nothing was asked: {}", print_message(message));
      return;
  }
}

void ServerConnection::handle_request(Message message, Outlet outlet) {
  Request request{
      message.id,        message.method, message.body.is_null() ? JsonValue(Json::object()) : message.body,
      std::move(outlet), false,          &registry_.options};
  const Json* meta = find(*request.params, "_meta");
  const Json* version = meta != nullptr ? find(*meta, kMetaVersion) : nullptr;
  request.modern = version != nullptr;

  if (request.modern) {
    if (!version->is_string())
      return request.refuse(kInvalidParams, fmt::format("_meta \"{}\" must be a string", kMetaVersion));
    if (*version != kModernVersion) {
      Json data = {{"supported", Json::array({std::string(kModernVersion)})}, {"requested", *version}};
      return request.refuse(kUnsupportedVersion,
                            fmt::format("protocol version {} is not supported", version->get<std::string>()),
                            data);
    }
    const Json* capabilities = find(*meta, kMetaClientCapabilities);
    if (capabilities == nullptr || !capabilities->is_object()) {
      return request.refuse(kInvalidParams,
                            fmt::format("params._meta needs \"{}\", an object", kMetaClientCapabilities));
    }
    if (request.method == "server/discover") return discover(request);
  } else {
    if (request.method == "initialize") return initialize(request);
    if (request.method == "ping") return request.answer(Json::object());
    if (version_.empty()) {
      return request.refuse(kInvalidParams,
                            fmt::format("{} came before initialize; a client of {} sends params._meta "
                                        "\"{}\" with every request instead",
                                        request.method, kModernVersion, kMetaVersion));
    }
  }
  if (request.method == "tools/list") return list_tools(request);
  if (request.method == "tools/call") return call_tool(std::move(request));
  request.refuse(kMethodNotFound, "method not found: " + request.method);
}

void ServerConnection::handle_notification(const Message& message) {
  if (message.method != "notifications/cancelled") return;
  const Json* id = find(*message.body, "requestId");
  if (id == nullptr) return;
  auto it = in_flight_.find(print_json(*id));
  if (it == in_flight_.end()) return;  // Already answered: the two crossed on the way.
  it->second->is_cancelled = true;
  it->second->task.cancel();
}

void ServerConnection::initialize(const Request& request) {
  const auto asked = string_at(*request.params, "protocolVersion");
  if (asked.empty()) return request.refuse(kInvalidParams, "initialize needs protocolVersion");
  version_ = is_legacy(asked) ? asked : std::string(kLatestLegacy);
  Json answer = {{"protocolVersion", version_},
                 {"capabilities", {{"tools", Json::object()}}},
                 {"serverInfo", to_json(registry_.options.implementation)}};
  if (!registry_.options.instructions.empty()) answer["instructions"] = registry_.options.instructions;
  request.answer(std::move(answer));
}

void ServerConnection::discover(const Request& request) {
  Json answer = {{"supportedVersions", Json::array({std::string(kModernVersion)})},
                 {"capabilities", {{"tools", Json::object()}}}};
  if (!registry_.options.instructions.empty()) answer["instructions"] = registry_.options.instructions;
  request.answer_cacheable(std::move(answer));
}

void ServerConnection::list_tools(const Request& request) {
  std::size_t start = 0;
  if (const Json* cursor = find(*request.params, "cursor"); cursor != nullptr && !cursor->is_null()) {
    // A cursor is the name of the first tool of its page: it stays right when the server has been restarted.
    const auto name = cursor->is_string() ? cursor->get<std::string>() : std::string();
    while (start < registry_.tools.size() && registry_.tools[start].name != name) ++start;
    if (start == registry_.tools.size())
      return request.refuse(kInvalidParams, "no such cursor: " + print_json(*cursor));
  }
  const std::size_t page = registry_.options.page_tools;
  const std::size_t end = page == 0 ? registry_.tools.size() : std::min(registry_.tools.size(), start + page);
  Json tools = Json::array();
  for (std::size_t i = start; i < end; ++i) tools.push_back(*registry_.tools[i].definition);
  Json answer = {{"tools", std::move(tools)}};
  if (end < registry_.tools.size()) answer["nextCursor"] = registry_.tools[end].name;
  request.answer_cacheable(std::move(answer));
}

void ServerConnection::call_tool(Request request) {
  const auto name = string_at(*request.params, "name");
  const RegisteredTool* tool = registry_.tool(name);
  if (tool == nullptr) return request.refuse(kInvalidParams, fmt::format("unknown tool: {}", name));
  const Json* arguments = find(*request.params, "arguments");
  if (arguments != nullptr && !arguments->is_object()) {
    return request.refuse(kInvalidParams,
                          fmt::format("arguments must be an object, not {}", arguments->type_name()));
  }
  const auto key = request.id.print();
  if (in_flight_.contains(key)) {
    return request.refuse(kInvalidRequest, fmt::format("a request with id {} is still in flight", key));
  }
  if (in_flight_.size() >= kCallsInFlightMax) {
    return request.refuse(kInternalError,
                          fmt::format("{} calls are in flight; wait for one to end", kCallsInFlightMax));
  }
  auto call = std::make_shared<Call>();
  call->tool = tool;
  call->arguments = arguments != nullptr ? *arguments : Json::object();
  if (const Json* meta = find(*request.params, "_meta")) {
    if (const Json* token = find(*meta, "progressToken")) call->token = *token;
  }
  call->request = std::move(request);
  in_flight_.emplace(key, call);
  if (!calls_.spawn(run_call(call), call->task)) in_flight_.erase(key);
}

// What a handler throws stays here: a mistake in one tool must not end the others' connection.
Task<ToolOutput> ServerConnection::run_handler(std::shared_ptr<Call> call) {
  try {
    co_return co_await call->tool->handler(std::move(call->arguments), *call);
  } catch (const std::exception& error) {
    if (call->is_cancelled) co_return fail(Code::kCancelled, "cancelled");
    log_error("tool {} threw: {}", call->tool->name, error.what());
    co_return fail(Code::kInternal, fmt::format("{} failed inside: {}", call->tool->name, error.what()));
  }
}

Task<void> ServerConnection::run_call(std::shared_ptr<Call> call) {
  const auto error_result = [](std::string text) {
    return Json{{"content", Json::array({{{"type", "text"}, {"text", std::move(text)}}})}, {"isError", true}};
  };
  Json answer;
  if (auto problem = explain_arguments(*call->tool, call->arguments); !problem.empty()) {
    answer = error_result(std::move(problem));
  } else {
    auto output = co_await run_handler(call);
    if (!output) {
      answer = error_result(output.error().text());
    } else {
      const bool structured = !output->structured.is_null();
      const auto wrong = structured && call->tool->output ? call->tool->output->check(*output->structured, 3)
                                                          : std::vector<std::string>();
      if (!wrong.empty()) {
        log_error("tool {} broke its own outputSchema: {}", call->tool->name, wrong.front());
        answer = error_result(fmt::format("{} made an invalid result ({}); this is a bug of the server",
                                          call->tool->name, wrong.front()));
      } else {
        std::string text = output->text.empty() && structured ? output->structured.print() : output->text;
        answer = {{"content", Json::array({{{"type", "text"}, {"text", std::move(text)}}})}};
        // Until 2025-11-25 structuredContent is an object; other values stand in the text alone.
        if (structured && (call->request.modern || output->structured->is_object())) {
          answer["structuredContent"] = *output->structured;
        }
      }
    }
  }
  in_flight_.erase(call->request.id.print());
  if (!call->is_cancelled) call->request.answer(std::move(answer));
  co_return Result<void>();
}

}  // namespace tsukai::mcp
