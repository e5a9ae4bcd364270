// The messages of one HTTP answer, kept so that they can be sent as they come, whole, or again after a lost
// connection.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/http_server.h"
#include "base/task.h"
#include "mcp/message.h"

namespace tsukai::mcp {

class ReplyStream {
 public:
  static constexpr std::size_t kEventsMax = 10'000;
  static constexpr std::chrono::seconds kKeepAlive{15};

  // `owed`: how many answers will come; after the last the stream is complete. SIZE_MAX: it never is.
  ReplyStream(asio::any_io_executor executor, std::string name, std::size_t owed);

  // Beyond kEventsMax notifications are dropped; answers never are.
  void push(const Message& message);
  bool complete() const { return owed_ == 0; }
  const std::string& name() const { return name_; }
  std::size_t size() const { return events_.size(); }
  const Message& last() const { return last_; }
  const std::string& event(std::size_t i) const { return events_[i]; }

  // Resumes when there are more than `seen` events, or after `limit`. kCancelled when the coroutine was
  // cancelled.
  Task<void> more_than(std::size_t seen, std::chrono::milliseconds limit);

 private:
  asio::steady_timer wake_;
  std::string name_;
  std::size_t owed_;
  std::vector<std::string> events_;
  Message last_;
};

// Sends the events from `from` on as server-sent events until the stream is complete or the client is gone.
// With `resumable` each carries the id "NAME-NUMBER", and an empty first one tells the client where it is.
Task<void> pump(HttpExchange& exchange, std::shared_ptr<ReplyStream> stream, std::size_t from, bool resumable,
                HttpHeaders headers);

}  // namespace tsukai::mcp
