// The event loop of a process that dies in a test: what runs on it is torn down where it is, not ended.
#pragma once

#include <boost/asio/io_context.hpp>
#include <optional>

#include "base/log.h"

namespace tsukai {

class DyingLoop {
 public:
  // Gates warn of children that did not end; here none was meant to.
  ~DyingLoop() {
    auto level = LogLevel::kTrace;
    while (level != LogLevel::kOff && !log_enabled(level))
      level = static_cast<LogLevel>(static_cast<int>(level) + 1);
    set_log_level(LogLevel::kOff);
    context_.reset();
    set_log_level(level);
  }
  asio::io_context& operator*() { return *context_; }

 private:
  std::optional<asio::io_context> context_{std::in_place};
};

}  // namespace tsukai
