// Gate: children are counted; closing stops new ones, cancels those alive and waits for them.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <functional>
#include <memory>

#include "base/task.h"

namespace tsukai {

// Owner of background coroutines on one executor. Not thread-safe: use it on that executor's thread.
// REQUIRES: close() has finished before destruction, unless no child was ever spawned or all have ended.
class Gate {
 public:
  explicit Gate(asio::any_io_executor executor);
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // One child, to cancel it alone; does nothing once the child has ended.
  class Child {
   public:
    Child() = default;
    void cancel();

   private:
    friend class Gate;
    std::weak_ptr<asio::cancellation_signal> signal_;
  };

  // Starts a child. Its result is dropped: what matters must be delivered by the child itself. False once
  // closing.
  bool spawn(Task<void> child);
  // The same, with a handle.
  bool spawn(Task<void> child, Child& handle);

  size_t alive() const;
  bool closing() const;

  // Cancels every child and resumes when the last one has ended. May be called again; later calls wait as
  // well.
  asio::awaitable<void> close();
  // Waits for the children without cancelling them; spawning stays allowed.
  asio::awaitable<void> drained();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tsukai
