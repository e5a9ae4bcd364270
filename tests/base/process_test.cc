#include "base/process.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support/await.h"
#include "support/processes.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace std::chrono_literals;

namespace {

ProcessOptions shell(std::string script) {
  return {"sh", {"-c", script}, minimal_environment(), {}, 1u << 20, {}};
}

Result<void> start_only(ProcessOptions options) {
  asio::io_context context;
  auto process = Process::start(context.get_executor(), std::move(options));
  if (!process) return fail(process.error());
  return {};
}

Task<std::string> first_line(ProcessOptions options) {
  TSUKAI_CO_TRY(auto process, Process::start(co_await asio::this_coro::executor, std::move(options)));
  TSUKAI_CO_TRY(auto line, co_await process->out().next());
  co_await process->shutdown();
  co_return line.value_or("(end)");
}

struct Ended {
  std::string fate, err;
  std::chrono::milliseconds took;
};

// Reads one line, then shuts the child down.
Task<Ended> stop(ProcessOptions options) {
  TSUKAI_CO_TRY(auto process, Process::start(co_await asio::this_coro::executor, std::move(options)));
  TSUKAI_CO_TRY_VOID(co_await process->out().next());
  const auto start = std::chrono::steady_clock::now();
  co_await process->shutdown();
  co_await process->shutdown();
  co_return Ended{
      process->fate(), process->stderr_tail(),
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start)};
}

Task<Ended> wait_for_exit(ProcessOptions options) {
  TSUKAI_CO_TRY(auto process, Process::start(co_await asio::this_coro::executor, std::move(options)));
  while (!co_await process->wait_exit(10s)) {
  }
  co_return Ended{process->fate(), process->stderr_tail(), 0ms};
}

Task<std::string> too_long(ProcessOptions options) {
  TSUKAI_CO_TRY(auto process, Process::start(co_await asio::this_coro::executor, std::move(options)));
  auto line = co_await process->out().next();
  co_await process->shutdown();
  co_return line ? std::string("no error") : line.error().text();
}

}  // namespace

TEST_SUITE("base/process") {
  TEST_CASE("a command that does not exist is told before anything else, by its name") {
    auto started = start_only({"no-such-command-here", {}, minimal_environment(), {}, 100, {}});
    REQUIRE_FALSE(started);
    CHECK(started.error().code() == Code::kNotFound);
    CHECK(started.error().text().find("no-such-command-here") != std::string::npos);
    CHECK(start_only({"/no/such/file", {}, {}, {}, 100, {}}).error().code() == Code::kNotFound);
    auto lost = shell("true");
    lost.cwd = "/no/such/folder";
    CHECK(start_only(lost).error().text().find("/no/such/folder") != std::string::npos);
  }

  TEST_CASE("a script whose interpreter is missing is told as such") {
    ScratchDir dir;
    const auto script = dir.write("tool", "#!/no/such/interpreter\n");
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    auto started = start_only({script, {}, {}, {}, 100, {}});
    REQUIRE_FALSE(started);
    CHECK(started.error().code() == Code::kNotFound);
    CHECK(started.error().text().find("interpreter") != std::string::npos);
  }

  TEST_CASE("the child sees the given environment and folder, and nothing else of ours") {
    ScratchDir dir;
    ::setenv("TSUKAI_TEST_SECRET", "hunter2", 1);
    auto options = shell("echo \"$WORD $TSUKAI_TEST_SECRET $(pwd)\"");
    options.env["WORD"] = "hello";
    options.cwd = dir.path();
    CHECK(await(first_line(options)).value() == "hello  " + dir.path());
  }

  TEST_CASE("the child leads a group of its own") {
    const auto line = await(first_line(shell("echo $$ $(cut -d' ' -f5 /proc/$$/stat)"))).value();
    const auto space = line.find(' ');
    REQUIRE(space != std::string::npos);
    CHECK(line.substr(0, space) == line.substr(space + 1));
  }

  TEST_CASE("a polite child ends when its stdin is closed, and its last words are kept") {
    auto ended = await(stop(shell("echo ready; cat >/dev/null; echo bye >&2; exit 3")));
    REQUIRE(ended.has_value());
    CHECK(ended->fate == "exited with status 3");
    CHECK(ended->err == "bye\n");
    CHECK(ended->took < Process::kCloseWait);
  }

  TEST_CASE("a child that ignores the end of stdin gets SIGTERM, one that ignores that too gets SIGKILL") {
    auto deaf = await(stop(shell("echo ready; exec sleep 600")));
    CHECK(deaf->fate.find("signal 15") != std::string::npos);
    auto stubborn = await(stop(shell("trap '' TERM; echo ready; while :; do sleep 0.05; done")));
    CHECK(stubborn->fate.find("signal 9") != std::string::npos);
    CHECK(stubborn->took >= Process::kCloseWait + Process::kTermWait);
  }

  TEST_CASE("grandchildren die with the child, whoever of the two goes first") {
    ScratchDir dir;
    const auto note = dir / "pid";
    for (const char* then : {"exec sleep 600", "exit 0"}) {
      REQUIRE(await(
          stop(shell("(trap '' HUP TERM; exec sleep 600) & echo $! >" + note + "; echo ready; " + then))));
      CHECK(gone(std::stoi(read_file(note))));
    }
  }

  TEST_CASE("destruction without shutdown leaves nobody") {
    ScratchDir dir;
    const auto note = dir / "pid";
    {
      asio::io_context context;
      auto process = Process::start(context.get_executor(), shell("sleep 600 & echo $! >" + note + "; wait"));
      REQUIRE(process);
      const int pid = (*process)->pid();
      for (int i = 0; i < 400 && read_file(note).empty(); ++i) std::this_thread::sleep_for(5ms);
      process->reset();
      CHECK(gone(pid));
      CHECK(gone(std::stoi(read_file(note))));
    }
  }

  TEST_CASE("10 MB on stderr neither block the child nor stay in memory") {
    auto ended = await(wait_for_exit(shell("head -c 10000000 /dev/zero | tr '\\0' x >&2; echo the end >&2")));
    REQUIRE(ended.has_value());
    CHECK(ended->fate == "exited with status 0");
    CHECK(ended->err.size() == Process::kStderrBytesKept);
    CHECK(
        ended->err.ends_with("x"
                             "the end\n"));
  }

  TEST_CASE("a line beyond the limit is an error, not memory") {
    CHECK(await(too_long(shell("head -c 3000000 /dev/zero | tr '\\0' x")))
              .value()
              .find("longer than 1048576") != std::string::npos);
  }

  TEST_CASE("writing to a child that has gone is an error, not a signal") {
    struct Write {
      static Task<bool> run() {
        TSUKAI_CO_TRY(auto process, Process::start(co_await asio::this_coro::executor, shell("exit 0")));
        while (!co_await process->wait_exit(10s)) {
        }
        (void)process->in().push("hello");
        co_await process->in().flushed();
        co_return !process->in().push("hello").has_value();
      }
    };
    CHECK(await(Write::run()).value());
  }
}
