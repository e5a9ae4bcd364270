// What the server programs of tools/ share: the options for transports and for misbehaviour on purpose, and
// serving until the end.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mcp/server.h"

namespace tsukai::mcp {

// Misbehaviour for tests of agents: the same options and the same order of calls give the same failures.
struct Misbehaviour {
  static constexpr std::int64_t kLatencyMax = 600'000;  // Milliseconds.

  std::int64_t latency_ms = 0;  // Before every call.
  double fail_rate = 0;         // Share of calls, 0 to 1, that end in an error instead of an answer.
  std::uint64_t seed = 1;
};

// Wraps the handlers of one server, which share the dice. Half of the failures come before the handler runs,
// half after it: then the work is done and only the answer is lost, as when a connection breaks. A caller
// can't tell which, which is what idempotency keys are for.
class Misbehaving {
 public:
  explicit Misbehaving(Misbehaviour options);
  ToolHandler operator()(ToolHandler handler) const;

 private:
  struct Dice;
  std::shared_ptr<Dice> dice_;
};

// "127.0.0.1:8931", "[::1]:8931", ":8931", "8931" or "127.0.0.1"; what is left out is taken from `otherwise`.
// kInvalidArgument says what to write.
Result<HttpServeOptions> parse_listen(std::string_view text, HttpServeOptions otherwise);

// How a server program serves. Make it with its name and port, add the options, parse, check(), serve().
struct ServerProgram {
  static constexpr const char* kStdio = "-";

  std::string name;        // "tsukai-shop"
  std::uint16_t port = 0;  // Of --http without a port.

  std::string http = kStdio;      // Where to listen; "": where this server usually does.
  std::vector<std::string> keys;  // "@FILE": the lines of a file.
  std::vector<std::string> hosts;
  Misbehaviour misbehaviour;

  // For a CLI::App; a template, so that CLI11 stays in the main.cc of each program. --seed is left to the
  // program, which may have other uses for it.
  template <typename App>
  void add_options(App& app) {
    app.add_option("--http", http,
                   "Serve Streamable HTTP instead of standard input and output; prints the URL (default "
                   "127.0.0.1:" +
                       std::to_string(port) + ")")
        ->expected(0, 1)
        ->type_name("[ADDRESS:PORT]");
    app.add_option("--key", keys,
                   "A bearer key that HTTP clients must send, or @FILE with one a line; may be repeated")
        ->expected(1)
        ->take_all()
        ->type_name("KEY");
    app.add_option("--host", hosts, "Another name that HTTP clients call this server by; may be repeated")
        ->expected(1)
        ->take_all()
        ->type_name("NAME");
    app.add_option("--latency", misbehaviour.latency_ms,
                   "Wait so many milliseconds before each call, for tests of agents")
        ->type_name("MS");
    app.add_option(
           "--fail-rate", misbehaviour.fail_rate,
           "Let this share of the calls fail, 0 to 1, for tests of agents; half of them do their work "
           "all the same")
        ->type_name("SHARE");
  }

  // What is wrong with the options, if anything: kInvalidArgument (also: open to the network without a key),
  // kNotFound (a key file).
  Result<void> check() const;
  // Serves standard input until it ends, or HTTP until SIGINT or SIGTERM. Gives the exit code, having said on
  // stderr what went wrong. Each program passes its Server, to whose handlers `misbehaviour` was given.
  int serve(Server& server) const;

 private:
  Result<HttpServeOptions> http_options() const;
};

}  // namespace tsukai::mcp
