// Diagnostics on standard error, off by default: what a person should read is printed by the command, not
// logged. The level comes from $TSUKAI_LOG (trace, debug, info, warning, error, off); the default is warning.
#pragma once

#include <fmt/format.h>

#include <string>

namespace tsukai {

enum class LogLevel { kTrace, kDebug, kInfo, kWarning, kError, kOff };

bool log_enabled(LogLevel level);
void log_line(LogLevel level, const std::string& line);
void set_log_level(LogLevel level);

template <typename... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::kDebug))
    log_line(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::kInfo))
    log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::kWarning))
    log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(LogLevel::kError))
    log_line(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tsukai
