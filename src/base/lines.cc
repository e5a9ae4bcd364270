#include "base/lines.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <deque>

namespace tsukai {
namespace {

constexpr std::size_t kChunkBytes = 64u << 10;

bool pollable(int fd) {
  struct stat info{};
  return ::fstat(fd, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

}  // namespace

struct LineReader::State {
  State(asio::any_io_executor executor, int given, std::size_t limit)
      : stream(executor), line_bytes_max(limit), polled(pollable(given)), fd(given) {
    boost::system::error_code ignored;
    if (polled) stream.assign(fd, ignored);
  }
  ~State() { close(); }
  void close() {
    boost::system::error_code ignored;
    if (polled)
      stream.close(ignored);
    else if (fd >= 0)
      ::close(fd);
    fd = -1;
  }

  asio::posix::stream_descriptor stream;
  std::size_t line_bytes_max;
  bool polled;
  int fd;
  std::string buffer;
  std::size_t start = 0;  // Where the next line begins
  std::size_t seen = 0;   // and up to where no \n was found.
  bool ended = false;
};

namespace {

// Appends what is there to `buffer`; false at end of file.
template <typename State>
Task<bool> read_more(std::shared_ptr<State> state) {
  if (state->fd < 0) co_return fail(Code::kCancelled, "the stream was closed");
  const std::size_t size = state->buffer.size();
  state->buffer.resize(size + kChunkBytes);
  if (!state->polled) {
    const auto got = ::read(state->fd, state->buffer.data() + size, kChunkBytes);
    state->buffer.resize(size + static_cast<std::size_t>(got > 0 ? got : 0));
    if (got < 0) co_return fail(Code::kTransport, fmt::format("reading failed: {}", std::strerror(errno)));
    co_return got > 0;
  }
  boost::system::error_code error;
  const std::size_t got =
      co_await state->stream.async_read_some(asio::buffer(state->buffer.data() + size, kChunkBytes),
                                             asio::redirect_error(asio::use_awaitable, error));
  state->buffer.resize(size + got);
  if (error == asio::error::eof) co_return false;
  if (error == asio::error::operation_aborted || state->fd < 0) {
    co_return fail(Code::kCancelled, "the stream was closed");
  }
  // A terminal whose other side is gone says EIO: an end like any other.
  if (error && error.value() == EIO) co_return false;
  if (error) co_return fail(Code::kTransport, fmt::format("reading failed: {}", error.message()));
  co_return true;
}

}  // namespace

LineReader::LineReader(asio::any_io_executor executor, int fd, std::size_t line_bytes_max)
    : state_(std::make_shared<State>(std::move(executor), fd, line_bytes_max)) {}
LineReader::~LineReader() {
  if (state_) state_->close();
}
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;
void LineReader::close() { state_->close(); }
bool LineReader::ended() const { return state_->ended; }

Task<std::optional<std::string>> LineReader::next() {
  auto state = state_;
  while (true) {
    const auto end = state->buffer.find('\n', state->seen);
    if (end != std::string::npos) {
      if (end - state->start > state->line_bytes_max) {
        co_return fail(Code::kExhausted,
                       fmt::format("a line is longer than {} bytes", state->line_bytes_max));
      }
      std::string line = state->buffer.substr(state->start, end - state->start);
      state->start = state->seen = end + 1;
      if (!line.empty() && line.back() == '\r') line.pop_back();
      co_return std::optional<std::string>(std::move(line));
    }
    if (state->ended) {
      if (state->start == state->buffer.size()) co_return std::optional<std::string>();
      std::string line = state->buffer.substr(state->start);
      state->start = state->seen = state->buffer.size();
      co_return std::optional<std::string>(std::move(line));
    }
    if (state->start > 0) {
      state->buffer.erase(0, state->start);
      state->start = 0;
    }
    state->seen = state->buffer.size();
    if (state->buffer.size() > state->line_bytes_max) {
      co_return fail(Code::kExhausted, fmt::format("a line is longer than {} bytes", state->line_bytes_max));
    }
    TSUKAI_CO_TRY(const bool more, co_await read_more(state));
    state->ended = !more;
  }
}

Task<std::optional<std::string>> LineReader::next_chunk() {
  auto state = state_;
  if (state->buffer.size() == state->start) {
    state->buffer.clear();
    state->start = state->seen = 0;
    TSUKAI_CO_TRY(const bool more, co_await read_more(state));
    if (!more) {
      state->ended = true;
      co_return std::optional<std::string>();
    }
  }
  std::string chunk = state->buffer.substr(state->start);
  state->buffer.clear();
  state->start = state->seen = 0;
  co_return std::optional<std::string>(std::move(chunk));
}

struct LineWriter::State : std::enable_shared_from_this<LineWriter::State> {
  State(asio::any_io_executor given, int descriptor)
      : executor(given), stream(given), idle(given), polled(pollable(descriptor)), fd(descriptor) {
    boost::system::error_code ignored;
    if (polled) stream.assign(fd, ignored);
    idle.expires_at(asio::steady_timer::time_point::max());
  }
  ~State() { close(); }
  void close() {
    boost::system::error_code ignored;
    if (polled)
      stream.close(ignored);
    else if (fd >= 0)
      ::close(fd);
    fd = -1;
    queue.clear();
    queued_bytes = 0;
  }

  static asio::awaitable<void> write_all(std::shared_ptr<State> self) {
    // Everything queued goes out in one write: with many small messages that saves most of the system calls.
    while (!self->queue.empty() && self->fd >= 0) {
      std::string lines = std::move(self->queue.front());
      self->queue.pop_front();
      while (!self->queue.empty() && lines.size() < kChunkBytes) {
        lines += self->queue.front();
        self->queue.pop_front();
      }
      boost::system::error_code error;
      if (self->polled) {
        co_await asio::async_write(self->stream, asio::buffer(lines),
                                   asio::redirect_error(asio::use_awaitable, error));
      } else {
        for (std::size_t done = 0; done < lines.size();) {
          const auto wrote = ::write(self->fd, lines.data() + done, lines.size() - done);
          if (wrote <= 0) {
            error.assign(errno, boost::system::system_category());
            break;
          }
          done += static_cast<std::size_t>(wrote);
        }
      }
      self->queued_bytes -= std::min(self->queued_bytes, lines.size());
      if (error) {
        if (self->why.empty()) self->why = error.message();
        self->close();
      }
    }
    self->writing = false;
    self->idle.cancel();
  }

  asio::any_io_executor executor;
  asio::posix::stream_descriptor stream;
  asio::steady_timer idle;  // Never fires; cancelled when the queue is empty.
  bool polled;
  int fd;
  std::deque<std::string> queue;
  std::size_t queued_bytes = 0;
  bool writing = false;
  std::string why;  // Why writing ended.
};

LineWriter::LineWriter(asio::any_io_executor executor, int fd)
    : state_(std::make_shared<State>(std::move(executor), fd)) {
  // A reader that is gone shall be an error of push(), not the end of this process.
  static const bool ignored = [] {
    struct sigaction now{};
    if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) ::signal(SIGPIPE, SIG_IGN);
    return true;
  }();
  (void)ignored;
}
LineWriter::~LineWriter() {
  if (state_) state_->close();
}
LineWriter::LineWriter(LineWriter&&) noexcept = default;
LineWriter& LineWriter::operator=(LineWriter&&) noexcept = default;
void LineWriter::close() { state_->close(); }

Result<void> LineWriter::push(std::string line) {
  if (state_->fd < 0) {
    return fail(Code::kTransport, state_->why.empty() ? "the stream is closed"
                                                      : fmt::format("writing failed: {}", state_->why));
  }
  if (state_->queued_bytes + line.size() > kQueueBytesMax) {
    return fail(Code::kExhausted,
                fmt::format("the other end does not read: {} bytes are waiting", state_->queued_bytes));
  }
  line += '\n';
  state_->queued_bytes += line.size();
  state_->queue.push_back(std::move(line));
  if (!state_->writing) {
    state_->writing = true;
    // Owned by the shared state, which lives until the write has ended; close() ends it.
    asio::co_spawn(state_->executor, State::write_all(state_), [](std::exception_ptr) {});
  }
  return {};
}

asio::awaitable<void> LineWriter::flushed() {
  auto state = state_;
  while (state->writing) {
    boost::system::error_code error;
    co_await state->idle.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none)
      co_return;
  }
}

}  // namespace tsukai
