// Time behind an interface, so that tests own it.
#pragma once

#include <cstdint>
#include <string>

namespace tsukai {

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds since 1970-01-01T00:00:00Z.
  virtual std::int64_t wall_ms() const = 0;
  // Milliseconds that never go back; only differences mean anything.
  virtual std::int64_t steady_ms() const = 0;
};

// The machine's clock; one instance, thread-safe.
const Clock& system_clock();

// "2026-11-22T23:35:56.012Z" (UTC).
std::string iso_time(std::int64_t wall_ms);

}  // namespace tsukai
