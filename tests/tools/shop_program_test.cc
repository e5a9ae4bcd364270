// The program itself: over both transports in both eras, killed, misbehaving, with its ledger.
#include <sys/wait.h>

#include <cstdlib>

#include "base/text.h"
#include "support/await.h"
#include "support/scratch_dir.h"
#include "tools/support/shop_calls.h"
#include "tools/support/wire.h"

using namespace tsukai;
using namespace tsukai::shop;

namespace {

const std::string kProgram = TSUKAI_BIN_DIR "/tsukai-shop";

struct Run {
  int exit_code = 0;
  std::string out, err;
};

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

Run run(const std::string& arguments, const std::string& input = "", const std::string& before = "") {
  ScratchDir scratch;
  const std::string in = scratch.write("in", input);
  const std::string command = before + " " + kProgram + " " + arguments + " <" + in + " >" +
                              (scratch / "out") + " 2>" + (scratch / "err");
  const int status = std::system(command.c_str());
  return {WEXITSTATUS(status), read_file(scratch / "out"), read_file(scratch / "err")};
}

// Requests of 2026-07-28, one a line, as standard input.
struct Script {
  std::string lines;
  int calls = 0;

  void add(const std::string& tool, Json arguments) {
    arguments["idempotency_key"] = "script-" + std::to_string(++calls);
    lines += print_json({{"jsonrpc", "2.0"},
                         {"id", calls},
                         {"method", "tools/call"},
                         {"params",
                          {{"name", tool},
                           {"arguments", arguments},
                           {"_meta",
                            {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                             {"io.modelcontextprotocol/clientCapabilities", Json::object()}}}}}}) +
             "\n";
  }
};

// Orders of which one in three is paid, one in nine refunded and one in five cancelled. The answers follow
// from the script alone.
Script errands(int orders) {
  TestShop t;
  const Product& product = t.product_with(50);
  Script script;
  for (int i = 0; i < orders; ++i) {
    const std::string order = "O" + std::to_string(1001 + i);
    script.add("add_to_cart", {{"product_id", product.id}});
    script.add("check_out", Json::object());
    if (i % 3 == 0) script.add("pay", {{"order_id", order}, {"amount", product.price}});
    if (i % 9 == 0) script.add("refund", {{"order_id", order}});
    if (i % 3 != 0 && i % 5 == 0) script.add("cancel_order", {{"order_id", order}});
  }
  return script;
}

// The answers by id, without what the file's name or the time could change.
std::map<int, std::string> answers(const std::string& out) {
  std::map<int, std::string> all;
  for (std::size_t at = 0, end; (end = out.find('\n', at)) != std::string::npos; at = end + 1) {
    const Json message = parse_json(out.substr(at, end - at)).value();
    all[message.at("id").get<int>()] = print_json(message.at("result").at("structuredContent"));
  }
  return all;
}

std::string ledger_of(const std::string& path) {
  const Run ledger = run("ledger --check --json --data " + path);
  CHECK_MESSAGE(ledger.exit_code == 0, ledger.err);
  return ledger.out;
}

// Makes every call of the script until it is answered, against a server that fails every third one. Gives how
// many tries that took.
Task<int> stubborn(Script script, std::string data) {
  TSUKAI_CO_TRY(auto wire, co_await Wire::open(kProgram, {"--data", data, "--fast", "--fail-rate", "0.33"},
                                               Over::kStdio, Era::kModern));
  int tries = 0;
  for (const std::string& line : split(script.lines, '\n')) {
    if (line.empty()) continue;
    TSUKAI_CO_TRY(const Json message, parse_json(line));
    for (int again = 0; again < 50; ++again) {
      ++tries;
      TSUKAI_CO_TRY(const auto answer, co_await wire->request("tools/call", message.at("params")));
      if (!bool_at(*answer, "isError")) break;
    }
  }
  co_await wire->close();
  co_return tries;
}

// Lists and calls every tool: an errand from search to refund.
Task<void> errand(Over over, Era era, std::string data) {
  TSUKAI_CO_TRY(auto wire, co_await Wire::open(kProgram, {"--data", data, "--fast"}, over, era));
  TSUKAI_CO_TRY(const auto listed, co_await wire->request("tools/list", {}));
  CHECK(listed->at("tools").size() == 10);
  for (const Json& tool : listed->at("tools")) {
    CHECK(tool.at("annotations").at("readOnlyHint").is_boolean());
    CHECK(tool.contains("outputSchema"));
  }
  int key = 0;
  struct Step {
    const char* tool;
    Json arguments;
  };
  const std::vector<Step> steps = {
      {"search_products", {{"query", "tea"}}},
      {"get_product", {{"product_id", "P001"}}},
      {"add_to_cart", {{"product_id", "P001"}, {"quantity", 3}}},
      {"remove_from_cart", {{"product_id", "P001"}, {"quantity", 1}}},
      {"view_cart", Json::object()},
      {"check_out", Json::object()},
      {"order_status", {{"order_id", "O1001"}}},
      {"pay", {{"order_id", "O1001"}}},
      {"refund", {{"order_id", "O1001"}}},
      {"add_to_cart", {{"product_id", "P001"}}},
      {"check_out", Json::object()},
      {"cancel_order", {{"order_id", "O1002"}}},
  };
  Json due;
  for (const Step& step : steps) {
    Json arguments = step.arguments;
    const std::string tool = step.tool;
    if (tool == "pay") arguments["amount"] = due;
    const bool reads = tool.starts_with("search") || tool.starts_with("get") || tool.starts_with("view") ||
                       tool == "order_status";
    if (!reads) arguments["idempotency_key"] = "errand-" + std::to_string(++key);
    TSUKAI_CO_TRY(const auto answer, co_await wire->call(tool, arguments));
    CAPTURE(tool);
    CAPTURE(answer.print());
    CHECK_FALSE(bool_at(*answer, "isError"));
    REQUIRE(answer->contains("structuredContent"));
    CHECK_FALSE(answer->at("content").at(0).at("text").get<std::string>().empty());
    if (tool == "check_out") due = answer->at("structuredContent").at("total_minor");
  }
  TSUKAI_CO_TRY(const auto wrong,
                co_await wire->call("add_to_cart", Json{{"product_id", "P001"}, {"quantity", 0}}));
  CHECK(wrong->at("isError") == true);
  CHECK(wrong->at("content").at(0).at("text").get<std::string>().find("idempotency_key") !=
        std::string::npos);
  co_await wire->close();
  co_return Result<void>();
}

}  // namespace

