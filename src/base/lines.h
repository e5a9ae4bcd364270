// Lines over pipes: a reader with a limit and a writer with a bounded queue, both on file descriptors.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/task.h"

namespace tsukai {

// Reads lines (ended by \n, a \r before it dropped) from a descriptor it owns. Regular files are read
// directly, since the kernel can't poll them. One reader coroutine at a time.
class LineReader {
 public:
  // Takes `fd` over: it is closed with the reader.
  LineReader(asio::any_io_executor executor, int fd, std::size_t line_bytes_max);
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;

  // The next line; nullopt at end of file (a last line without \n is still given). kExhausted when a line is
  // longer than the limit: the stream is lost then. kTransport when reading fails, kCancelled when cancelled.
  Task<std::optional<std::string>> next();
  // The next line if it was read together with the one before, else nullopt and next() is to be asked. The
  // view holds until this reader is used again or destroyed.
  std::optional<std::string_view> buffered();
  // What was read at once, at most 64 KiB, without looking for line ends; nullopt at end of file.
  Task<std::optional<std::string>> next_chunk();
  // True once end of file was read.
  bool ended() const;
  // Ends a pending next() with kCancelled and closes the descriptor.
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Writes lines to a descriptor it owns, in the order given. push() never blocks: what the descriptor does not
// take at once is written when it can, so cancelling whoever pushed can't cut a line in half.
class LineWriter {
 public:
  static constexpr std::size_t kQueueBytesMax = 64u << 20;
  static constexpr std::chrono::microseconds kHoldMax{500};

  LineWriter(asio::any_io_executor executor, int fd);
  ~LineWriter();
  LineWriter(LineWriter&&) noexcept;
  LineWriter& operator=(LineWriter&&) noexcept;

  // Queues `line` (no \n inside; one is added). kExhausted when kQueueBytesMax is reached because nobody
  // reads, kTransport when the other end is gone or close() was called.
  Result<void> push(std::string line);
  // Between hold(true) and hold(false) lines are queued, to leave in one write; a push() later than kHoldMax
  // does not wait any more.
  void hold(bool on);
  // Resumes when everything pushed so far is written or writing has failed.
  asio::awaitable<void> flushed();
  // Closes the descriptor now; what is still queued is lost.
  void close();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace tsukai
