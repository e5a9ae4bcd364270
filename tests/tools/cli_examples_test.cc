// The agent files that ship, through the programs that ship.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "tools/support/chain_model.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

const std::string kExamples = std::string(TSUKAI_SOURCE_DIR) + "/examples/";

}  // namespace

TEST_SUITE("tools/tsukai/examples") {
  TEST_CASE("every example is an agent file without a mistake") {
    const Home home;
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(kExamples)) {
      if (entry.path().extension() != ".yaml") continue;
      ++files;
      const Finished finished = tsukai(home, {"agent", "check", entry.path().string()});
      CHECK_MESSAGE(finished.exit == 0, finished.out, finished.err);
    }
    CHECK(files > 3);
  }

  TEST_CASE("the errand goes over all three servers, and its purchase is made once") {
    Home home;
    home.write("chain.gguf", chain_model());
    home.environment["PATH"] = TSUKAI_BIN_DIR ":" + home.environment["PATH"];
    const Finished finished =
        tsukai(home, {"run", kExamples + "errand.yaml", "Beans, please.", "--model", home / "chain.gguf"});
    CHECK_MESSAGE(finished.exit == 0, finished.err);
    CHECK(finished.out == "Old gate.\n");
    for (const char* part : {"search.search", "maps.maps_search_detail", "shop.add_to_cart"}) {
      CAPTURE(part);
      CHECK(finished.err.find(std::string("← ") + part) != std::string::npos);
    }
    CHECK(finished.err.find("error") == std::string::npos);
    const Finished ledger = Program(home, {TSUKAI_BIN_DIR "/tsukai-shop", "ledger", "--json", "--check",
                                           "--data", home / "errand-shop.db"})
                                .finish();
    CHECK(ledger.exit == 0);
    CHECK(parse_json(ledger.out)->at("calls") == Json{{"add_to_cart", 1}});
  }
}

}  // namespace tsukai::cli
