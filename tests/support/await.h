// Runs a coroutine in a test.
#pragma once

#include "base/task.h"

namespace tsukai {

template <typename T>
Result<T> await(Task<T> task) {
  asio::io_context context;
  return run_to_end(context, std::move(task));
}

}  // namespace tsukai
