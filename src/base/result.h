// Result<T>: a value or an Error. For whatever a caller can meet; our own bugs are TSUKAI_CHECKs.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "base/error.h"

namespace tsukai {

template <typename T>
using Result = tl::expected<T, Error>;

// `return fail(Code::kNotFound, "no such run");` in any function that gives a Result.
inline tl::unexpected<Error> fail(Code code, std::string message, std::string remedy = {}) {
  return tl::unexpected<Error>(Error(code, std::move(message), std::move(remedy)));
}
// `return fail(std::move(reply).error().in("list tools"));`
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& message);

}  // namespace tsukai

// Ends the process with file and line when our own reasoning was wrong. On in release builds too.
#define TSUKAI_CHECK(condition, message) \
  ((condition) ? (void)0 : ::tsukai::check_failed(__FILE__, __LINE__, #condition, (message)))

#define TSUKAI_CONCAT_(a, b) a##b
#define TSUKAI_CONCAT(a, b) TSUKAI_CONCAT_(a, b)

// TSUKAI_TRY(auto x, f()): declares x from the value of f(), or returns its error.
#define TSUKAI_TRY(declaration, ...) \
  TSUKAI_TRY_(TSUKAI_CONCAT(tsukai_try_, __LINE__), return, declaration, __VA_ARGS__)
// The same inside a coroutine: TSUKAI_CO_TRY(auto x, co_await f()).
#define TSUKAI_CO_TRY(declaration, ...) \
  TSUKAI_TRY_(TSUKAI_CONCAT(tsukai_try_, __LINE__), co_return, declaration, __VA_ARGS__)
#define TSUKAI_TRY_(temporary, leave, declaration, ...)               \
  auto temporary = (__VA_ARGS__);                                     \
  if (!temporary) leave ::tsukai::fail(std::move(temporary).error()); \
  declaration = *std::move(temporary)

// TSUKAI_TRY_VOID(f()): for Result<void>.
#define TSUKAI_TRY_VOID(...)                                  \
  if (auto tsukai_try_void = (__VA_ARGS__); !tsukai_try_void) \
  return ::tsukai::fail(std::move(tsukai_try_void).error())
#define TSUKAI_CO_TRY_VOID(...)                               \
  if (auto tsukai_try_void = (__VA_ARGS__); !tsukai_try_void) \
  co_return ::tsukai::fail(std::move(tsukai_try_void).error())
