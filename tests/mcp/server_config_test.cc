#include <doctest/doctest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "mcp/client.h"

using namespace tsukai;
using namespace tsukai::mcp;

namespace {

std::string refusal(const char* entry) {
  auto config = parse_server_config("maps", Json::parse(entry));
  REQUIRE_FALSE(config.has_value());
  CHECK(config.error().code() == Code::kInvalidArgument);
  return config.error().text();
}

}  // namespace

TEST_SUITE("mcp/server_config") {
  TEST_CASE("an entry as other hosts write it") {
    auto config =
        parse_server_config("maps", Json::parse(R"({"type": "stdio", "command": "npx", "args": ["-y", "x"],
        "env": {"KEY": "v"}, "cwd": "/tmp", "call_timeout_ms": 1500, "trusted": true})"));
    REQUIRE(config.has_value());
    CHECK(config->name == "maps");
    CHECK(config->command == "npx");
    CHECK(config->args == std::vector<std::string>{"-y", "x"});
    CHECK(config->env.at("KEY") == "v");
    CHECK(config->call_timeout.count() == 1500);
    CHECK(config->trusted);
    auto remote = parse_server_config(
        "shop", Json::parse(R"({"url": "http://127.0.0.1:1/mcp", "headers": {"A": "b"}})"));
    CHECK(remote->headers.at("A") == "b");
  }

  TEST_CASE("variables of the environment are filled in, everywhere") {
    ::setenv("TSUKAI_TEST_TOKEN", "t0k", 1);
    ::unsetenv("TSUKAI_TEST_MISSING");
    auto config = parse_server_config(
        "s", Json::parse(R"({"command": "${TSUKAI_TEST_MISSING:-sh}", "args": ["a${TSUKAI_TEST_TOKEN}b"],
        "env": {"T": "${TSUKAI_TEST_TOKEN}"}})"));
    REQUIRE(config.has_value());
    CHECK(config->command == "sh");
    CHECK(config->args.at(0) == "at0kb");
    CHECK(config->env.at("T") == "t0k");
    CHECK(refusal(R"({"command": "x", "env": {"T": "${TSUKAI_TEST_MISSING}"}})") ==
          "server maps: \"env.T\" needs the environment variable TSUKAI_TEST_MISSING, which is not set; "
          "export TSUKAI_TEST_MISSING=... before starting");
  }

  TEST_CASE("folders become addresses, with what is unsafe in them escaped") {
    auto config =
        parse_server_config("s", Json::parse(R"({"command": "x", "roots": ["/srv/a b/../c d#é", "/"]})"));
    REQUIRE(config.has_value());
    CHECK(config->roots == std::vector<std::string>{"file:///srv/c%20d%23%C3%A9", "file:///"});
    CHECK(parse_server_config("s", Json::parse(R"({"command": "x", "roots": ["here"]})"))
              ->roots.at(0)
              .ends_with("/here"));
    CHECK(refusal(R"({"command": "x", "roots": "/srv"})").find("must be an array of folders") !=
          std::string::npos);
    CHECK(refusal(R"({"command": "x", "roots": [""]})").find("names no folder") != std::string::npos);
  }

  TEST_CASE("era, revision and the old transport can be told; what contradicts itself is refused") {
    auto config = parse_server_config(
        "s", Json::parse(R"({"url": "http://x/sse", "type": "sse", "protocol_version": "2024-11-05",
        "oauth": {"client_id": "${TSUKAI_TEST_ID:-me}", "redirect_port": 8000}})"));
    REQUIRE(config.has_value());
    CHECK(config->legacy_sse);
    CHECK(config->protocol_version == "2024-11-05");
    CHECK((*config->oauth)["client_id"] == "me");
    CHECK((*config->oauth)["redirect_port"] == 8000);
    CHECK(parse_server_config("s", Json::parse(R"({"command": "x", "era": "modern"})"))->era == Era::kModern);
    CHECK(refusal(R"({"command": "x", "era": "new"})") ==
          "server maps: \"era\" must be auto, legacy or modern");
    CHECK(refusal(R"({"command": "x", "protocol_version": "2019-01-01"})").find("2026-07-28") !=
          std::string::npos);
    CHECK(refusal(R"({"command": "x", "era": "legacy", "protocol_version": "2026-07-28"})")
              .find("does not fit protocol_version 2026-07-28") != std::string::npos);
  }

  TEST_CASE("mistakes are named with their key and what was probably meant") {
    CHECK(refusal(R"({"comand": "x"})") ==
          "server maps: \"comand\" is not a known key; did you mean command?");
    CHECK(refusal(R"({"command": 3})") == "server maps: \"command\" must be a string, not number");
    CHECK(refusal(R"({"command": "x", "args": "y"})") ==
          "server maps: \"args\" must be an array of strings, not string");
    CHECK(refusal(R"({})").find("neither command nor url") != std::string::npos);
    CHECK(refusal(R"({"command": "x", "url": "http://y"})").find("command and url") != std::string::npos);
    CHECK(refusal(R"({"type": "stdio", "url": "http://y"})").find("needs command") != std::string::npos);
    CHECK(refusal(R"({"command": "x", "call_timeout_ms": 0})").find("milliseconds") != std::string::npos);
    CHECK(refusal(R"(["x"])").find("must be an object") != std::string::npos);
  }
}