TEST_SUITE("tools/shop/program") {
  TEST_CASE("every tool works over both transports in both eras") {
    for (const Over over : {Over::kStdio, Over::kHttp}) {
      for (const Era era : {Era::kLegacy, Era::kModern}) {
        ScratchDir scratch;
        CAPTURE(static_cast<int>(over));
        CAPTURE(static_cast<int>(era));
        const auto done = await(errand(over, era, scratch / "shop.db"));
        CHECK_MESSAGE(done.has_value(), (done ? "" : done.error().text()));
        CHECK(parse_json(ledger_of(scratch / "shop.db"))->at("calls").at("pay") == 1);
      }
    }
  }

  TEST_CASE("killed at any time, the file is whole, and repeating every call does each of them once") {
    const Script script = errands(40);
    ScratchDir scratch;
    const Run whole = run("--fast --data " + (scratch / "whole.db"), script.lines);
    REQUIRE(whole.exit_code == 0);
    const auto expected = answers(whole.out);
    REQUIRE(expected.size() == static_cast<std::size_t>(script.calls));
    const std::string killed = scratch / "killed.db";
    int kills = 0;
    bool answered = false;
    std::map<int, std::string> last;
    for (int ms = 4; ms < 4000; ms += 1 + ms / 4) {
      const Run cut = run("--data " + killed, script.lines, "timeout -s KILL " + std::to_string(ms / 1000.0));
      // Killed before its tables were there, it is no shop yet; from the first answer on it always is.
      answered = answered || cut.out.find('\n') != std::string::npos;
      if (answered) ledger_of(killed);
      // Whatever was answered before the kill was what the uninterrupted run said.
      last = answers(cut.out);
      for (const auto& [id, answer] : last) CHECK(answer == expected.at(id));
      if (cut.exit_code == 0) break;
      ++kills;
    }
    CHECK(kills >= 3);
    CHECK(last.size() == expected.size());
    CHECK(ledger_of(killed) == ledger_of(scratch / "whole.db"));
  }

  TEST_CASE("answers that got lost are asked for again, and nothing is done twice") {
    const Script script = errands(20);
    ScratchDir scratch;
    run("--fast --data " + (scratch / "well.db"), script.lines);
    const auto tries = await(stubborn(script, scratch / "bad.db"));
    REQUIRE_MESSAGE(tries.has_value(), (tries ? "" : tries.error().text()));
    CHECK(*tries > script.calls * 5 / 4);
    CHECK(ledger_of(scratch / "bad.db") == ledger_of(scratch / "well.db"));
  }

  TEST_CASE("two servers on one file share stock and keys") {
    const Script script = errands(15);
    ScratchDir scratch;
    const std::string in = scratch.write("in", script.lines), data = scratch / "shared.db";
    const std::string one = kProgram + " --fast --data " + data + " <" + in + " >" + (scratch / "a");
    const std::string both = "sh -c '" + one + " & " + kProgram + " --fast --data " + data + " <" + in +
                             " >" + (scratch / "b") + "; a=$?; wait $! && exit $a'";
    CHECK(WEXITSTATUS(std::system(both.c_str())) == 0);
    run("--fast --data " + (scratch / "alone.db"), script.lines);
    // A call of one that came before its predecessor in the other was refused there and done here.
    const Json shared = parse_json(ledger_of(data)).value();
    CHECK(shared.at("calls") == parse_json(ledger_of(scratch / "alone.db"))->at("calls"));
  }

  TEST_CASE("the ledger is told for people and for programs, with every entry on request") {
    ScratchDir scratch;
    const std::string data = scratch / "shop.db";
    run("--fast --data " + data, errands(9).lines);
    CHECK(run("ledger --check --data " + data).out.find("every invariant holds") != std::string::npos);
    const Json told = parse_json(run("ledger --json --entries --data " + data).out).value();
    CHECK(told.at("ledger").size() == told.at("entries"));
    CHECK(told.at("ledger").at(0).at("effect") == "cart_add");
    CHECK(told.at("ledger").at(0).at("key") == "script-1");
    CHECK(told.at("money_minor").at("charged") == told.at("money_minor").at("refunded").get<std::int64_t>() +
                                                      told.at("money_minor").at("kept").get<std::int64_t>());
  }

  TEST_CASE("wrong options end with code 2, a missing or damaged file with code 3, each in one line") {
    ScratchDir scratch;
    scratch.write("bad.db", std::string(5000, 'x'));
    for (const std::string& arguments :
         {"--data " + (scratch / "bad.db"), "--data " + (scratch / "no/shop.db"),
          "ledger --data " + (scratch / "none.db"), "ledger --data " + (scratch / "bad.db")}) {
      CAPTURE(arguments);
      const Run broken = run(arguments);
      CHECK(broken.exit_code == 3);
      CHECK(std::count(broken.err.begin(), broken.err.end(), '\n') == 1);
    }
    for (const char* arguments :
         {"--dta x", "--fail-rate 2", "--latency -1", "--http 0.0.0.0:1", "--key k", "--http 127.0.0.1:x"}) {
      CAPTURE(arguments);
      CHECK(run(arguments).exit_code == 2);
    }
    CHECK(run("--help").out.find("--data") != std::string::npos);
    CHECK(run("--version").out.starts_with("tsukai-shop "));
  }

  TEST_CASE("without --data the shop lies in the user's data folder") {
    ScratchDir scratch;
    CHECK(run("", "", "XDG_DATA_HOME=" + scratch.path()).exit_code == 0);
    CHECK(std::filesystem::exists(scratch / "tsukai/shop.db"));
  }
}
