#include "tools/shop/desk.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <nlohmann/json.hpp>
#include <optional>

namespace tsukai::shop {

struct Desk::Waiting {
  ToolFunction function;
  Json arguments;
  std::optional<Result<Answer>> answer;
  asio::steady_timer called;  // Never expires; cancelled when the answer is there.
};

Task<Answer> Desk::answer(ToolFunction function, Json arguments, bool writes) {
  // Nobody before it: what it reads is what it would read later.
  if (!writes && queue_.empty()) co_return function(shop_, arguments);
  const auto executor = co_await asio::this_coro::executor;
  const auto mine =
      std::make_shared<Waiting>(Waiting{function, std::move(arguments), std::nullopt,
                                        asio::steady_timer(executor, asio::steady_timer::time_point::max())});
  queue_.push_back(mine);
  // Whoever is ready by now comes before the posted turn, and so into the same transaction.
  if (queue_.size() == 1) asio::post(executor, [self = shared_from_this()] { self->serve(); });
  boost::system::error_code woken;
  co_await mine->called.async_wait(asio::redirect_error(asio::use_awaitable, woken));
  if (mine->answer) co_return std::move(*mine->answer);
  co_return fail(Code::kCancelled, "the call was cancelled before its turn");
}

void Desk::serve() {
  while (!queue_.empty()) {
    const std::size_t count = std::min(queue_.size(), kTogetherMax);
    std::vector<std::shared_ptr<Waiting>> together(queue_.begin(),
                                                   queue_.begin() + static_cast<std::ptrdiff_t>(count));
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
    // Each write within is a savepoint: one that fails undoes its own part alone.
    const auto done = shop_.database().write([&]() -> Result<void> {
      for (const auto& one : together) one->answer = one->function(shop_, one->arguments);
      return {};
    });
    for (const auto& one : together) {
      if (!done) one->answer = fail(Error(done.error()).with_remedy("try again with the same arguments"));
      one->called.cancel();
    }
  }
}

}  // namespace tsukai::shop
