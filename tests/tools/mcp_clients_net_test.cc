// The clients that others wrote, as published, against the three servers. Label net: npm and PyPI are asked
// for them.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <string>

#include "base/text.h"
#include "support/scratch_dir.h"

namespace tsukai::cli {
namespace {

constexpr int kNotInstalled = 3;

bool is_here(const std::string& program) {
  if (std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0) return true;
  MESSAGE(program, " is not installed: not shown here");
  return false;
}

}  // namespace

TEST_SUITE("tools/tsukai/mcp_clients") {
  TEST_CASE("the SDKs and the Inspector list and call every tool of the three servers over both transports") {
    if (!is_here("npm") || !is_here("python3")) return;
    const ScratchDir scratch;
    const std::string log = scratch / "log";
    const int status = std::system(
        (TSUKAI_SOURCE_DIR "/tests/tools/reference_clients.sh " TSUKAI_BIN_DIR " >" + log + " 2>&1").c_str());
    const std::string said = read_file(log);
    REQUIRE_MESSAGE(WEXITSTATUS(status) != kNotInstalled, said);
    CHECK_MESSAGE(WEXITSTATUS(status) == 0, said);
    // Three servers, four clients, two transports; the calls of calls.json in each.
    CHECK(split(said, '\n').size() > 24);
    CHECK(said.find("FAILED") == std::string::npos);
  }
}

}  // namespace tsukai::cli
