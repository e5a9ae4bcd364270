#include "mcp/reply_stream.h"

#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>

#include "base/log.h"

namespace tsukai::mcp {

ReplyStream::ReplyStream(asio::any_io_executor executor, std::string name, std::size_t owed)
    : wake_(std::move(executor)), name_(std::move(name)), owed_(owed) {}

void ReplyStream::push(const Message& message) {
  const bool answer = message.kind == MessageKind::kResult || message.kind == MessageKind::kError;
  if (!answer && events_.size() >= kEventsMax) {
    log_warning("a client does not read: {} dropped", message.method);
    return;
  }
  events_.push_back(print_message(message));
  last_ = message;
  if (answer && owed_ != SIZE_MAX && owed_ > 0) --owed_;
  wake_.cancel();
}

Task<void> ReplyStream::more_than(std::size_t seen, std::chrono::milliseconds limit) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (events_.size() <= seen && std::chrono::steady_clock::now() < end) {
    wake_.expires_at(end);
    boost::system::error_code error;
    co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) {
      co_return fail(Code::kCancelled, "the client is gone");
    }
  }
  co_return Result<void>();
}

Task<void> pump(HttpExchange& exchange, std::shared_ptr<ReplyStream> stream, std::size_t from, bool resumable,
                HttpHeaders headers) {
  headers.emplace_back("Content-Type", "text/event-stream");
  headers.emplace_back("Cache-Control", "no-cache, no-transform");
  headers.emplace_back("X-Accel-Buffering", "no");
  TSUKAI_CO_TRY_VOID(co_await exchange.start_stream(200, std::move(headers)));
  if (resumable && from == 0) {
    TSUKAI_CO_TRY_VOID(
        co_await exchange.write(fmt::format("id: {}-0\nretry: 1000\ndata: \n\n", stream->name())));
  }
  while (true) {
    std::string text;
    for (; from < stream->size(); ++from) {
      if (resumable) text += fmt::format("id: {}-{}\n", stream->name(), from + 1);
      text += fmt::format("event: message\ndata: {}\n\n", stream->event(from));
    }
    if (!text.empty()) TSUKAI_CO_TRY_VOID(co_await exchange.write(std::move(text)));
    if (stream->complete() && from == stream->size()) co_return Result<void>();
    TSUKAI_CO_TRY_VOID(co_await stream->more_than(from, ReplyStream::kKeepAlive));
    if (stream->size() == from) TSUKAI_CO_TRY_VOID(co_await exchange.write(": still here\n\n"));
  }
}

}  // namespace tsukai::mcp
