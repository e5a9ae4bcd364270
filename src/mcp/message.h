// The message layer: JSON-RPC 2.0 as MCP uses it. Pure: text in, values out, and back; no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace tsukai::mcp {

// Error codes of JSON-RPC and of MCP's revisions.
inline constexpr int kParseError = -32700;
inline constexpr int kInvalidRequest = -32600;
inline constexpr int kMethodNotFound = -32601;
inline constexpr int kInvalidParams = -32602;
inline constexpr int kInternalError = -32603;
inline constexpr int kResourceNotFound = -32002;        // Until 2025-11-25; kInvalidParams later.
inline constexpr int kUrlElicitationRequired = -32042;  // 2025-11-25 only.
inline constexpr int kHeaderMismatch = -32020;          // From 2026-07-28, like the two below.
inline constexpr int kMissingClientCapability = -32021;
inline constexpr int kUnsupportedVersion = -32022;

// One message, and one line over stdio.
inline constexpr std::size_t kMessageBytesMax = 16u << 20;
inline constexpr std::size_t kBatchMessagesMax = 256;

struct RpcError {
  int code = kInternalError;
  std::string message;
  JsonValue data;  // null: absent
  // The request itself was not acceptable, so that no handler saw it: over HTTP the status is 400.
  bool refused = false;
};

enum class MessageKind {
  kRequest,       // method and id: an answer is owed
  kNotification,  // method, no id
  kResult,        // id and result
  kError,         // error; the id is null when the peer could not read ours
};

// What one side says of itself with every message (2026-07-28), printed once for all of them.
struct Stamp {
  explicit Stamp(const Json& meta, std::string spoken = {}, bool complete = false);
  std::string members;     // Of _meta, without its braces.
  std::string version;     // The revision that it names; empty: none.
  bool completes = false;  // Results without a resultType get "complete".
};

struct Message {
  MessageKind kind = MessageKind::kNotification;
  JsonValue id;  // A string or an integer; null in notifications.
  std::string method;
  JsonValue body;  // params or result; null: absent
  RpcError error;
  JsonValue extra;  // Unknown top-level members, as an object; null: none.
  // What printing adds to params or result. Messages that were parsed have neither.
  std::shared_ptr<const Stamp> stamp;
  std::int64_t progress_token = 0;  // 0: none.
};

Message request(JsonValue id, std::string method, JsonValue params);
Message notification(std::string method, JsonValue params);
Message result(JsonValue id, JsonValue value);
Message failure(JsonValue id, RpcError error);

// What stood on one line (or in one HTTP body). `batch`: it was an array, which only revision 2025-03-26
// allows.
struct Parsed {
  std::vector<Message> messages;
  bool batch = false;
};

// What is wrong with a text, in the words and with the code a server answers with; `id` as far as it could be
// read.
struct Malformed {
  RpcError error;
  JsonValue id;
};

// Parses one message or one batch. Never throws, whatever the bytes.
tl::expected<Parsed, Malformed> parse_messages(std::string_view text);

// One line, without line break: JSON escapes those inside strings.
std::string print_message(const Message& message);
std::string print_batch(const std::vector<Message>& messages);

}  // namespace tsukai::mcp
