#include "mcp/message.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace tsukai::mcp {
namespace {

constexpr int kDepthMax = 128;

tl::unexpected<Malformed> malformed(int code, std::string message, JsonValue id = {}) {
  return tl::unexpected<Malformed>(Malformed{RpcError{code, std::move(message), {}}, std::move(id)});
}

bool is_id(const Json& value) { return value.is_string() || value.is_number_integer(); }

tl::expected<Message, Malformed> parse_one(Json value) {
  if (!value.is_object()) {
    return malformed(kInvalidRequest, fmt::format("a message must be an object, not {}", value.type_name()));
  }
  Message message;
  bool has_id = false, null_id = false;
  if (auto it = value.find("id"); it != value.end()) {
    if (is_id(*it)) {
      has_id = true;
      message.id = std::move(*it);
    } else if (it->is_null()) {
      null_id = true;
    } else {
      return malformed(kInvalidRequest,
                       fmt::format("id must be a string or an integer, not {}", it->type_name()));
    }
    value.erase(it);
  }
  if (auto it = value.find("jsonrpc"); it == value.end() || *it != "2.0") {
    return malformed(kInvalidRequest, "member \"jsonrpc\" must be \"2.0\"", message.id);
  } else {
    value.erase(it);
  }
  if (auto it = value.find("method"); it != value.end()) {
    if (!it->is_string()) return malformed(kInvalidRequest, "method must be a string", message.id);
    if (null_id) return malformed(kInvalidRequest, "the id of a request must not be null");
    message.kind = has_id ? MessageKind::kRequest : MessageKind::kNotification;
    message.method = it->get<std::string>();
    value.erase(it);
    if (auto params = value.find("params"); params != value.end()) {
      if (!params->is_object()) return malformed(kInvalidRequest, "params must be an object", message.id);
      message.body = std::move(*params);
      value.erase(params);
    }
  } else if (auto result = value.find("result"); result != value.end()) {
    if (!has_id) return malformed(kInvalidRequest, "a result needs the id of its request");
    if (value.contains("error"))
      return malformed(kInvalidRequest, "a response holds a result or an error, not both");
    if (!result->is_object()) return malformed(kInvalidRequest, "result must be an object");
    message.kind = MessageKind::kResult;
    message.body = std::move(*result);
    value.erase(result);
  } else if (auto error = value.find("error"); error != value.end()) {
    if (!error->is_object() || !error->contains("code") || !(*error)["code"].is_number_integer()) {
      return malformed(kInvalidRequest, "error must be an object with an integer code");
    }
    message.kind = MessageKind::kError;
    const auto code = (*error)["code"].get<std::int64_t>();
    message.error.code = code < INT32_MIN || code > INT32_MAX ? kInternalError : static_cast<int>(code);
    message.error.message = string_at(*error, "message");
    if (auto data = error->find("data"); data != error->end()) message.error.data = std::move(*data);
    value.erase(error);
  } else {
    return malformed(kInvalidRequest, "a message needs a method, a result or an error", message.id);
  }
  if (!value.empty()) message.extra = std::move(value);
  return message;
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
      if (!message.body.is_null()) out["params"] = *message.body;
      break;
    case MessageKind::kResult:
      out["id"] = *message.id;
      out["result"] = message.body.is_null() ? Json::object() : *message.body;
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

}  // namespace

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
    auto one = parse_one(*std::move(value));
    if (!one) return tl::unexpected<Malformed>(std::move(one).error());
    parsed.messages.push_back(*std::move(one));
    return parsed;
  }
  parsed.batch = true;
  if (value->empty()) return malformed(kInvalidRequest, "a batch must not be empty");
  if (value->size() > kBatchMessagesMax) {
    return malformed(kInvalidRequest, fmt::format("a batch of {} messages is over the limit of {}",
                                                  value->size(), kBatchMessagesMax));
  }
  for (auto& element : *value) {
    auto one = parse_one(std::move(element));
    if (!one) return tl::unexpected<Malformed>(std::move(one).error());
    parsed.messages.push_back(*std::move(one));
  }
  return parsed;
}

std::string print_message(const Message& message) { return print_json(to_json(message)); }

std::string print_batch(const std::vector<Message>& messages) {
  Json out = Json::array();
  for (const auto& message : messages) out.push_back(to_json(message));
  return print_json(out);
}

}  // namespace tsukai::mcp
