// Server-sent events (WHATWG HTML, section 9.2.6), as a pure parser: bytes in, events out.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tsukai {

struct SseEvent {
  std::string type;  // "message" when the stream names none.
  std::string data;
  std::string id;  // The last id seen so far.
};

class SseParser {
 public:
  explicit SseParser(std::size_t event_bytes_max = 64u << 20) : event_bytes_max_(event_bytes_max) {}
  // The events that these bytes complete. Lines end with LF, CR or CRLF, in whatever pieces they come; a byte
  // order mark at the start is skipped. kExhausted: an event over the limit; the parser is then spent.
  Result<std::vector<SseEvent>> feed(std::string_view bytes);

  const std::string& last_id() const { return last_id_; }
  // What the stream asked for with `retry:`.
  std::optional<std::chrono::milliseconds> retry() const { return retry_; }

 private:
  Result<void> take_line(std::string_view line, std::vector<SseEvent>& events);

  std::size_t event_bytes_max_;
  std::string line_;
  std::string data_;
  std::string type_;
  std::string last_id_;
  std::optional<std::chrono::milliseconds> retry_;
  bool has_data_ = false;
  bool started_ = false;
  bool skip_lf_ = false;
};

}  // namespace tsukai
