// A folder of pages, its index and calls of the search tools, for tests.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/await.h"
#include "support/scratch_dir.h"
#include "support/tool_calls.h"
#include "tools/search/tools.h"

namespace tsukai::search {

// Counts progress; never cancelled.
class QuietContext : public mcp::CallContext {
 public:
  void progress(double done, double total, std::string message) override {
    CHECK(done <= total);
    messages.push_back(std::move(message));
  }
  bool cancelled() const override { return false; }
  std::vector<std::string> messages;
};

inline Result<mcp::ToolOutput> call(Service& service, std::string_view name, const Json& arguments) {
  constexpr std::size_t kTextMax = 64 << 10;
  const auto all = tools(service.web.has_value());
  using Function = Task<mcp::ToolOutput> (*)(Service&, Json, mcp::CallContext&);
  const Function functions[] = {search_pages, read_page, list_sources};
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].name != name) continue;
    QuietContext context;
    return checked_call(all[i], arguments, kTextMax,
                        [&] { return await(functions[i](service, arguments, context)); });
  }
  FAIL("no such tool");
  return fail(Code::kNotFound, "no such tool");
}

struct SmallLibrary {
  explicit SmallLibrary(std::vector<std::pair<std::string, std::string>> pages = {}) {
    std::filesystem::create_directories(dir / "pages");
    for (const auto& [path, text] : pages) write(path, text);
  }

  // Files are dated back: those written just now are read again at the next look, to be safe.
  void write(const std::string& path, const std::string& text) {
    const std::string file = dir.write("pages/" + path, text);
    const auto past = std::filesystem::file_time_type::clock::now() - std::chrono::seconds(100 + aged);
    std::filesystem::last_write_time(file, past);
    --aged;
  }

  Library& library() {
    if (!service.library) {
      auto opened = Library::open(dir / "index.db", {dir / "pages"});
      REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().text()));
      service.library = *std::move(opened);
    }
    return *service.library;
  }
  RefreshReport refresh() {
    auto report = await(library().refresh({}));
    REQUIRE_MESSAGE(report.has_value(), (report ? "" : report.error().text()));
    return *report;
  }
  Json good(std::string_view tool, const Json& arguments) {
    library();
    return structured_of(call(service, tool, arguments));
  }
  std::string bad(std::string_view tool, const Json& arguments) {
    library();
    return error_of(call(service, tool, arguments));
  }
  // The pages found, without the folder's name.
  std::vector<std::string> found(const std::string& query) {
    std::vector<std::string> paths;
    const Json answer = good("search", {{"query", query}, {"limit", 20}});
    for (const Json& one : answer.at("results")) paths.push_back(one.at("page").get<std::string>().substr(6));
    return paths;
  }

  ScratchDir dir;
  int aged = 1000;
  Service service;
};

using Paths = std::vector<std::string>;

}  // namespace tsukai::search
