// Requests of a client: _meta, rounds of questions, pages, the cache.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "mcp/client_core.h"
#include "mcp/version.h"
#include "mcp/wire.h"

namespace tsukai::mcp {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// Only these may be answered with questions.
bool may_ask(const std::string& method) {
  return method == "tools/call" || method == "prompts/get" || method == "resources/read";
}

}  // namespace

Error ClientCore::from_peer(const std::string& what, const RpcError& error) const {
  Code code = Code::kProtocol;
  if (error.code == kMethodNotFound) code = Code::kUnsupported;
  if (error.code == kInvalidParams) code = Code::kInvalidArgument;
  if (error.code == kResourceNotFound) code = Code::kNotFound;
  if (error.code == kMissingClientCapability) code = Code::kUnsupported;
  return Error(
      code, fmt::format("{}: server {} answered error {}: {}", what, config.name, error.code, error.message));
}

RequestOptions ClientCore::call_options(OnProgress on_progress) const {
  return {config.call_timeout, config.call_timeout_max, std::move(on_progress), true, {}};
}

std::shared_ptr<const Stamp> ClientCore::stamp() {
  const auto& level = options.on_log ? log_level : std::string();
  if (!stamped || stamped->version != version || stamped_level != level) {
    Json meta = {{kMetaVersion, version},
                 {kMetaClientInfo, {{"name", "tsukai"}, {"version", TSUKAI_VERSION}}},
                 {kMetaClientCapabilities, client_capabilities()}};
    if (!level.empty()) meta[std::string(kMetaLogLevel)] = level;
    stamped = std::make_shared<const Stamp>(meta, version);
    stamped_level = level;
  }
  return stamped;
}

// A revision that was pinned is spoken without asking who is there; every answer of a modern server says it.
void ClientCore::learn_server(const Json& result) {
  const Json* meta = find(result, "_meta");
  if (const Json* info = meta != nullptr ? find(*meta, kMetaServerInfo) : nullptr)
    server = parse_implementation(*info);
}

bool ClientCore::offers(const char* capability) const {
  return !described || find(*capabilities, capability) != nullptr;
}

ClientCore::Sending ClientCore::sending(RequestOptions options, const HttpHeaders& extra) {
  if (modern) options.stamp = stamp();
  if (!extra.empty())
    options.via = [this, extra](const Message& message) { return link->send(message, extra); };
  return {std::move(options), link->session_id(), modern};
}

bool ClientCore::worth_again(const Sending& sent, const Result<Reply>& reply) {
  if (!reply) return !sent.session_id.empty() && session_gone == sent.session_id;
  if (*reply) {
    if (sent.modern && server.name.empty()) learn_server(***reply);
    return false;
  }
  // A server may refuse a version for one moment and name it among those it speaks (a rolling update): once
  // more.
  if (!sent.modern || reply->error().code != kUnsupportedVersion) return false;
  const Json* supported = find(*reply->error().data, "supported");
  return supported != nullptr && supported->is_array() &&
         std::find(supported->begin(), supported->end(), Json(version)) != supported->end();
}

Task<Reply> ClientCore::exchange(std::string method, JsonValue params, RequestOptions given,
                                 HttpHeaders extra) {
  auto sent = sending(given, extra);
  auto reply = co_await session->call(method, params, std::move(sent.options));
  if (!worth_again(sent, reply)) co_return reply;
  co_return co_await exchange_again(std::move(sent.session_id), std::move(reply), std::move(method),
                                    std::move(params), std::move(given), std::move(extra));
}

Task<Reply> ClientCore::exchange_again(std::string gone, Result<Reply> reply, std::string method,
                                       JsonValue params, RequestOptions given, HttpHeaders extra) {
  if (!reply) {
    TSUKAI_CO_TRY_VOID(co_await renew(std::move(gone)));
    // A cursor belongs to the session that gave it.
    if (params->contains("cursor")) co_return reply;
  }
  auto sent = sending(std::move(given), extra);
  reply = co_await session->call(std::move(method), std::move(params), std::move(sent.options));
  (void)worth_again(sent, reply);
  co_return reply;
}

// Whether what is asked is left to whoever made the call.
bool ClientCore::parks(const std::string& method, const Json& questions) const {
  if (!options.elicitation_parks || options.on_elicitation || method != "tools/call") return false;
  return questions.is_object() && std::any_of(questions.begin(), questions.end(), [](const Json& question) {
           return string_at(question, "method") == "elicitation/create";
         });
}

