// Calls the tools of a server program as its server would, without a server.
#pragma once

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "base/json_schema.h"
#include "mcp/types.h"

namespace tsukai {

// Gives what `answer()` gives: a Result of something with `structured` and `text`. The arguments must satisfy
// the tool's input schema, an answer its output schema, in no more than so many bytes of text; an error must
// say what to do.
template <typename F>
auto checked_call(const mcp::Tool& tool, const Json& arguments, std::size_t text_bytes_max, F answer) {
  const auto wrong = JsonSchema::compile(*tool.input_schema)->check(arguments);
  REQUIRE_MESSAGE(wrong.empty(), wrong.front());
  auto given = answer();
  if (given) {
    const auto problems = JsonSchema::compile(**tool.output_schema)->check(*given->structured);
    REQUIRE_MESSAGE(problems.empty(), problems.front());
    CHECK_FALSE(given->text.empty());
    CHECK(given->text.size() <= text_bytes_max);
  } else {
    CHECK_FALSE(given.error().remedy().empty());
  }
  return given;
}

// The structured content of an answer that has to be one.
template <typename Given>
Json structured_of(const Given& given) {
  REQUIRE_MESSAGE(given.has_value(), (given ? "" : given.error().text()));
  return *given->structured;
}

// What the caller is told of an error that has to be one.
template <typename Given>
std::string error_of(const Given& given) {
  REQUIRE_FALSE(given.has_value());
  return given.error().text();
}

}  // namespace tsukai
