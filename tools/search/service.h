// The answers behind the MCP tools: JSON arguments in, structured content and a short text out.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/task.h"
#include "mcp/server.h"
#include "tools/search/library.h"
#include "tools/search/web.h"

namespace tsukai::search {

inline constexpr std::int64_t kResultsDefault = 5, kResultsMax = 20;
inline constexpr std::int64_t kReadDefault = 4'000, kReadMax = 20'000;  // Characters.
inline constexpr std::int64_t kListedMax = 100;                         // Pages of one source at a time.
inline constexpr std::int64_t kProblemsShown = 20;
inline constexpr const char* kWebSource = "web";

// What is served: folders, the web, or both. REQUIRES: at least one.
struct Service {
  std::optional<Library> library;
  std::optional<Web> web;
};

// Arguments are valid by the tools' schemas. Errors say what to change.
Task<mcp::ToolOutput> search_pages(Service& service, Json arguments, mcp::CallContext& context);
Task<mcp::ToolOutput> read_page(Service& service, Json arguments, mcp::CallContext& context);
Task<mcp::ToolOutput> list_sources(Service& service, Json arguments, mcp::CallContext& context);

// A stretch of a text, counted in characters, not bytes; cut at the end of a line or word where one is near.
struct Stretch {
  std::string text;
  std::int64_t next = 0;  // Where it goes on.
};
Stretch stretch(std::string_view text, std::int64_t offset, std::int64_t limit);

}  // namespace tsukai::search