Task<Reply> ClientCore::ask(std::string method, JsonValue params, OnProgress on_progress, HttpHeaders extra,
                            JsonValue first) {
  JsonValue round = first.is_null() ? params : std::move(first);
  for (int rounds = 1;; ++rounds) {
    auto sent = sending(call_options(on_progress), extra);
    auto reply = co_await session->call(method, round, std::move(sent.options));
    if (worth_again(sent, reply)) {
      auto again = exchange_again(std::move(sent.session_id), std::move(reply), method, round,
                                  call_options(on_progress), extra);
      reply = co_await std::move(again);
    }
    if (!reply) co_return reply;
    if (!*reply) {
      // 2025-11-25: the tool wants its user to visit a page first, then to be called again.
      const Json* elicitations = find(*reply->error().data, "elicitations");
      if (modern || reply->error().code != kUrlElicitationRequired || rounds > 1 || !on_elicitation() ||
          !elicits_urls() || elicitations == nullptr || !elicitations->is_array()) {
        co_return reply;
      }
      for (const auto& one : *elicitations) {
        auto answered = co_await answer("elicitation/create", JsonValue(one));
        if (!answered || string_at(**answered, "action") != "accept") co_return reply;
      }
      round = params;
      continue;
    }
    const Json& result = ***reply;
    const auto type = modern ? string_at(result, "resultType", "complete") : "complete";
    if (type == "complete" || (type == "task" && method == "tools/call")) co_return reply;
    if (type != "input_required" || !may_ask(method)) {
      co_return fail(Code::kProtocol,
                     fmt::format("server {} answered {} with a result of unknown type \"{}\"", config.name,
                                 method, type));
    }
    if (rounds >= kRoundsMax) {
      co_return fail(Code::kProtocol,
                     fmt::format("server {} still asks after {} rounds", config.name, rounds));
    }
    if (const Json* questions = find(result, "inputRequests");
        questions != nullptr && parks(method, *questions))
      co_return reply;
    Json again = *params;
    if (const Json* state = find(result, "requestState")) again["requestState"] = *state;
    if (const Json* questions = find(result, "inputRequests"); questions != nullptr && !questions->empty()) {
      TSUKAI_CO_TRY(again["inputResponses"], co_await answer_all(JsonValue(*questions)));
    } else if (!again.contains("requestState")) {
      co_return fail(Code::kProtocol,
                     fmt::format("server {} wants input and does not say which", config.name));
    }
    round = std::move(again);
  }
}

Task<JsonValue> ClientCore::request(std::string method, JsonValue params, OnProgress on_progress,
                                    HttpHeaders extra) {
  TSUKAI_CO_TRY(auto reply,
                co_await ask(method, std::move(params), std::move(on_progress), std::move(extra)));
  if (!reply) co_return fail(from_peer(method, reply.error()));
  co_return *reply;
}

Task<std::vector<JsonValue>> ClientCore::list(std::string method, std::string member) {
  if (auto it = cache.find(method); it != cache.end() && steady_clock::now() < it->second.until) {
    co_return it->second.items;
  }
  std::vector<JsonValue> items;
  std::set<std::string> cursors;
  std::string cursor;
  std::int64_t ttl_ms = INT32_MAX;
  do {
    Json params = Json::object();
    if (!cursor.empty()) params["cursor"] = cursor;
    TSUKAI_CO_TRY(auto result, co_await request(method, std::move(params)));
    const Json* page = find(*result, member);
    if (page == nullptr || !page->is_array()) {
      co_return fail(Code::kProtocol, fmt::format("{}: the answer has no array \"{}\"", method, member));
    }
    for (const auto& item : *page) items.emplace_back(item);
    ttl_ms = std::min(ttl_ms, modern ? integer_at(*result, "ttlMs", 0) : 0);
    cursor = string_at(*result, "nextCursor");
    if (items.size() > kItemsMax || cursors.size() >= kPagesMax) {
      co_return fail(Code::kExhausted, fmt::format("{} goes on after {} entries on {} pages", method,
                                                   items.size(), cursors.size()));
    }
    if (!cursor.empty() && !cursors.insert(cursor).second) {
      co_return fail(Code::kProtocol, fmt::format("{} gives the same cursor again: {}", method, cursor));
    }
  } while (!cursor.empty());
  if (ttl_ms > 0) cache[method] = {steady_clock::now() + milliseconds(ttl_ms), items};
  co_return items;
}

}  // namespace tsukai::mcp
