#include "base/lines.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <cerrno>
#include <cstring>

namespace tsukai {
namespace {

constexpr std::size_t kChunkBytes = 64u << 10;     // Read at once at most,
constexpr std::size_t kRoomBytesMin = 16u << 10;   // and into at least so much room.
constexpr std::size_t kKeptBytesMax = 256u << 10;  // Larger buffers are given back when they are empty.

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

  // Makes room behind what is held. The memory is not written to: a server that says little
  // costs a page, not a chunk.
  void make_room() {
    if (start == end) {
      if (capacity > kKeptBytesMax) {
        data.reset();
        capacity = 0;
      }
      start = seen = end = 0;
    }
    if (capacity - end >= kRoomBytesMin) return;
    const std::size_t held = end - start;
    if (capacity < held * 2 + kRoomBytesMin) {
      const std::size_t larger = std::max(capacity * 2, held + kChunkBytes);
      std::unique_ptr<char[]> fresh(new char[larger]);
      if (held > 0) std::memcpy(fresh.get(), data.get() + start, held);
      data = std::move(fresh);
      capacity = larger;
    } else {
      std::memmove(data.get(), data.get() + start, held);
    }
    seen -= start;
    start = 0;
    end = held;
  }

  std::string_view unread() const { return {data.get() + start, end - start}; }

  // The next whole line within the limit, without its end.
  std::optional<std::string_view> whole_line() {
    const auto* found =
        seen == end ? nullptr : static_cast<const char*>(std::memchr(data.get() + seen, '\n', end - seen));
    if (found == nullptr) {
      seen = end;
      return std::nullopt;
    }
    const auto at = static_cast<std::size_t>(found - data.get());
    seen = at;
    if (at - start > line_bytes_max) return std::nullopt;
    std::string_view line(data.get() + start, at - start);
    start = seen = at + 1;
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
  }

  asio::posix::stream_descriptor stream;
  std::size_t line_bytes_max;
  bool polled;
  int fd;
  std::unique_ptr<char[]> data;
  std::size_t capacity = 0;
  std::size_t start = 0;  // Where the next line begins,
  std::size_t seen = 0;   // up to where no \n was found,
  std::size_t end = 0;    // and where what was read ends.
  bool ended = false;
};

namespace {

// Reads what is there; false at end of file.
template <typename State>
Task<bool> read_more(std::shared_ptr<State> state) {
  if (state->fd < 0) co_return fail(Code::kCancelled, "the stream was closed");
  state->make_room();
  char* place = state->data.get() + state->end;
  const std::size_t room = std::min(state->capacity - state->end, kChunkBytes);
  if (!state->polled) {
    const auto got = ::read(state->fd, place, room);
    if (got < 0) co_return fail(Code::kTransport, fmt::format("reading failed: {}", std::strerror(errno)));
    state->end += static_cast<std::size_t>(got);
    co_return got > 0;
  }
  boost::system::error_code error;
  state->end += co_await state->stream.async_read_some(asio::buffer(place, room),
                                                       asio::redirect_error(asio::use_awaitable, error));
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

std::optional<std::string_view> LineReader::buffered() { return state_->whole_line(); }

Task<std::optional<std::string>> LineReader::next() {
  auto state = state_;
  while (true) {
    if (const auto line = state->whole_line()) co_return std::optional<std::string>(*line);
    if (state->unread().size() > state->line_bytes_max) {
      co_return fail(Code::kExhausted, fmt::format("a line is longer than {} bytes", state->line_bytes_max));
    }
    if (state->ended) {
      if (state->start == state->end) co_return std::optional<std::string>();
      std::string line(state->unread());
      state->start = state->seen = state->end;
      co_return std::optional<std::string>(std::move(line));
    }
    TSUKAI_CO_TRY(const bool more, co_await read_more(state));
    state->ended = !more;
  }
}

Task<std::optional<std::string>> LineReader::next_chunk() {
  auto state = state_;
  if (state->start == state->end) {
    TSUKAI_CO_TRY(const bool more, co_await read_more(state));
    if (!more) {
      state->ended = true;
      co_return std::optional<std::string>();
    }
  }
  std::string chunk(state->unread());
  state->start = state->seen = state->end;
  co_return std::optional<std::string>(std::move(chunk));
}

struct LineWriter::State : std::enable_shared_from_this<LineWriter::State> {
  State(asio::any_io_executor executor, int descriptor)
      : stream(executor), idle(executor), polled(pollable(descriptor)), fd(descriptor) {
    boost::system::error_code ignored;
    if (polled) {
      stream.assign(fd, ignored);
      stream.native_non_blocking(true, ignored);
    }
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
    written = 0;
    idle.cancel();
  }

  std::size_t waiting_bytes() const { return queue.size() - written; }
  bool may_wait() const {
    return waiting_bytes() < kChunkBytes && std::chrono::steady_clock::now() - held_since < kHoldMax;
  }

  // Writes as much as the descriptor takes; the rest when it takes more. Everything queued goes out together:
  // with many small messages that saves most of the system calls.
  void write_out() {
    while (written < queue.size()) {
      const auto wrote = ::write(fd, queue.data() + written, queue.size() - written);
      if (wrote > 0) {
        written += static_cast<std::size_t>(wrote);
        continue;
      }
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0 && errno == EAGAIN && polled) {
        if (written > queue.size() / 2) {
          queue.erase(0, written);
          written = 0;
        }
        blocked = true;
        stream.async_wait(asio::posix::stream_descriptor::wait_write,
                          [self = shared_from_this()](boost::system::error_code error) {
                            self->blocked = false;
                            if (!error && self->fd >= 0) self->write_out();
                          });
        return;
      }
      why = std::strerror(errno);
      close();
      return;
    }
    written = 0;
    if (queue.capacity() > kKeptBytesMax)
      queue = std::string();
    else
      queue.clear();
    idle.cancel();
  }

  asio::posix::stream_descriptor stream;
  asio::steady_timer idle;  // Never fires; cancelled when the queue is empty.
  bool polled;
  int fd;
  std::string queue;        // Lines, each with its \n,
  std::size_t written = 0;  // of which so many bytes have left.
  bool blocked = false;     // Until the descriptor takes more.
  bool held = false;
  std::chrono::steady_clock::time_point held_since;
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
  auto& state = *state_;
  if (state.fd < 0) {
    return fail(Code::kTransport,
                state.why.empty() ? "the stream is closed" : fmt::format("writing failed: {}", state.why));
  }
  if (state.waiting_bytes() + line.size() > kQueueBytesMax) {
    return fail(Code::kExhausted,
                fmt::format("the other end does not read: {} bytes are waiting", state.waiting_bytes()));
  }
  if (state.queue.empty())
    state.queue = std::move(line);
  else
    state.queue += line;
  state.queue += '\n';
  if (state.blocked || (state.held && state.may_wait())) return {};
  state.write_out();
  if (state.held) state.held_since = std::chrono::steady_clock::now();
  return {};
}

void LineWriter::hold(bool on) {
  auto& state = *state_;
  state.held = on;
  if (on) state.held_since = std::chrono::steady_clock::now();
  if (!on && !state.blocked && state.fd >= 0 && state.waiting_bytes() > 0) state.write_out();
}

asio::awaitable<void> LineWriter::flushed() {
  auto state = state_;
  while (state->waiting_bytes() > 0) {
    boost::system::error_code error;
    co_await state->idle.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none)
      co_return;
  }
}

}  // namespace tsukai
