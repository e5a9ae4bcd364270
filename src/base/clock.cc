#include "base/clock.h"

#include <fmt/format.h>

#include <chrono>
#include <ctime>

namespace tsukai {
namespace {

class SystemClock : public Clock {
 public:
  std::int64_t wall_ms() const override {
    auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  }
  std::int64_t steady_ms() const override {
    auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  }
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string iso_time(std::int64_t wall_ms) {
  std::int64_t millis = wall_ms % 1000;
  if (millis < 0) millis += 1000;
  std::time_t seconds = static_cast<std::time_t>((wall_ms - millis) / 1000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, millis);
}

}  // namespace tsukai
