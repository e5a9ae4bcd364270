// What nearly every source file reads, from packages alone: parsed once a build. Never included by name; a
// file still includes what it uses (the target `headers` compiles without this).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <unordered_map>
#include <variant>
#include <vector>

namespace tsukai::precompiled {

// Instantiated here once rather than in every file that happens to compare, parse or write JSON: a comparison
// alone takes the compiler two seconds. Never called.
inline bool json(const nlohmann::json& a, const nlohmann::json& b) {
  nlohmann::json made = nlohmann::json::parse(a.dump(), nullptr, false);
  made.push_back({{"key", 1}, {"string", "value"}});
  for (const auto& [key, value] : made.items()) made[key] = value;
  for (const nlohmann::json& value : made) made = value;
  made = std::string(made.value("key", "")) + made.value("key", std::string()) + made.get<std::string>();
  const auto at = made.find("key");
  return a == b || a < b || (a <=> b) == 0 || at == made.end() || made.contains("key") ||
         made.value("key", false) || made.value("key", std::int64_t{}) == made.get<std::int64_t>();
}

}  // namespace tsukai::precompiled

// Compiled in src/base/json.cc; elsewhere the optimiser may still put it in place, but emits none of it.
extern template class nlohmann::basic_json<>;
