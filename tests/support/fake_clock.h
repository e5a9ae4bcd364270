// A clock that stands still until told otherwise.
#pragma once

#include "base/clock.h"

namespace tsukai {

class FakeClock : public Clock {
 public:
  explicit FakeClock(std::int64_t start_ms = 1'790'000'000'000) : now_ms_(start_ms) {}
  std::int64_t wall_ms() const override { return now_ms_; }
  std::int64_t steady_ms() const override { return now_ms_; }
  void advance(std::int64_t ms) { now_ms_ += ms; }

 private:
  std::int64_t now_ms_;
};

}  // namespace tsukai
