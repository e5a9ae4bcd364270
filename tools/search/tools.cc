#include "tools/search/tools.h"

#include <nlohmann/json.hpp>

#include "mcp/tool_schema.h"

namespace tsukai::search {
namespace {

using namespace mcp::schema;

Json asked(const char* description, int characters_max) { return text(description, characters_max, 1); }
Json count(const char* description = nullptr) {
  Json schema = {{"type", "integer"}, {"minimum", 0}};
  if (description != nullptr) schema["description"] = description;
  return schema;
}

// Only reading; the same question has the same answer as long as nobody changes the pages.
mcp::Tool reading(const char* name, const char* title, const char* description, Json input, Json output,
                  bool web) {
  mcp::Tool made = tool(name, title, description, std::move(input), std::move(output));
  made.annotations.open_world = web;
  return made;
}

}  // namespace

std::vector<mcp::Tool> tools(bool web) {
  const Json next = count("offset of what follows; absent at the end");
  const Json source = asked("Name of a source from list_sources; all of them if left out", 200);
  const Json result = object({{"page", text("What read_page takes")},
                              {"title", text()},
                              {"snippet", text("Where it was found; the words asked for stand between **")},
                              {"source", text()},
                              {"kind", text()}});
  const Json page = object({{"page", text()}, {"title", text()}});
  const Json described =
      object({{"name", text()}, {"kind", {{"type", "string"}, {"enum", {"folder", "web"}}}}},
             {{"pages", count()},
              {"pages_by_kind", {{"type", "object"}, {"additionalProperties", count()}}},
              {"characters", count()},
              {"skipped", count("files that could not be read")},
              {"skipped_pages", list(object({{"page", text()}, {"why", text()}}))},
              {"engine", text()}});
  std::vector<mcp::Tool> all;
  all.push_back(reading(
      "search", "Search pages",
      web ? "Find pages by words, best first. With source \"web\" the web is searched."
          : "Find pages by words, best first.",
      arguments(
          {{"query", asked("Words to look for, for example: coffee beans. \"In quotes\": exactly so", 500)}},
          {{"source", source},
           {"limit", between("Results at most, 5 if left out", 1, kResultsMax)},
           {"offset",
            between("Results to pass over", 0, static_cast<std::int64_t>(Index::kFoundMax) - kResultsMax)}}),
      object({{"query", text()},
              {"results", list(result)},
              {"missing", list(text("a word that stands on no page"))}},
             {{"next_offset", next}}),
      web));
  all.push_back(reading(
      "read_page", "Read a page",
      web ? "Text of a page by its name from a search, or of a web page by its URL."
          : "Text of a page by its name from a search.",
      arguments({{"page", asked("page of a search result", 2000)}},
                {{"offset", between("Characters to pass over", 0, 1'000'000'000)},
                 {"limit", between("Characters at most, 4000 if left out", 1, kReadMax)}}),
      object({{"page", text()},
              {"title", text()},
              {"source", text()},
              {"kind", text()},
              {"text", text("Markdown")},
              {"offset", count()},
              {"characters", count("of the whole page")},
              {"cut", {{"type", "boolean"}, {"description", "the page was too long to be read whole"}}}},
             {{"next_offset", next}}),
      web));
  all.push_back(
      reading("list_sources", "List sources",
              "What can be searched, with the number of pages; with a source, its pages.",
              arguments({}, {{"source", asked("Name of a source, to list its pages", 200)},
                             {"limit", between("Pages at most, 100 if left out", 1, kListedMax)},
                             {"offset", between("Pages to pass over", 0, 1'000'000'000)}}),
              object({{"sources", list(described)}, {"pages", list(page)}}, {{"next_offset", next}}), web));
  return all;
}

void add_tools(mcp::Server& server, Service& service,
               const std::function<mcp::ToolHandler(mcp::ToolHandler)>& wrap) {
  using Function = Task<mcp::ToolOutput> (*)(Service&, Json, mcp::CallContext&);
  static constexpr Function kFunctions[] = {search_pages, read_page, list_sources};
  const auto all = tools(service.web.has_value());
  for (std::size_t i = 0; i < all.size(); ++i) {
    mcp::ToolHandler handler = [&service, function = kFunctions[i]](Json arguments,
                                                                    mcp::CallContext& context) {
      return function(service, std::move(arguments), context);
    };
    server.add_tool(all[i], wrap ? wrap(std::move(handler)) : std::move(handler));
  }
}

}  // namespace tsukai::search
