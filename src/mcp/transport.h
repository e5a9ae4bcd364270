// Transport: carries whole messages, as text, between two peers; knows nothing of what they say.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/task.h"

namespace tsukai::mcp {

// One connection. Lives on one executor's thread; one receiver at a time.
class Transport {
 public:
  virtual ~Transport() = default;
  // The next text that the peer sent; nullopt when the peer has ended the stream. Errors end the stream as
  // well.
  virtual Task<std::optional<std::string>> receive() = 0;
  // The next text if it came together with the last one; nullopt: receive() is to be asked.
  virtual std::optional<std::string> received() { return std::nullopt; }
  // Queues one message; never blocks. kTransport when the peer is gone, kExhausted when it does not read.
  virtual Result<void> send(std::string text) = 0;
  // Between hold(true) and hold(false) what is sent may wait, to leave together.
  virtual void hold(bool) {}
  // Resumes when everything sent has left.
  virtual asio::awaitable<void> flushed() = 0;
  // Tells the peer that nothing more will come; receiving goes on.
  virtual void end() = 0;
  // Ends both directions, a pending receive() too.
  virtual void close() = 0;
};

// Two ends of one connection inside this process, for tests and embedded servers.
std::pair<std::unique_ptr<Transport>, std::unique_ptr<Transport>> memory_transports(
    asio::any_io_executor executor);

// This process's standard input and output. From then on anything else that prints to stdout goes to stderr,
// so that stray output can't break the protocol.
std::unique_ptr<Transport> own_stdio_transport(asio::any_io_executor executor);

}  // namespace tsukai::mcp
