// Where calls wait for their turn: writes that arrive together share one transaction, and so one wait for the
// disk.
#pragma once

#include <memory>
#include <vector>

#include "base/task.h"
#include "tools/shop/shop.h"

namespace tsukai::shop {

// Lives on one executor's thread; calls are done in the order they came. REQUIRES: `shop` outlives it, and it
// outlives its calls.
class Desk : public std::enable_shared_from_this<Desk> {
 public:
  static constexpr std::size_t kTogetherMax = 64;

  explicit Desk(Shop& shop) : shop_(shop) {}

  // A write answers when it is durable. One that is cancelled meanwhile may still be done: its key tells.
  Task<Answer> answer(ToolFunction function, Json arguments, bool writes);

 private:
  struct Waiting;
  void serve();

  Shop& shop_;
  std::vector<std::shared_ptr<Waiting>> queue_;
};

}  // namespace tsukai::shop
