// Every tool of three published servers, called by our client with arguments that must work and with some
// that must not. Label net: npm is asked for the packages.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "mcp/client.h"
#include "support/await.h"
#include "support/scratch_dir.h"
#include "support/text.h"
#include "tools/support/npm_servers.h"

namespace tsukai::cli {
namespace {

using namespace std::chrono_literals;

struct Call {
  const char* tool;
  Json good;
  Json bad;  // null: the tool takes no arguments, so that none can be wrong.
};

Task<JsonValue> interpret(int& asked) {
  ++asked;
  co_return JsonValue(Json{{"action", "accept"}, {"content", {{"interpretation", "historical"}}}});
}
Task<JsonValue> sample() {
  co_return JsonValue(Json{{"role", "assistant"},
                           {"content", {{"type", "text"}, {"text", "sampled"}}},
                           {"model", "m"},
                           {"stopReason", "endTurn"}});
}

// Makes all calls over one connection, in order; `answers` gets the text of each good one. Every tool that
// the server lists must be among them.
Task<void> call_all(mcp::ServerConfig config, std::vector<Call> calls,
                    std::map<std::string, std::string>& answers, int& asked) {
  mcp::ClientOptions options;
  options.on_elicitation = [&](JsonValue) { return interpret(asked); };
  options.elicitation_url = true;
  options.on_sampling = [](JsonValue) { return sample(); };
  options.roots = [] { return std::vector<mcp::Root>(); };
  TSUKAI_CO_TRY(auto client, co_await mcp::Client::connect(std::move(config), options));
  TSUKAI_CO_TRY(auto tools, co_await client->list_tools());
  std::set<std::string> missing;
  for (const auto& tool : tools) missing.insert(tool.name);
  for (const auto& call : calls) {
    CAPTURE(call.tool);
    missing.erase(call.tool);
    auto good = co_await client->call_tool(call.tool, call.good);
    const std::string said = good ? good->text() : good.error().text();
    CHECK_MESSAGE((good && !good->is_error), said);
    if (good) answers[call.tool] = good->text();
    if (call.bad.is_null()) continue;
    auto bad = co_await client->call_tool(call.tool, call.bad);
    const bool refused = bad ? bad->is_error : bad.error().code() == Code::kInvalidArgument;
    const std::string why = bad ? bad->text() : bad.error().text();
    CHECK_MESSAGE(refused, why);
  }
  for (const auto& tool : missing) FAIL_CHECK("not called: ", tool);
  co_await client->shutdown();
  co_return Result<void>();
}

mcp::ServerConfig started_by(std::vector<std::string> words) {
  mcp::ServerConfig config;
  config.name = "published";
  config.command = words.front();
  config.args.assign(words.begin() + 1, words.end());
  config.start_timeout = 60s;
  config.call_timeout = 60s;
  return config;
}

struct Answers {
  std::map<std::string, std::string> text;
  int asked = 0;
};

Answers call_all(mcp::ServerConfig config, std::vector<Call> calls) {
  Answers answers;
  auto outcome = await(call_all(std::move(config), std::move(calls), answers.text, answers.asked));
  if (!outcome) FAIL(outcome.error().text());
  return answers;
}

}  // namespace

TEST_SUITE("tools/tsukai/mcp_calls") {
  TEST_CASE("every tool of the filesystem server answers, and says when its arguments are wrong") {
    if (!npm_servers_are_here()) return;
    const ScratchDir folder;
    const std::string files = folder.path();
    folder.write("a.txt", "one\ntwo\n");
    folder.write("p.png", "\x89PNG\r\n");
    const auto at = [&](const char* name) { return files + "/" + name; };
    const auto path = [&](const char* name) { return Json{{"path", at(name)}}; };
    const Json outside = {{"path", "/etc/hostname"}};
    auto words = npm_program("@modelcontextprotocol/server-filesystem");
    words.push_back(files);
    const auto answers =
        call_all(started_by(words),
                 {{"read_file", path("a.txt"), outside},
                  {"read_text_file", {{"path", at("a.txt")}, {"head", 1}}, path("missing")},
                  {"read_media_file", path("p.png"), outside},
                  {"read_multiple_files", {{"paths", {at("a.txt")}}}, {{"paths", "a"}}},
                  {"write_file", {{"path", at("b.txt")}, {"content", "b"}}, path("b.txt")},
                  {"edit_file",
                   {{"path", at("a.txt")}, {"edits", {{{"oldText", "one"}, {"newText", "eins"}}}}},
                   {{"path", at("a.txt")}, {"edits", {{{"oldText", "nowhere"}, {"newText", "x"}}}}}},
                  {"create_directory", path("d"), outside},
                  {"list_directory", path(""), outside},
                  {"list_directory_with_sizes", path(""), outside},
                  {"directory_tree", path(""), outside},
                  {"move_file",
                   {{"source", at("b.txt")}, {"destination", at("c.txt")}},
                   {{"source", at("gone")}, {"destination", at("x")}}},
                  {"search_files", {{"path", files}, {"pattern", "*.txt"}}, path("")},
                  {"get_file_info", path("a.txt"), path("gone")},
                  {"list_allowed_directories", Json::object(), nullptr}});
    CHECK(contains(answers.text.at("list_allowed_directories"), files));
    CHECK(read_file(at("a.txt")) == "eins\ntwo\n");
    CHECK(read_file(at("c.txt")) == "b");
  }

  TEST_CASE("every tool of the memory server answers, and says when its arguments are wrong") {
    if (!npm_servers_are_here()) return;
    const ScratchDir folder;
    auto config = started_by(npm_program("@modelcontextprotocol/server-memory"));
    config.env["MEMORY_FILE_PATH"] = folder / "memory.json";
    const Json wrong = {{"entities", 7},  {"relations", 7}, {"observations", 7},     {"entityNames", 7},
                        {"deletions", 7}, {"names", 7},     {"query", Json::array()}};
    const auto answers = call_all(
        config,
        {{"create_entities",
          Json::parse(R"({"entities": [{"name": "Mika", "entityType": "person", "observations": []},
                          {"name": "Tea", "entityType": "drink", "observations": ["green"]}]})"),
          wrong},
         {"create_relations",
          Json::parse(R"({"relations": [{"from": "Mika", "to": "Tea", "relationType": "likes"}]})"), wrong},
         {"add_observations",
          Json::parse(R"({"observations": [{"entityName": "Mika", "contents": ["tall"]}]})"), wrong},
         {"search_nodes", {{"query", "Mika"}}, wrong},
         {"open_nodes", {{"names", {"Mika"}}}, wrong},
         {"delete_observations",
          Json::parse(R"({"deletions": [{"entityName": "Mika", "observations": ["tall"]}]})"), wrong},
         {"delete_relations",
          Json::parse(R"({"relations": [{"from": "Mika", "to": "Tea", "relationType": "likes"}]})"), wrong},
         {"delete_entities", {{"entityNames", {"Tea"}}}, wrong},
         {"read_graph", Json::object(), nullptr}});
    CHECK(contains(answers.text.at("read_graph"), "Mika"));
    CHECK_FALSE(contains(answers.text.at("read_graph"), "Tea"));
  }

  TEST_CASE("every tool of the everything server answers, also those that ask back or take long") {
    if (!npm_servers_are_here()) return;
    const auto answers =
        call_all(started_by(npm_program("@modelcontextprotocol/server-everything")),
                 {{"echo", {{"message", "hi"}}, {{"message", 7}}},
                  {"get-annotated-message", {{"messageType", "error"}}, {{"messageType", "shout"}}},
                  {"get-env", Json::object(), nullptr},
                  {"get-resource-links", {{"count", 2}}, {{"count", 77}}},
                  {"get-resource-reference",
                   {{"resourceType", "Text"}, {"resourceId", 1}},
                   {{"resourceType", "Smell"}}},
                  {"get-structured-content", {{"location", "Chicago"}}, {{"location", "Atlantis"}}},
                  {"get-sum", {{"a", 40}, {"b", 2}}, {{"a", "x"}}},
                  {"get-tiny-image", Json::object(), nullptr},
                  {"gzip-file-as-resource",
                   {{"name", "a.gz"}, {"data", "data:text/plain;base64,aGk="}},
                   {{"data", 7}}},
                  {"toggle-simulated-logging", Json::object(), nullptr},
                  {"toggle-subscriber-updates", Json::object(), nullptr},
                  {"trigger-long-running-operation", {{"duration", 1}, {"steps", 2}}, {{"duration", "x"}}},
                  {"get-roots-list", Json::object(), nullptr},
                  {"trigger-elicitation-request", Json::object(), nullptr},
                  {"trigger-url-elicitation", {{"url", "https://example.com/"}}, {{"url", 7}}},
                  {"trigger-sampling-request", {{"prompt", "hi"}, {"maxTokens", 5}}, {{"prompt", 7}}},
                  {"simulate-research-query", {{"topic", "tea"}, {"ambiguous", true}}, nullptr}});
    CHECK(contains(answers.text.at("get-sum"), "42"));
    CHECK(contains(answers.text.at("trigger-sampling-request"), "sampled"));
    CHECK(contains(answers.text.at("simulate-research-query"), "Research Report: tea (historical)"));
    CHECK(answers.asked >= 3);
  }
}

}  // namespace tsukai::cli
