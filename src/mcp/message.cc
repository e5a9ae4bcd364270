#include "mcp/message.h"

#include <fmt/format.h>

#include <initializer_list>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/json_print.h"

namespace tsukai::mcp {
namespace {

constexpr int kDepthMax = 128;
constexpr std::size_t kUsualBytes = 256;  // Most messages are shorter.

tl::unexpected<Malformed> malformed(int code, std::string message, JsonValue id = {}) {
  return tl::unexpected<Malformed>(Malformed{RpcError{code, std::move(message), {}}, std::move(id)});
}

bool is_id(const Json& value) { return value.is_string() || value.is_number_integer(); }

// The members of a message that have a meaning; null: absent.
struct Members {
  explicit Members(Json& message) {
    for (auto& [key, member] : *message.get_ptr<Json::object_t*>()) {
      if (key == "id")
        id = &member;
      else if (key == "jsonrpc")
        jsonrpc = &member;
      else if (key == "method")
        method = &member;
      else if (key == "params")
        params = &member;
      else if (key == "result")
        result = &member;
      else if (key == "error")
        error = &member;
    }
  }
  Json *id = nullptr, *jsonrpc = nullptr, *method = nullptr, *params = nullptr, *result = nullptr,
       *error = nullptr;
};

// What is left of a message when those members are taken away.
JsonValue without(Json message, std::initializer_list<const char*> known) {
  for (const char* name : known) message.erase(name);
  return message.empty() ? JsonValue() : JsonValue(std::move(message));
}

tl::expected<void, Malformed> parse_one(Json& value, Message& message) {
  if (!value.is_object()) {
    return malformed(kInvalidRequest, fmt::format("a message must be an object, not {}", value.type_name()));
  }
  const Members members(value);
  std::size_t known = 1 + (members.id != nullptr);
  bool has_id = false, null_id = false;
  if (members.id != nullptr) {
    if (is_id(*members.id)) {
      has_id = true;
      message.id = std::move(*members.id);
    } else if (members.id->is_null()) {
      null_id = true;
    } else {
      return malformed(kInvalidRequest,
                       fmt::format("id must be a string or an integer, not {}", members.id->type_name()));
    }
  }
  if (members.jsonrpc == nullptr || *members.jsonrpc != "2.0") {
    return malformed(kInvalidRequest, "member \"jsonrpc\" must be \"2.0\"", message.id);
  }
  if (members.method != nullptr) {
    if (!members.method->is_string())
      return malformed(kInvalidRequest, "method must be a string", message.id);
    if (null_id) return malformed(kInvalidRequest, "the id of a request must not be null");
    message.kind = has_id ? MessageKind::kRequest : MessageKind::kNotification;
    message.method = std::move(*members.method->get_ptr<std::string*>());
    if (members.params != nullptr) {
      if (!members.params->is_object())
        return malformed(kInvalidRequest, "params must be an object", message.id);
      message.body = std::move(*members.params);
    }
    known += 1 + (members.params != nullptr);
    if (value.size() > known)
      message.extra = without(std::move(value), {"id", "jsonrpc", "method", "params"});
  } else if (members.result != nullptr) {
    if (!has_id) return malformed(kInvalidRequest, "a result needs the id of its request");
    if (members.error != nullptr)
      return malformed(kInvalidRequest, "a response holds a result or an error, not both");
    if (!members.result->is_object()) return malformed(kInvalidRequest, "result must be an object");
    message.kind = MessageKind::kResult;
    message.body = std::move(*members.result);
    ++known;
    if (value.size() > known) message.extra = without(std::move(value), {"id", "jsonrpc", "result"});
  } else if (members.error != nullptr) {
    const Json& error = *members.error;
    if (!error.is_object() || !error.contains("code") || !error["code"].is_number_integer()) {
      return malformed(kInvalidRequest, "error must be an object with an integer code");
    }
    message.kind = MessageKind::kError;
    const auto code = error["code"].get<std::int64_t>();
    message.error.code = code < INT32_MIN || code > INT32_MAX ? kInternalError : static_cast<int>(code);
    message.error.message = string_at(error, "message");
    if (const Json* data = find(error, "data")) message.error.data = *data;
    ++known;
    if (value.size() > known) message.extra = without(std::move(value), {"id", "jsonrpc", "error"});
  } else {
    return malformed(kInvalidRequest, "a message needs a method, a result or an error", message.id);
  }
  return {};
}

bool adds_meta(const Message& message) { return message.stamp != nullptr || message.progress_token != 0; }

bool completes(const Message& message) {
  return message.kind == MessageKind::kResult && message.stamp && message.stamp->completes;
}

// params or result with all that printing adds.
Json whole_body(const Message& message) {
  Json body = message.body.is_null() ? Json::object() : *message.body;
  if (!adds_meta(message)) return body;
  Json& meta = body["_meta"];
  if (!meta.is_object()) meta = Json::object();
  if (message.stamp) meta.update(Json::parse("{" + message.stamp->members + "}"));
  if (message.progress_token != 0) meta["progressToken"] = message.progress_token;
  if (completes(message) && !body.contains("resultType")) body["resultType"] = "complete";
  return body;
}

Json to_json(const Message& message) {
  Json out = message.extra->is_object() ? *message.extra : Json::object();
  out["jsonrpc"] = "2.0";
  switch (message.kind) {
    case MessageKind::kRequest:
      out["id"] = *message.id;
      [[fallthrough]];
    case MessageKind::kNotification:
      out["method"] = message.method;
      if (!message.body.is_null() || adds_meta(message)) out["params"] = whole_body(message);
      break;
    case MessageKind::kResult:
      out["id"] = *message.id;
      out["result"] = whole_body(message);
      break;
    case MessageKind::kError:
      // Responses to what could not be read have no id; null would fail the schema of the newer revisions.
      if (!message.id.is_null()) out["id"] = *message.id;
      out["error"] = {{"code", message.error.code}, {"message", message.error.message}};
      if (!message.error.data.is_null()) out["error"]["data"] = *message.error.data;
      break;
  }
  return out;
}

void append_meta(std::string& out, const Message& message) {
  out += R"("_meta":{)";
  if (message.stamp) out += message.stamp->members;
  if (message.progress_token != 0) {
    if (out.back() != '{') out += ',';
    out += R"("progressToken":)";
    append_json(out, message.progress_token);
  }
  out += '}';
}

// The same text as that of whole_body(), mostly without building it.
void append_body(std::string& out, const Message& message) {
  const auto* members = message.body->get_ptr<const Json::object_t*>();
  if (!adds_meta(message))
    return members != nullptr ? append_json(out, *message.body) : append_json(out, whole_body(message));
  if (members == nullptr || members->contains("_meta")) return append_json(out, whole_body(message));
  bool owes_meta = true, owes_type = completes(message) && !members->contains("resultType");
  const auto begin_member = [&] {
    if (out.back() != '{') out += ',';
  };
  // Adds what stands before `key` in the order of the keys; null: everything.
  const auto add_before = [&](const std::string* key) {
    if (owes_meta && (key == nullptr || *key > "_meta")) {
      begin_member();
      append_meta(out, message);
      owes_meta = false;
    }
    if (owes_type && (key == nullptr || *key > "resultType")) {
      begin_member();
      out += R"("resultType":"complete")";
      owes_type = false;
    }
  };
  out += '{';
  for (const auto& [key, member] : *members) {
    add_before(&key);
    begin_member();
    append_json_string(out, key);
    out += ':';
    append_json(out, member);
  }
  add_before(nullptr);
  out += '}';
}

// The same text as print_json(to_json(message)), members in their order, without building the value.
void append_message(std::string& out, const Message& message) {
  if (message.extra->is_object()) return append_json(out, to_json(message));
  out += '{';
  if (message.kind == MessageKind::kError) {
    out += fmt::format(R"("error":{{"code":{})", message.error.code);
    if (!message.error.data.is_null()) {
      out += R"(,"data":)";
      append_json(out, *message.error.data);
    }
    out += R"(,"message":)";
    append_json_string(out, message.error.message);
    out += "},";
  }
  if (message.kind != MessageKind::kNotification &&
      (message.kind != MessageKind::kError || !message.id.is_null())) {
    out += R"("id":)";
    append_json(out, *message.id);
    out += ',';
  }
  out += R"("jsonrpc":"2.0")";
  if (message.kind == MessageKind::kRequest || message.kind == MessageKind::kNotification) {
    out += R"(,"method":)";
    append_json_string(out, message.method);
    if (!message.body.is_null() || adds_meta(message)) {
      out += R"(,"params":)";
      append_body(out, message);
    }
  } else if (message.kind == MessageKind::kResult) {
    out += R"(,"result":)";
    append_body(out, message);
  }
  out += '}';
}

}  // namespace

Stamp::Stamp(const Json& meta, std::string spoken, bool complete)
    : members(print_json(meta)), version(std::move(spoken)), completes(complete) {
  members = members.substr(1, members.size() - 2);
}

Message request(JsonValue id, std::string method, JsonValue params) {
  return {MessageKind::kRequest, std::move(id), std::move(method), std::move(params), {}, {}};
}
Message notification(std::string method, JsonValue params) {
  return {MessageKind::kNotification, {}, std::move(method), std::move(params), {}, {}};
}
Message result(JsonValue id, JsonValue value) {
  return {MessageKind::kResult, std::move(id), {}, std::move(value), {}, {}};
}
Message failure(JsonValue id, RpcError error) {
  return {MessageKind::kError, std::move(id), {}, {}, std::move(error), {}};
}

tl::expected<Parsed, Malformed> parse_messages(std::string_view text) {
  auto value = parse_json(text, {kMessageBytesMax, kDepthMax});
  if (!value) return malformed(kParseError, value.error().message());
  Parsed parsed;
  if (!value->is_array()) {
    auto one = parse_one(*value, parsed.messages.emplace_back());
    if (!one) return tl::unexpected<Malformed>(std::move(one).error());
    return parsed;
  }
  parsed.batch = true;
  if (value->empty()) return malformed(kInvalidRequest, "a batch must not be empty");
  if (value->size() > kBatchMessagesMax) {
    return malformed(kInvalidRequest, fmt::format("a batch of {} messages is over the limit of {}",
                                                  value->size(), kBatchMessagesMax));
  }
  for (auto& element : *value) {
    auto one = parse_one(element, parsed.messages.emplace_back());
    if (!one) return tl::unexpected<Malformed>(std::move(one).error());
  }
  return parsed;
}

std::string print_message(const Message& message) {
  std::string out;
  out.reserve(kUsualBytes + (message.stamp ? message.stamp->members.size() : 0));
  append_message(out, message);
  return out;
}

std::string print_batch(const std::vector<Message>& messages) {
  std::string out = "[";
  for (const auto& message : messages) {
    if (out.size() > 1) out += ',';
    append_message(out, message);
  }
  return out + "]";
}

}  // namespace tsukai::mcp
