// The habits of the house, checked like anything else: the arrows between folders, and what a reviewer would
// say.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kLinesMax = 700;

// What each folder of src/ and tools/ may include (docs/ARCHITECTURE.md, "The map"). infer/model.h is the one
// header of infer that planner may see.
const std::map<std::string, std::set<std::string>> kArrows = {
    {"src/base", {"base"}},
    {"src/infer", {"infer", "base"}},
    {"src/mcp", {"mcp", "base"}},
    {"src/memory", {"memory", "base"}},
    {"src/planner", {"planner", "infer/model.h", "base"}},
    {"src/agent", {"agent", "planner", "memory", "mcp", "infer", "base"}},
    {"tools/maps", {"mcp", "base", "tools/maps"}},
    {"tools/search", {"mcp", "base", "tools/search"}},
    {"tools/shop", {"mcp", "base", "tools/shop"}},
    {"tools/tsukai", {"agent", "planner", "memory", "mcp", "infer", "base", "tools/tsukai"}},
};
const std::set<std::string> kFolders = {"base",    "infer", "mcp",   "memory",
                                        "planner", "agent", "tools", "serve"};

struct SourceFile {
  fs::path path;      // absolute
  std::string place;  // "src/agent/run.cc"
  std::vector<std::string> lines;
};

std::vector<SourceFile> sources(const std::vector<std::string>& folders) {
  std::vector<SourceFile> found;
  const fs::path root(TSUKAI_SOURCE_DIR);
  for (const auto& folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string extension = entry.path().extension().string();
      if (extension != ".h" && extension != ".cc" && extension != ".cu" && extension != ".cuh") continue;
      SourceFile file{entry.path(), fs::relative(entry.path(), root).generic_string(), {}};
      std::ifstream in(entry.path());
      for (std::string line; std::getline(in, line);) file.lines.push_back(line);
      found.push_back(std::move(file));
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.place < b.place; });
  return found;
}

const std::vector<SourceFile>& code() {
  static const std::vector<SourceFile> files = sources({"src", "tools"});
  return files;
}

// The quoted includes of a file, in order.
std::vector<std::string> own_includes(const SourceFile& file) {
  static const std::regex pattern("^\\s*#\\s*include\\s+\"([^\"]+)\"");
  std::vector<std::string> names;
  for (const auto& line : file.lines) {
    std::smatch match;
    if (std::regex_search(line, match, pattern)) names.push_back(match[1]);
  }
  return names;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Each offence as a line; the test fails with all of them.
struct Offences {
  std::vector<std::string> lines;
  void add(const SourceFile& file, std::size_t line, const std::string& what) {
    lines.push_back(fmt::format("{}:{}: {}", file.place, line, what));
  }
  ~Offences() {
    std::string all;
    for (const auto& line : lines) all += "\n  " + line;
    CHECK_MESSAGE(lines.empty(), all);
  }
};

// The line without string literals and comments, so that words in them do not count.
std::string bare(const std::string& line) {
  static const std::regex strings("\"(\\\\.|[^\"\\\\])*\"");
  std::string out = std::regex_replace(line, strings, "\"\"");
  if (const auto at = out.find("//"); at != std::string::npos) out.resize(at);
  return out;
}

}  // namespace

