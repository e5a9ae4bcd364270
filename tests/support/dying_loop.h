// The event loop of a process that dies in a test: what runs on it is torn down where it is, not ended.
#pragma once

#include <boost/asio/io_context.hpp>
#include <optional>

#include "base/log.h"

namespace tsukai {

class DyingLoop {
 public:
  ~DyingLoop() {
    die();
    context_.reset();
    set_log_level(*level_);
  }
  asio::io_context& operator*() { return *context_; }

  // From here on nothing is logged: gates would warn of children that did not end, and none is meant to.
  void die() {
    if (level_) return;
    level_ = LogLevel::kTrace;
    while (*level_ != LogLevel::kOff && !log_enabled(*level_))
      level_ = static_cast<LogLevel>(static_cast<int>(*level_) + 1);
    set_log_level(LogLevel::kOff);
  }

 private:
  std::optional<asio::io_context> context_{std::in_place};
  std::optional<LogLevel> level_;  // As it was before death.
};

}  // namespace tsukai
