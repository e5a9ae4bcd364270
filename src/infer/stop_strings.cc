#include "infer/stop_strings.h"

#include <algorithm>
#include <utility>

namespace tsukai::infer {

Result<StopStrings> StopStrings::make(std::vector<std::string> stops) {
  if (stops.size() > kStopsMax) {
    return fail(Code::kInvalidArgument, std::to_string(stops.size()) + " stop strings",
                "give at most " + std::to_string(kStopsMax));
  }
  StopStrings made;
  for (const std::string& stop : stops) {
    if (stop.empty() || stop.size() > kStopBytesMax) {
      return fail(Code::kInvalidArgument, "a stop string of " + std::to_string(stop.size()) + " bytes",
                  "give 1 to " + std::to_string(kStopBytesMax));
    }
    made.longest_ = std::max(made.longest_, stop.size());
  }
  made.stops_ = std::move(stops);
  return made;
}

bool StopStrings::add(std::string_view bytes) {
  total_ += bytes.size();
  if (found_) return true;
  held_ += bytes;
  if (stops_.empty()) return false;
  tail_ += bytes;
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, tail_.find(stop));
  if (first != std::string::npos) {
    found_ = true;
    begin_ = total_ - tail_.size() + first;
    // What was taken before was certain, so the stop string begins in what is held.
    held_.resize(held_.size() - (total_ - begin_));
    return true;
  }
  if (tail_.size() >= longest_) tail_.erase(0, tail_.size() - longest_ + 1);
  return false;
}

std::string StopStrings::take_certain() {
  if (found_) return take_rest();
  // The longest end of what is held that a stop string begins with.
  std::size_t open = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t length = std::min(stop.size() - 1, held_.size()); length > open; --length) {
      if (held_.compare(held_.size() - length, length, stop, 0, length) == 0) open = length;
    }
  }
  std::string certain = held_.substr(0, held_.size() - open);
  held_.erase(0, certain.size());
  return certain;
}

std::string StopStrings::take_rest() { return std::exchange(held_, {}); }

}  // namespace tsukai::infer
