#include "mcp/transport.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/redirect_error.hpp>
#include <deque>

#include "base/lines.h"
#include "mcp/message.h"

namespace tsukai::mcp {
namespace {

// One direction of a memory connection.
struct Queue {
  explicit Queue(asio::any_io_executor executor) : filled(executor) {
    filled.expires_at(asio::steady_timer::time_point::max());
  }
  static constexpr std::size_t kMessagesMax = 65'536;
  std::deque<std::string> texts;
  bool ended = false;
  asio::steady_timer filled;  // Never fires; cancelled when something was put in or the end came.
};

class MemoryTransport : public Transport {
 public:
  MemoryTransport(std::shared_ptr<Queue> in, std::shared_ptr<Queue> out)
      : in_(std::move(in)), out_(std::move(out)) {}
  ~MemoryTransport() override { close(); }

  Task<std::optional<std::string>> receive() override {
    auto in = in_;
    while (in->texts.empty()) {
      if (in->ended) co_return std::optional<std::string>();
      boost::system::error_code error;
      co_await in->filled.async_wait(asio::redirect_error(asio::use_awaitable, error));
      if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) {
        co_return fail(Code::kCancelled, "receiving was cancelled");
      }
    }
    std::string text = std::move(in->texts.front());
    in->texts.pop_front();
    co_return std::optional<std::string>(std::move(text));
  }

  Result<void> send(std::string text) override {
    if (out_->ended) return fail(Code::kTransport, "the connection is closed");
    if (out_->texts.size() >= Queue::kMessagesMax)
      return fail(Code::kExhausted, "the other end does not read");
    out_->texts.push_back(std::move(text));
    out_->filled.cancel();
    return {};
  }

  asio::awaitable<void> flushed() override { co_return; }

  void end() override {
    out_->ended = true;
    out_->filled.cancel();
  }
  void close() override {
    for (auto* queue : {in_.get(), out_.get()}) {
      queue->ended = true;
      queue->filled.cancel();
    }
  }

 private:
  std::shared_ptr<Queue> in_, out_;
};

class StdioTransport : public Transport {
 public:
  StdioTransport(asio::any_io_executor executor, int in, int out)
      : reader_(executor, in, kMessageBytesMax), writer_(executor, out) {}
  Task<std::optional<std::string>> receive() override { return reader_.next(); }
  std::optional<std::string> received() override {
    const auto line = reader_.buffered();
    return line ? std::optional<std::string>(*line) : std::nullopt;
  }
  void hold(bool on) override { writer_.hold(on); }
  Result<void> send(std::string text) override { return writer_.push(std::move(text)); }
  asio::awaitable<void> flushed() override { return writer_.flushed(); }
  void end() override { writer_.close(); }
  void close() override {
    reader_.close();
    writer_.close();
  }

 private:
  LineReader reader_;
  LineWriter writer_;
};

}  // namespace

std::pair<std::unique_ptr<Transport>, std::unique_ptr<Transport>> memory_transports(
    asio::any_io_executor executor) {
  auto there = std::make_shared<Queue>(executor), back = std::make_shared<Queue>(executor);
  return {std::make_unique<MemoryTransport>(back, there), std::make_unique<MemoryTransport>(there, back)};
}

std::unique_ptr<Transport> own_stdio_transport(asio::any_io_executor executor) {
  const int in = ::fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  const int out = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  return std::make_unique<StdioTransport>(std::move(executor), in, out);
}

}  // namespace tsukai::mcp
