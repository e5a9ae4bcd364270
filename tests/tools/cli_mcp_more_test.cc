// tsukai mcp beyond tools: what else servers offer, how they are, whose fault it was, logins, and serving.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "base/json.h"
#include "base/text.h"
#include "mcp/support/guarded_site.h"
#include "tools/support/chain_model.h"
#include "tools/support/program.h"

namespace tsukai::cli {
namespace {

using Words = std::vector<std::string>;

Words notes_server() {
  return {"python3", std::string(TSUKAI_SOURCE_DIR) + "/tests/tools/support/notes_server.py"};
}
Finished with_notes(const Home& home, const Words& words) {
  return tsukai(home, words + Words{"--"} + notes_server());
}
Json json_of(const Finished& finished) {
  auto parsed = parse_json(finished.out);
  REQUIRE_MESSAGE(parsed.has_value(), finished.out, finished.err);
  return *std::move(parsed);
}

// A server that wants a login, served while it lives by a thread of its own.
struct Guarded {
  Guarded() : site(context.get_executor()), thread([this] { context.run(); }) {}
  ~Guarded() {
    asio::co_spawn(context, site.close(), [](std::exception_ptr) {});
    thread.join();
  }
  asio::io_context context;
  mcp::GuardedSite site;
  std::thread thread;
};

// A browser with a person who agrees to everything.
void give_browser(Home& home) {
  const std::string path = home.write(
      "browser",
      "#!/bin/sh\nexec python3 -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1])' \"$1\"\n");
  ::chmod(path.c_str(), 0755);
  home.environment["BROWSER"] = path;
}

}  // namespace

TEST_SUITE("tools/tsukai/mcp_more") {
  TEST_CASE("resources are listed and read, binary ones byte for byte") {
    const Home home;
    const Finished list = with_notes(home, {"mcp", "resources"});
    CHECK(list.exit == 0);
    CHECK(list.out ==
          "URI            NAME   TYPE        DESCRIPTION\n"
          "notes://today  today  text/plain  What is noted.\n"
          "notes://{day}  a day\n");
    CHECK(json_of(with_notes(home, {"mcp", "resources", "--json"}))["resourceTemplates"][0]["name"] ==
          "a day");
    CHECK(with_notes(home, {"mcp", "read", "notes://today"}).out == "Buy tea.\n");
    CHECK(with_notes(home, {"mcp", "read", "notes://picture"}).out == "\x89PNG");
    const Finished missing = with_notes(home, {"mcp", "read", "notes://gone"});
    CHECK(missing.exit == 2);
    CHECK(missing.err.find("notes://gone") != std::string::npos);
  }

  TEST_CASE("prompts are listed, filled in and completed") {
    const Home home;
    CHECK(with_notes(home, {"mcp", "prompts"}).out ==
          "PROMPT  ARGUMENTS   DESCRIPTION\nplan    day, mood?  Plans.\n");
    CHECK(with_notes(home, {"mcp", "prompt", "plan", "day=today"}).out == "user: Plan today.\n");
    CHECK(with_notes(home, {"mcp", "complete", "plan", "day", "t"}).out == "tuesday\nthursday\n");
    CHECK(with_notes(home, {"mcp", "complete", "notes://{day}", "day"}).out == "monday\ntuesday\nthursday\n");
    CHECK(with_notes(home, {"mcp", "complete", "plan"}).exit == 2);
    const Finished wrong = with_notes(home, {"mcp", "prompt", "plan", "today"});
    CHECK(wrong.exit == 2);
    CHECK(wrong.err == "tsukai: argument \"today\" is not key=value\n");
  }

  TEST_CASE("a result that breaks its outputSchema is the server's fault, in an exit code of its own") {
    const Home home;
    const Finished lie = with_notes(home, {"mcp", "call", "lie"});
    CHECK(lie.exit == 7);
    CHECK(lie.out == "done\n");
    CHECK(lie.err.find("lie broke its outputSchema: /number") != std::string::npos);
    CHECK(lie.err.find("structuredContent") == std::string::npos);  // Said once.
    CHECK(with_notes(home, {"mcp", "call", "forget"}).exit == 7);
    CHECK(with_notes(home, {"mcp", "call", "count"}).exit == 0);
    CHECK(with_notes(home, {"mcp", "call", "keep", "text=a"}).exit == 0);
  }

  TEST_CASE("keywords that no local model can be held to are named with their place") {
    const Home home;
    const Finished tools = with_notes(home, {"mcp", "tools"});
    CHECK(tools.err.find("note: keep: a local model can't be held to /properties/text") != std::string::npos);
    const Json document = json_of(with_notes(home, {"mcp", "tools", "--json"}));
    CHECK(document["unsupported"].size() == 1);
    CHECK(document["unsupported"]["keep"].size() == 1);
  }

  TEST_CASE("list says of every server how it is, and starts none when only names are wanted") {
    const Home home;
    const Words notes = notes_server();
    home.write(".mcp.json", print_json({{"mcpServers",
                                         {{"notes", {{"command", notes[0]}, {"args", {notes[1]}}}},
                                          {"gone", {{"command", "no-such-program"}}}}}}));
    const Finished list = tsukai(home, {"mcp", "list"});
    CHECK(list.exit == 3);
    CHECK(list.out.find("notes   ok") != std::string::npos);
    CHECK(list.out.find("2025-06-18 (legacy)") != std::string::npos);
    CHECK(list.out.find("gone    broken") != std::string::npos);
    CHECK(list.err.find("no-such-program") != std::string::npos);
    const Json document = json_of(tsukai(home, {"mcp", "list", "--json"}));
    CHECK(document["servers"][0]["healthy"] == false);
    CHECK(document["servers"][1]["tools"] == 4);
    CHECK(document["servers"][1]["round_trip_ms"].get<double>() > 0);
    CHECK(tsukai(home, {"mcp", "list", "--quiet"}).out == "gone\nnotes\n");
  }

  TEST_CASE("a server that runs elsewhere is named by its URL") {
    const Home home;
    Program maps(home, {"/bin/sh", "-c",
                        std::string("exec ") + TSUKAI_BIN_DIR +
                            "/tsukai-maps --http 127.0.0.1:0 --key secret >" + (home / "url")});
    const std::string url(trimmed(wait_for_file(home / "url")));
    const Words key = {"--header", "Authorization: Bearer secret"};
    const Finished tools = tsukai(home, Words{"mcp", "tools", url, "--quiet"} + key);
    CHECK_MESSAGE(tools.exit == 0, tools.err);
    CHECK(tools.out.find("maps_geo\n") != std::string::npos);
    const Finished call =
        tsukai(home, Words{"mcp", "call", url, "maps_geo", "address=Old Gate", "--era", "2025-06-18"} + key);
    CHECK_MESSAGE(call.exit == 0, call.err);
    CHECK(call.out.find("150.141392,30.242808") != std::string::npos);
    const Json modern = json_of(tsukai(home, Words{"mcp", "ping", url, "--json", "--era", "modern"} + key));
    CHECK(modern["protocol"] == "2026-07-28");
    CHECK(tsukai(home, {"mcp", "tools", url, "--header", "Authorization: Bearer wrong"}).exit != 0);
    const Finished nobody = tsukai(home, {"mcp", "tools", "http://127.0.0.1:1/mcp"});
    CHECK(nobody.exit == 3);
    const Finished era = tsukai(home, {"mcp", "tools", url, "--era", "old"});
    CHECK(era.exit == 2);
    CHECK(era.err.starts_with("tsukai: --era old: no such era; write auto, legacy, modern, "));
  }

  TEST_CASE("login sends a person to the browser, keeps what it got, and logout forgets it") {
    Guarded guarded;
    Home home;
    give_browser(home);
    const std::string url = guarded.site.url();
    const Finished login = tsukai(home, {"mcp", "login", url});
    CHECK_MESSAGE(login.exit == 0, login.err);
    CHECK(login.out == "logged in to " + url + " by " + guarded.site.issuer() + "\n");
    CHECK(login.err.find(guarded.site.guard_origin() + "/authorize?response_type=code&client_id=client-1") !=
          std::string::npos);
    const std::string file = home.environment["XDG_DATA_HOME"] + "/tsukai/credentials.json";
    struct stat info{};
    REQUIRE(::stat(file.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    CHECK(read_file(file).find("token-1") != std::string::npos);
    CHECK(tsukai(home, {"mcp", "logout", url}).exit == 0);
    CHECK(read_file(file).find("token-1") == std::string::npos);
    const Finished none = tsukai(home, Words{"mcp", "login", "--"} + notes_server());
    CHECK(none.exit == 2);
    CHECK(none.err.find("needs no login") != std::string::npos);
  }

  TEST_CASE("a command that nobody watches says how to log in") {
    Guarded guarded;
    const Home home;
    const Finished tools = tsukai(home, {"mcp", "tools", guarded.site.url()});
    CHECK(tools.exit == 4);
    CHECK(tools.err.find("tsukai mcp login " + guarded.site.url()) != std::string::npos);
  }

  TEST_CASE("an agent is served as a tool that answers with its answer") {
    const Home home;
    home.write("chain.gguf", chain_model({}));
    const Words toy = toy_server(home);
    home.write("agent.yaml",
               "name: greeter\nmodel: ./chain.gguf\ntool_choice: required-first\n"
               "instructions: Greet.\nservers:\n  toy: {command: sh, args: [\"" +
                   toy[1] + "\", \"" + toy[2] + "\"]}\ntools: [toy.greet]\n");
    const Words serve = {"--", tsukai_program(), "mcp", "serve", home / "agent.yaml", "--db", home / "db"};
    const Json tools = json_of(tsukai(home, Words{"mcp", "tools", "--json"} + serve));
    REQUIRE(tools["tools"].size() == 1);
    CHECK(tools["tools"][0]["name"] == "greeter");
    const Finished call = tsukai(home, Words{"mcp", "call", "greeter", "task=Say hello."} + serve);
    CHECK_MESSAGE(call.exit == 0, call.err);
    CHECK(call.out == "Old gate.\n");
    CHECK(call.err.find("calls toy.greet") != std::string::npos);
    const Finished empty = tsukai(home, Words{"mcp", "call", "greeter", "{}"} + serve);
    CHECK(empty.exit == 1);
    CHECK(tsukai(home, {"mcp", "serve", "nowhere.yaml"}).exit == 2);
  }
}

}  // namespace tsukai::cli