TEST_SUITE("tidy") {
  TEST_CASE("there is code to check") {
    CHECK(code().size() > 20);
    CHECK(std::any_of(code().begin(), code().end(),
                      [](const auto& f) { return f.place == "src/base/result.h"; }));
  }

  TEST_CASE("no include runs against the arrows between folders") {
    Offences offences;
    for (const auto& file : code()) {
      const auto second = file.place.find('/', file.place.find('/') + 1);
      const auto arrows = kArrows.find(file.place.substr(0, second));
      if (arrows == kArrows.end()) {
        if (!ends_with(file.place, "/CMakeLists.txt") && file.place.rfind("tools/train/", 0) != 0) {
          offences.add(file, 1,
                       "its folder has no arrows in tests/tidy_test.cc: add them, and say why in "
                       "docs/ARCHITECTURE.md");
        }
        continue;
      }
      for (const auto& name : own_includes(file)) {
        const std::string folder = name.substr(0, name.find('/'));
        if (kFolders.count(folder) == 0) {
          offences.add(file, 1, fmt::format("#include \"{}\" does not start at src/ or the root", name));
          continue;
        }
        const bool allowed =
            std::any_of(arrows->second.begin(), arrows->second.end(),
                        [&](const std::string& to) { return name == to || name.rfind(to + "/", 0) == 0; });
        if (!allowed) offences.add(file, 1, fmt::format("#include \"{}\" runs against the arrows", name));
      }
    }
  }

  TEST_CASE("every header has #pragma once, and every source its own header first") {
    Offences offences;
    for (const auto& file : code()) {
      if (ends_with(file.place, ".h")) {
        const bool has = std::find(file.lines.begin(), file.lines.end(), "#pragma once") != file.lines.end();
        if (!has) offences.add(file, 1, "no #pragma once");
        const bool says = !file.lines.empty() && file.lines.front().rfind("//", 0) == 0;
        if (!says) offences.add(file, 1, "its first line does not say what it is");
        continue;
      }
      fs::path header = file.path;
      header.replace_extension(".h");
      const auto names = own_includes(file);
      if (!fs::exists(header) || names.empty()) continue;
      if (fs::path(names.front()).filename() != header.filename())
        offences.add(file, 1, "its own header is not its first include");
    }
  }

  TEST_CASE("no file is longer than a person reads in one sitting") {
    Offences offences;
    for (const auto& folder : {std::string("src"), std::string("tools"), std::string("tests")}) {
      for (const auto& file : sources({folder})) {
        if (file.lines.size() > kLinesMax)
          offences.add(file, file.lines.size(), fmt::format("more than {} lines", kLinesMax));
      }
    }
  }

  TEST_CASE("nothing in src or tools is left to do later") {
    static const std::regex later("\\b(TODO|FIXME|XXX|HACK|not implemented|unimplemented)\\b");
    Offences offences;
    for (const auto& file : code()) {
      for (std::size_t i = 0; i < file.lines.size(); ++i) {
        if (std::regex_search(file.lines[i], later)) offences.add(file, i + 1, "left to do later");
      }
    }
  }

  TEST_CASE("src prints nothing by itself: results go up, diagnostics to the log") {
    static const std::regex prints("std::(cout|cerr)|\\bprintf\\s*\\(|\\bputs\\s*\\(");
    Offences offences;
    for (const auto& file : code()) {
      if (file.place.rfind("src/", 0) != 0) continue;
      for (std::size_t i = 0; i < file.lines.size(); ++i) {
        const std::string line = bare(file.lines[i]);
        // check_failed() is the one place that must speak before it ends the process.
        if (std::regex_search(line, prints) && file.place != "src/base/result.cc")
          offences.add(file, i + 1, "prints");
      }
    }
  }

  TEST_CASE("nothing runs detached, and nobody throws across folders") {
    static const std::regex detached("\\bdetached\\b");
    static const std::regex throws("^\\s*throw\\b|[;{)]\\s*throw\\b");
    // The Jinja interpreter unwinds its recursion by an exception that chat/template.cc catches.
    const std::string unwinds = "src/infer/chat/jinja_";
    Offences offences;
    for (const auto& file : code()) {
      if (file.place.rfind("src/", 0) != 0) continue;
      for (std::size_t i = 0; i < file.lines.size(); ++i) {
        const std::string line = bare(file.lines[i]);
        if (std::regex_search(line, detached))
          offences.add(file, i + 1, "detached: children belong to a Gate");
        if (std::regex_search(line, throws) && file.place.rfind(unwinds, 0) != 0)
          offences.add(file, i + 1, "throws: return a Result");
      }
    }
  }

  TEST_CASE("no mutex in agent, planner and mcp: they live on one thread") {
    static const std::regex mutexes("std::(mutex|shared_mutex|recursive_mutex|lock_guard|unique_lock)");
    Offences offences;
    for (const auto& file : code()) {
      for (const auto* folder : {"src/agent/", "src/planner/", "src/mcp/"}) {
        if (file.place.rfind(folder, 0) != 0) continue;
        for (std::size_t i = 0; i < file.lines.size(); ++i) {
          if (std::regex_search(bare(file.lines[i]), mutexes))
            offences.add(file, i + 1, "a mutex on the io thread");
        }
      }
    }
  }

  TEST_CASE("headers stay light: JSON by its forward declarations, no Beast") {
    // Parts of one .cc file or two that were split for length, and the precompiled headers: nobody includes
    // them.
    const std::set<std::string> parts = {"src/agent/condition_parser.h", "src/agent/recorded.h",
                                         "src/base/precompiled.h"};
    Offences offences;
    for (const auto& file : code()) {
      if (parts.count(file.place) != 0) continue;
      if (!ends_with(file.place, ".h") || file.place.rfind("src/", 0) != 0) continue;
      for (std::size_t i = 0; i < file.lines.size(); ++i) {
        if (file.lines[i].find("<nlohmann/json.hpp>") != std::string::npos)
          offences.add(file, i + 1, "json.hpp in a header");
        if (file.lines[i].find("<boost/beast") != std::string::npos)
          offences.add(file, i + 1, "Beast in a header");
      }
    }
  }

  TEST_CASE("test names are sentences") {
    static const std::regex test_case("TEST_CASE\\(\"([^\"]*)\"");
    Offences offences;
    for (const auto& file : sources({"tests"})) {
      for (std::size_t i = 0; i < file.lines.size(); ++i) {
        std::smatch match;
        if (!std::regex_search(file.lines[i], match, test_case)) continue;
        const std::string name = match[1];
        if (std::count(name.begin(), name.end(), ' ') < 2)
          offences.add(file, i + 1, fmt::format("\"{}\" is no sentence", name));
      }
    }
  }
}
