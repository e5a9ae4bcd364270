#include "mcp/server_program.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "support/await.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::mcp;

namespace {

class NoContext final : public CallContext {
 public:
  void progress(double, double, std::string) override {}
  bool cancelled() const override { return false; }
};

Task<ToolOutput> count(int* calls) {
  ++*calls;
  co_return ToolOutput{JsonValue(Json{{"calls", *calls}}), {}, {}};
}

std::string listen_at(std::string_view text) {
  const auto options = parse_listen(text, {.address = "127.0.0.1", .port = 8931});
  return options ? options->address + " " + std::to_string(options->port) : options.error().text();
}

}  // namespace

TEST_SUITE("mcp/server_program") {
  TEST_CASE("an address, a port or both say where to listen") {
    CHECK(listen_at("") == "127.0.0.1 8931");
    CHECK(listen_at("0.0.0.0:80") == "0.0.0.0 80");
    CHECK(listen_at(":0") == "127.0.0.1 0");
    CHECK(listen_at("9000") == "127.0.0.1 9000");
    CHECK(listen_at("10.0.0.7") == "10.0.0.7 8931");
    CHECK(listen_at("[::1]:81") == "::1 81");
    CHECK(listen_at("[::1]") == "::1 8931");
    CHECK(listen_at("localhost:82") == "127.0.0.1 82");
    for (const char* wrong :
         {"127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "::1:80", "[::1", "[]:1", "[::1]8"}) {
      CAPTURE(wrong);
      CHECK(listen_at(wrong).find("write ADDRESS:PORT") != std::string::npos);
    }
  }

  TEST_CASE("a server open to the network needs a key") {
    ServerProgram program{.name = "test", .port = 1};
    CHECK(program.check().has_value());
    program.http = "0.0.0.0:1";
    CHECK(program.check().error().text().find("--key") != std::string::npos);
    program.keys = {"secret"};
    CHECK(program.check().has_value());
    program.http = ServerProgram::kStdio;
    CHECK(program.check().error().text().find("--http") != std::string::npos);
  }

  TEST_CASE("keys come from a file, one a line, and an empty one is refused") {
    ScratchDir scratch;
    ServerProgram program{.name = "test", .port = 1, .http = "0.0.0.0:1"};
    program.keys = {"@" + scratch.write("keys", "one\n\n two \n")};
    CHECK(program.check().has_value());
    for (const std::string& wrong :
         {"@" + (scratch / "none"), "@" + scratch.write("empty", "\n"), std::string(" ")}) {
      CAPTURE(wrong);
      program.keys = {wrong};
      CHECK_FALSE(program.check().has_value());
    }
  }

  TEST_CASE("misbehaviour outside its bounds is refused") {
    ServerProgram program{.name = "test", .port = 1};
    for (const double rate : {-0.1, 1.1, std::nan("")}) {
      program.misbehaviour = {.fail_rate = rate};
      CHECK(program.check().error().text().find("from 0 to 1") != std::string::npos);
    }
    program.misbehaviour = {.latency_ms = -1};
    CHECK_FALSE(program.check().has_value());
  }

  TEST_CASE("the same seed fails the same calls, half of them after the work was done") {
    const auto failures = [](std::uint64_t seed, int& worked) {
      const Misbehaving misbehaving({.fail_rate = 0.5, .seed = seed});
      const ToolHandler handler = misbehaving([&worked](Json, CallContext&) { return count(&worked); });
      NoContext context;
      std::vector<int> failed;
      for (int i = 0; i < 200; ++i) {
        const auto output = await(handler(Json::object(), context));
        if (!output) failed.push_back(i);
        if (!output) CHECK(output.error().remedy().starts_with("try again"));
      }
      return failed;
    };
    int worked = 0, again = 0, other = 0;
    const auto failed = failures(3, worked);
    CHECK(failed.size() > 70);
    CHECK(failed.size() < 130);
    CHECK(failures(3, again) == failed);
    CHECK(again == worked);
    CHECK(failures(4, other) != failed);
    const int lost = worked - (200 - static_cast<int>(failed.size()));
    CHECK(lost > 25);
    CHECK(lost < static_cast<int>(failed.size()) - 25);
  }

  TEST_CASE("without misbehaviour a handler stays as it is") {
    int calls = 0;
    NoContext context;
    const ToolHandler handler = Misbehaving({})([&calls](Json, CallContext&) { return count(&calls); });
    CHECK(await(handler(Json::object(), context))->structured->at("calls") == 1);
  }
}
