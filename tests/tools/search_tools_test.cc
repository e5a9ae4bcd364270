#include <sys/wait.h>

#include <cstdlib>

#include "base/gate.h"
#include "base/http_client.h"
#include "base/random.h"
#include "mcp/server_program.h"
#include "tools/support/small_library.h"

using namespace tsukai;
using namespace tsukai::search;

namespace {

const std::string kGuide = std::string(TSUKAI_SOURCE_DIR) + "/examples/city-guide";

// The guide that ships, indexed once for all tests of a run.
struct Guide {
  Guide() {
    service.library = Library::open(dir / "guide.db", {kGuide}).value();
    REQUIRE(await(service.library->refresh({})).has_value());
  }
  ScratchDir dir;
  Service service;
};
Guide& guide() {
  static Guide instance;
  return instance;
}

Json good(std::string_view tool, const Json& arguments) {
  return structured_of(call(guide().service, tool, arguments));
}
std::string text_of(std::string_view tool, const Json& arguments) {
  auto answer = call(guide().service, tool, arguments);
  return answer ? answer->text : answer.error().text();
}

struct Run {
  int exit_code = 0;
  std::string out, err;
  // The messages by id; each line must be one.
  std::map<int, Json> answers() const {
    std::map<int, Json> all;
    for (std::size_t at = 0, end; (end = out.find('\n', at)) != std::string::npos; at = end + 1) {
      const auto message = parse_json(std::string_view(out).substr(at, end - at));
      REQUIRE(message.has_value());
      if (message->contains("id") && message->at("id").is_number()) all[message->at("id")] = *message;
    }
    return all;
  }
};

// Runs the program itself with a file as its standard input.
Run run(const std::string& arguments, const std::string& input, const std::string& environment = "") {
  ScratchDir scratch;
  const std::string in = scratch.write("in", input);
  const std::string command = environment + " XDG_CACHE_HOME=" + scratch.path() +
                              " " TSUKAI_BIN_DIR "/tsukai-search " + arguments + " <" + in + " >" +
                              (scratch / "out") + " 2>" + (scratch / "err");
  const int status = std::system(command.c_str());
  return {WEXITSTATUS(status), read_file(scratch / "out"), read_file(scratch / "err")};
}

std::string request(int id, const std::string& method, Json params, bool modern) {
  if (modern) {
    params["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                       {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
  }
  return print_json({{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", params}});
}
std::string hello(bool modern) {
  if (modern) return request(0, "server/discover", Json::object(), true) + "\n";
  return request(0, "initialize",
                 {{"protocolVersion", "2025-06-18"},
                  {"capabilities", Json::object()},
                  {"clientInfo", {{"name", "test"}, {"version", "1"}}}},
                 false) +
         "\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";
}

// One question to each tool.
const std::vector<std::pair<std::string, Json>>& questions() {
  static const std::vector<std::pair<std::string, Json>> all = {
      {"search", {{"query", "coffee beans"}}},
      {"read_page", {{"page", "city-guide/food/coffee-beans.md"}}},
      {"list_sources", Json::object()}};
  return all;
}

std::string random_text(Random& random) {
  static const std::vector<std::string> texts = {"coffee",
                                                 "city-guide/food/tea.md",
                                                 "city-guide",
                                                 "web",
                                                 "",
                                                 "\"",
                                                 "咖啡豆",
                                                 "../../etc/passwd",
                                                 "city-guide/../x",
                                                 "http://127.0.0.1:1/",
                                                 "file:///etc/passwd",
                                                 "a OR (b",
                                                 "\xf0\x9f\x8d\xb5",
                                                 "*",
                                                 "NEAR(a b)",
                                                 "title:x",
                                                 "{title} : x",
                                                 "\\",
                                                 "%00",
                                                 "'; DROP TABLE page; --"};
  return texts[random.below(texts.size())];
}

// Any value, often of the kind that is asked for.
Json random_value(Random& random, int depth = 0) {
  switch (random.below(depth > 2 ? 5 : 8)) {
    case 0:
    case 1:
      return random_text(random);
    case 2:
      return static_cast<std::int64_t>(random.below(40)) - 5;
    case 3:
      return random.below(2) == 0 ? Json(1e300) : Json(-0.5);
    case 4:
      return random.below(2) == 0 ? Json(nullptr) : Json(true);
    case 5:
      return std::string(random.below(3000), 'x');
    case 6:
      return Json::array({random_value(random, depth + 1), random_value(random, depth + 1)});
    default:
      return {{"query", random_value(random, depth + 1)}};
  }
}

}  // namespace

TEST_SUITE("tools/search/tools") {
  TEST_CASE("three tools that only read, with both schemas; the web opens the world") {
    for (const bool web : {false, true}) {
      std::vector<std::string> names;
      for (const mcp::Tool& tool : tools(web)) {
        names.push_back(tool.name);
        CHECK(tool.annotations.read_only);
        CHECK_FALSE(tool.annotations.destructive);
        CHECK(tool.annotations.idempotent);
        CHECK(tool.annotations.open_world == web);
        CHECK(tool.output_schema.has_value());
      }
      CHECK(names == std::vector<std::string>{"search", "read_page", "list_sources"});
    }
  }

  TEST_CASE("the errand of the example works: where to buy beans, read the page, hours of the cafe") {
    const Json results = good("search", {{"query", "buy coffee beans"}}).at("results");
    CHECK(results.at(0).at("page") == "city-guide/food/coffee-beans.md");
    CHECK(results.at(0).at("snippet").get<std::string>().find("**beans**") != std::string::npos);
    const Json page = good("read_page", {{"page", results.at(0).at("page")}});
    CHECK(page.at("title") == "Where to buy coffee beans");
    CHECK(page.at("text").get<std::string>().find("48 yuan for 200 g") != std::string::npos);
    CHECK_FALSE(page.contains("next_offset"));
    const Json review = good("search", {{"query", "gatehouse reviews"}}).at("results").at(0);
    CHECK(review.at("page") == "city-guide/reviews/gatehouse-coffee-roasters.html");
    CHECK(review.at("kind") == "html");
  }

  TEST_CASE("the guide answers in Chinese and Japanese") {
    CHECK(good("search", {{"query", "咖啡豆"}}).at("results").at(0).at("page") == "city-guide/zh/咖啡豆.md");
    CHECK(good("search", {{"query", "コーヒー豆"}}).at("results").at(0).at("page") ==
          "city-guide/ja/コーヒー豆.md");
  }

  TEST_CASE("every page of the guide can be read, holds text and is found by its title") {
    const Json listed = good("list_sources", {{"source", "city-guide"}});
    CHECK(listed.at("sources").at(0).at("skipped") == 0);
    CHECK(listed.at("pages").size() == listed.at("sources").at(0).at("pages"));
    CHECK(listed.at("pages").size() >= 40);
    for (const Json& page : listed.at("pages")) {
      const std::string name = page.at("page");
      CAPTURE(name);
      CHECK(good("read_page", {{"page", name}}).at("text").get<std::string>().size() > 100);
      bool found = false;
      const Json answer = good("search", {{"query", page.at("title")}});
      for (const Json& one : answer.at("results")) found = found || one.at("page") == name;
      CHECK(found);
    }
  }

  TEST_CASE("a long page is read in stretches that make the whole") {
    std::string whole;
    Json arguments = {{"page", "city-guide/city/history.md"}, {"limit", 150}};
    for (int calls = 0; calls < 100; ++calls) {
      const Json page = good("read_page", arguments);
      whole += page.at("text");
      if (!page.contains("next_offset")) break;
      arguments["offset"] = page.at("next_offset");
    }
    CHECK(whole == good("read_page", {{"page", "city-guide/city/history.md"}, {"limit", 20000}})
                       .at("text")
                       .get<std::string>());
    CHECK(text_of("read_page", {{"page", "city-guide/city/history.md"}, {"offset", 99999}})
              .find("beyond the end") != std::string::npos);
  }

  TEST_CASE("errors and empty answers say what to change") {
    CHECK(text_of("read_page", {{"page", "coffee-beans.md"}}).find("city-guide/food/coffee-beans.md") !=
          std::string::npos);
    CHECK(text_of("read_page", {{"page", "city-guide/../../README.md"}}).find("there is no page") !=
          std::string::npos);
    CHECK(text_of("read_page", {{"page", "http://example.com/"}}).find("reads only its folders") !=
          std::string::npos);
    CHECK(text_of("search", {{"query", "?"}}).find("one or more words") != std::string::npos);
    CHECK(text_of("search", {{"query", "tea"}, {"source", "guide"}}).find("city-guide") != std::string::npos);
    CHECK(text_of("search", {{"query", "xylophonist"}}).find("fewer or other words") != std::string::npos);
    CHECK(text_of("search", {{"query", "tea xylophonist"}}).find("No page holds: xylophonist.") == 0);
    CHECK(text_of("list_sources", Json::object()).find("city-guide: a folder of ") == 0);
  }
}

TEST_SUITE("tools/search/program") {
  TEST_CASE("the program answers in both eras over standard input, and ends with it") {
    for (const bool modern : {false, true}) {
      CAPTURE(modern);
      std::string input = hello(modern) + request(1, "tools/list", Json::object(), modern) + "\n";
      int id = 10;
      for (const auto& [tool, arguments] : questions())
        input += request(id++, "tools/call", {{"name", tool}, {"arguments", arguments}}, modern) + "\n";
      const Run served = run("", input);
      CHECK(served.exit_code == 0);
      CHECK(served.err.empty());
      auto answers = served.answers();
      CHECK(answers[1].at("result").at("tools").size() == 3);
      for (int i = 10; i < id; ++i) {
        const Json& result = answers[i].at("result");
        CHECK_FALSE(result.value("isError", false));
        CHECK(result.contains("structuredContent"));
        CHECK(result.at("content").at(0).at("type") == "text");
        CHECK(result.contains("resultType") == modern);
      }
    }
  }

  TEST_CASE("the same over HTTP, with progress while it reads and not after") {
    ScratchDir dir;
    Service service;
    service.library = Library::open(dir / "g.db", {kGuide}).value();
    auto server = mcp::Server::make({.implementation = {"tsukai-search", "", "1"}, .instructions = ""});
    add_tools(*server, service);
    const auto talk = [](mcp::Server& server) -> Task<void> {
      const auto executor = co_await asio::this_coro::executor;
      Gate gate(executor);
      std::uint16_t port = 0;
      mcp::HttpServeOptions options;
      options.on_listening = [&port](std::uint16_t given) { port = given; };
      gate.spawn(server.serve_http(options));
      while (port == 0) TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::milliseconds(1)));
      const auto client = HttpClient::make(executor);
      bool first = true;
      for (const auto& [tool, arguments] : questions()) {
        HttpRequest post;
        post.method = "POST";
        post.url = "http://127.0.0.1:" + std::to_string(port) + "/mcp";
        post.headers = {{"Content-Type", "application/json"},
                        {"Accept", "application/json, text/event-stream"},
                        {"MCP-Protocol-Version", "2026-07-28"},
                        {"Mcp-Method", "tools/call"},
                        {"Mcp-Name", tool}};
        Json params = {{"name", tool}, {"arguments", arguments}};
        params["_meta"] = {{"progressToken", "p"},
                           {"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                           {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
        post.body = print_json({{"jsonrpc", "2.0"}, {"id", 1}, {"method", "tools/call"}, {"params", params}});
        TSUKAI_CO_TRY(const auto answer, co_await client->fetch(post));
        CHECK(answer.status == 200);
        CHECK(answer.body.find("structuredContent") != std::string::npos);
        CHECK((answer.body.find("files read") != std::string::npos) == first);
        first = false;
      }
      co_await gate.close();
      co_return Result<void>();
    };
    const auto done = await(talk(*server));
    REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error().text()));
  }

  TEST_CASE("a thousand random calls, valid and not, are each answered; what is wrong is said") {
    Random random(20261123);
    std::string input = hello(true);
    const std::vector<std::string> names = {"search", "read_page", "list_sources", "no_such_tool"};
    const std::vector<std::string> keys = {"query", "page", "source", "limit", "offset", "q"};
    for (int id = 1; id <= 1000; ++id) {
      std::string name = names[random.below(names.size())];
      Json arguments = Json::object();
      for (std::uint64_t n = random.below(4); n > 0; --n)
        arguments[keys[random.below(keys.size())]] = random_value(random);
      if (random.below(3) == 0) {
        name = names[random.below(3)];
        arguments = {{"limit", 1 + random.below(20)}, {"offset", random.below(30)}};
        if (name == "search") arguments["query"] = random_text(random);
        if (name == "read_page") arguments["page"] = random_text(random);
      }
      Json params = {{"name", name}, {"arguments", arguments}};
      if (random.below(40) == 0) params["arguments"] = random_value(random);
      input += request(id, "tools/call", params, true) + "\n";
    }
    const Run served = run("", input);
    CHECK(served.exit_code == 0);
    CHECK(served.err.empty());
    const auto answers = served.answers();
    CHECK(answers.size() == 1001);
    int good = 0, wrong = 0;
    for (const auto& [id, answer] : answers) {
      if (answer.contains("error")) {
        CHECK_FALSE(answer.at("error").at("message").get<std::string>().empty());
      } else if (id > 0 && answer.at("result").value("isError", false)) {
        ++wrong;
        const std::string text = answer.at("result").at("content").at(0).at("text");
        CHECK(text.size() > 10);
        // No error gives a path of this machine away.
        CHECK(text.find(TSUKAI_SOURCE_DIR) == std::string::npos);
      } else {
        ++good;
      }
    }
    CHECK(good > 100);
    CHECK(wrong > 300);
  }

  TEST_CASE("index says what was read and why something was not") {
    ScratchDir dir;
    dir.write("notes/a.md", "# Alpha");
    dir.write("notes/b.pdf", "no PDF");
    const Run first = run("index " + (dir / "notes") + " --data " + (dir / "i.db"), "");
    CHECK(first.exit_code == 0);
    CHECK(first.out.find("2 files, 2 read, 0 gone, 1 could not be read") == 0);
    CHECK(first.out.find("notes/b.pdf: pdftotext can't read it") != std::string::npos);
    CHECK(run("index " + (dir / "none"), "").exit_code == 3);
    CHECK(run("--folder " + (dir / "none"), "").exit_code == 3);
    CHECK(run("--nonsense", "").exit_code == 2);
    CHECK(run("--searxng ftp://x", "").exit_code == 2);
    CHECK(run("--brave-key-env TSUKAI_NO_SUCH_KEY", "").err.find("$TSUKAI_NO_SUCH_KEY is not set") !=
          std::string::npos);
  }

  TEST_CASE("calls fail on purpose at the rate asked for, the same ones each time") {
    std::string input = hello(false);
    for (int id = 1; id <= 40; ++id)
      input +=
          request(id, "tools/call", {{"name", "list_sources"}, {"arguments", Json::object()}}, false) + "\n";
    const auto failures = [&](const std::string& flags) {
      std::vector<int> failed;
      for (const auto& [id, answer] : run(flags, input).answers()) {
        if (answer.at("result").value("isError", false)) failed.push_back(id);
      }
      return failed;
    };
    CHECK(failures("--latency 2").empty());
    CHECK(failures("--fail-rate 1").size() == 40);
    const auto some = failures("--fail-rate 0.3 --seed 5");
    CHECK(some.size() > 3);
    CHECK(some.size() < 25);
    CHECK(failures("--fail-rate 0.3 --seed 5") == some);
  }
}
