#include "base/sse.h"

#include <fmt/format.h>

#include <charconv>

namespace tsukai {

Result<std::vector<SseEvent>> SseParser::feed(std::string_view bytes) {
  std::vector<SseEvent> events;
  while (!bytes.empty()) {
    if (skip_lf_) {
      skip_lf_ = false;
      if (bytes.front() == '\n') {
        bytes.remove_prefix(1);
        continue;
      }
    }
    const auto end = bytes.find_first_of("\r\n");
    const auto piece = bytes.substr(0, end);
    if (line_.size() + data_.size() + piece.size() > event_bytes_max_) {
      return fail(Code::kExhausted,
                  fmt::format("a server-sent event is longer than {} bytes", event_bytes_max_));
    }
    if (end == std::string_view::npos) {
      line_ += piece;
      break;
    }
    skip_lf_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    if (line_.empty()) {
      TSUKAI_TRY_VOID(take_line(piece, events));
    } else {
      line_ += piece;
      TSUKAI_TRY_VOID(take_line(line_, events));
      line_.clear();
    }
  }
  return events;
}

Result<void> SseParser::take_line(std::string_view line, std::vector<SseEvent>& events) {
  if (!started_ && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  started_ = true;
  if (line.empty()) {
    // An event without data is none, but what it said about ids and retries holds.
    if (has_data_) {
      data_.pop_back();
      events.push_back({type_.empty() ? "message" : std::move(type_), std::move(data_), last_id_});
    }
    data_.clear();
    type_.clear();
    has_data_ = false;
    return {};
  }
  const auto colon = line.find(':');
  if (colon == 0) return {};  // A comment.
  const auto field = line.substr(0, colon);
  auto value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    data_ += value;
    data_ += '\n';
    has_data_ = true;
  } else if (field == "event") {
    type_ = value;
  } else if (field == "id") {
    if (value.find('\0') == std::string_view::npos) last_id_ = value;
  } else if (field == "retry") {
    constexpr long kMsMax = 24L * 60 * 60 * 1000;
    long ms = 0;
    const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), ms);
    if (error == std::errc() && rest == value.data() + value.size() && ms >= 0) {
      retry_ = std::chrono::milliseconds(ms < kMsMax ? ms : kMsMax);
    }
  }
  return {};
}

}  // namespace tsukai
