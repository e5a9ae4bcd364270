#include <algorithm>
#include <set>

#include "base/random.h"
#include "tools/support/small_library.h"

using namespace tsukai;
using namespace tsukai::search;

namespace {

// A PDF of one page that says `text`.
std::string small_pdf(const std::string& text) {
  const std::string content = "BT /F1 12 Tf 72 700 Td (" + text + ") Tj ET";
  const std::vector<std::string> objects = {
      "<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
      "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
      "<</Length " + std::to_string(content.size()) + ">>stream\n" + content + "\nendstream",
      "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"};
  std::string pdf = "%PDF-1.4\n", table = "0000000000 65535 f \n";
  for (std::size_t i = 0; i < objects.size(); ++i) {
    std::string offset = std::to_string(pdf.size());
    table += std::string(10 - offset.size(), '0') + offset + " 00000 n \n";
    pdf += std::to_string(i + 1) + " 0 obj" + objects[i] + "endobj\n";
  }
  const std::string at = std::to_string(pdf.size());
  return pdf + "xref\n0 6\n" + table + "trailer<</Size 6/Root 1 0 R>>\nstartxref\n" + at + "\n%%EOF\n";
}

}  // namespace

TEST_SUITE("tools/search/index") {
  TEST_CASE("only files that are new or have changed are read again, and deleted ones leave") {
    SmallLibrary small(
        {{"a.md", "# Apples\nred"}, {"b.txt", "Pears\ngreen"}, {"c/d.html", "<p>Plums are blue"}});
    CHECK(small.refresh().read == 3);
    CHECK(small.refresh().read == 0);
    small.write("b.txt", "Pears\nyellow");
    const RefreshReport changed = small.refresh();
    CHECK(changed.read == 1);
    CHECK(changed.gone == 0);
    CHECK(small.found("green").empty());
    CHECK(small.found("yellow") == Paths{"b.txt"});
    std::filesystem::remove(small.dir / "pages/a.md");
    const RefreshReport gone = small.refresh();
    CHECK(gone.read == 0);
    CHECK(gone.gone == 1);
    CHECK(small.found("apples red").empty());
  }

  TEST_CASE("a change is seen by the next call, and the index is there for the next start") {
    SmallLibrary small({{"a.md", "one"}});
    CHECK(small.found("one") == Paths{"a.md"});
    small.write("b.md", "one two");
    CHECK(small.found("two") == Paths{"b.md"});
    small.service.library.reset();
    CHECK(small.refresh().read == 0);
    CHECK(small.found("one").size() == 2);
  }

  TEST_CASE("a file written a moment ago is read once more, for it may have changed within one tick") {
    SmallLibrary small;
    small.dir.write("pages/new.md", "fresh");
    CHECK(small.refresh().read == 1);
    CHECK(small.refresh().read == 1);
  }

  TEST_CASE("PDF files are read, and what can't be read is listed with its reason") {
    SmallLibrary small({{"paper.pdf", small_pdf("Roasting of green beans")},
                        {"broken.pdf", "%PDF-1.4 and nothing else"},
                        {"empty.md", "  \n"}});
    small.write("large.txt", std::string(kFileBytesMax + 1, 'x'));
    CHECK(small.refresh().problems == 3);
    CHECK(small.found("roast") == Paths{"paper.pdf"});
    const Json source = small.good("list_sources", Json::object()).at("sources").at(0);
    CHECK(source.at("pages") == 1);
    CHECK(source.at("pages_by_kind") == Json{{"pdf", 1}});
    CHECK(source.at("skipped") == 3);
    const std::string why = source.at("skipped_pages").dump();
    CHECK(why.find("pdftotext can't read it") != std::string::npos);
    CHECK(why.find("it holds no text") != std::string::npos);
    CHECK(why.find("larger than 16 MiB") != std::string::npos);
    CHECK(small.bad("read_page", {{"page", "pages/broken.pdf"}}).find("pdftotext") != std::string::npos);
    CHECK(small.refresh().read == 0);
  }

  TEST_CASE("several folders have names of their own, and one that is no longer served leaves the index") {
    ScratchDir dir;
    dir.write("x/docs/a.md", "alpha");
    dir.write("y/docs/b.md", "alpha beta");
    Service service;
    service.library = Library::open(dir / "i.db", {dir / "x/docs", dir / "y/docs", dir / "x/docs"}).value();
    REQUIRE(await(service.library->refresh({})).has_value());
    const auto answer = call(service, "search", {{"query", "alpha"}});
    CHECK(answer->structured->at("results").at(0).at("page") == "docs/a.md");
    CHECK(answer->structured->at("results").at(1).at("page") == "docs-2/b.md");
    CHECK(call(service, "search", {{"query", "alpha"}, {"source", "docs-2"}})
              ->structured->at("results")
              .size() == 1);
    service.library.reset();
    service.library = Library::open(dir / "i.db", {dir / "y/docs"}).value();
    CHECK(call(service, "search", {{"query", "alpha"}})->structured->at("results").size() == 1);
    service.library.reset();
    // Without folders: those the index knows.
    service.library = Library::open(dir / "i.db", {}).value();
    CHECK(call(service, "list_sources", Json::object())->structured->at("sources").at(0).at("name") ==
          "docs-2");
    CHECK(Library::open(dir / "none.db", {}).error().text().find("--folder") != std::string::npos);
    CHECK(Library::open(dir / "i.db", {dir / "gone"}).error().code() == Code::kNotFound);
    dir.write("no.db", std::string(5000, 'x'));
    CHECK(Library::open(dir / "no.db", {dir / "x"}).error().code() == Code::kCorrupt);
  }

  TEST_CASE("several calls at once index once, and each is told of the progress or waits") {
    std::vector<std::pair<std::string, std::string>> pages;
    for (int i = 0; i < 600; ++i)
      pages.emplace_back("p" + std::to_string(i) + ".md", "common word" + std::to_string(i));
    SmallLibrary small(pages);
    Service& service = small.service;
    small.library();
    QuietContext first, second;
    asio::io_context context;
    const auto both = [](Service& service, QuietContext& first, QuietContext& second) -> Task<void> {
      std::optional<Result<mcp::ToolOutput>> a, b;
      co_await both_end(keep(search_pages(service, {{"query", "word17"}}, first), &a),
                        keep(search_pages(service, {{"query", "word599"}}, second), &b));
      CHECK((*a)->structured->at("results").size() == 1);
      CHECK((*b)->structured->at("results").size() == 1);
      co_return Result<void>();
    };
    REQUIRE(run_to_end(context, both(service, first, second)).has_value());
    CHECK(first.messages.size() >= 2);
    CHECK(second.messages.empty());
  }
}

TEST_SUITE("tools/search/ranking") {
  TEST_CASE("a title counts more than the text, and all words more than some") {
    SmallLibrary small(
        {{"a.md", "# Coffee\nIt is black."},
         {"b.md", "# Drinks\nTea, coffee, milk, water and many other things to drink in the city."},
         {"c.md", "# Beans\nGreen ones."},
         {"d.md", "# Shops\nOne sells coffee, another one beans, a third one both of them."}});
    CHECK(small.found("coffee") == Paths{"a.md", "d.md", "b.md"});
    CHECK(small.found("coffee beans") == Paths{"d.md"});
    CHECK(small.found("milk beans").size() >= 2);
    const Json some = small.good("search", {{"query", "milk beans zebra"}});
    CHECK(some.at("missing") == Json{"zebra"});
    CHECK(small.found("zebra").empty());
    CHECK(small.found("beans zebra").size() == 2);
  }

  TEST_CASE("the order is that of SQLite's own BM25, which counts every page with every word") {
    Random random(20);
    MESSAGE("seed 20");
    const std::vector<std::string> vocabulary = {"amber", "basil", "cedar", "delta",
                                                 "ember", "flint", "grove", "heron"};
    std::vector<std::pair<std::string, std::string>> pages;
    for (int i = 0; i < 60; ++i) {
      std::string text = "# " + vocabulary[random.below(8)] + "\n";
      // The later ones stand on fewer pages.
      for (std::uint64_t k = 3 + random.below(30); k > 0; --k)
        text += vocabulary[random.below(1 + random.below(8))] + " ";
      pages.emplace_back("p" + std::to_string(i) + ".md", text);
    }
    SmallLibrary small(pages);
    small.refresh();
    auto opened = Database::open(small.dir / "index.db");
    REQUIRE(opened.has_value());
    for (const std::string query : {"heron", "grove heron", "amber", "basil cedar flint", "delta ember"}) {
      const auto terms = parse_query(query);
      REQUIRE(terms.has_value());
      std::string all;
      for (const Term& term : *terms) all += (all.empty() ? "" : " AND ") + term.expression();
      Paths expected;
      for (const std::string columns : {"{title} : ", ""}) {
        auto ranked = opened->prepare(
            "SELECT page.path FROM page_index JOIN page ON page.id=page_index.rowid WHERE page_index MATCH "
            "?1 "
            "ORDER BY bm25(page_index, 6.0, 1.0), page.id");
        REQUIRE(ranked.has_value());
        const std::string match = columns + "(" + all + ")";
        ranked->bind(1, std::string_view(match));
        while (*ranked->step()) {
          if (std::find(expected.begin(), expected.end(), ranked->text(0)) == expected.end())
            expected.push_back(ranked->text(0));
        }
      }
      REQUIRE(!expected.empty());
      expected.resize(std::min<std::size_t>(expected.size(), 20));
      auto found = small.found(query);
      found.resize(std::min(found.size(), expected.size()));
      expected.resize(found.size());
      CHECK_MESSAGE(found == expected, query);
    }
  }

  TEST_CASE("the name of the file counts as part of the title") {
    SmallLibrary small(
        {{"opening-hours.md", "From nine to five."}, {"other.md", "# Other\nOpening hours are long."}});
    CHECK(small.found("opening hours")[0] == "opening-hours.md");
  }

  TEST_CASE("phrases are found in their order alone") {
    SmallLibrary small({{"a.md", "the old gate"}, {"b.md", "the gate is old"}});
    CHECK(small.found("\"old gate\"") == Paths{"a.md"});
    CHECK(small.found("old gate").size() == 2);
  }

  TEST_CASE("Chinese and Japanese are found by any part of a word, and only where it stands") {
    SmallLibrary small({{"a.md", "# 老城门\n城门附近有咖啡馆。"},
                        {"b.md", "# 咖啡\n豆子和咖啡机。"},
                        {"c.md", "# 珈琲\nコーヒー豆を買う。"},
                        {"d.md", "门前的城"}});
    CHECK(small.found("城门") == Paths{"a.md"});
    CHECK(small.found("咖啡") == Paths{"b.md", "a.md"});
    CHECK(small.found("咖啡馆") == Paths{"a.md"});
    CHECK(small.found("ヒー豆") == Paths{"c.md"});
    CHECK(small.found("门").size() == 2);
    // A whole question is nowhere as such: its parts are.
    CHECK(small.found("城门附近哪里有咖啡馆")[0] == "a.md");
    CHECK(small.found("火车站").empty());
  }

  TEST_CASE("results are given in pages that join without gap or repetition") {
    std::vector<std::pair<std::string, std::string>> pages;
    for (int i = 0; i < 30; ++i)
      pages.emplace_back("p" + std::to_string(i) + ".md", std::string(i + 1, 'x') + " gate");
    SmallLibrary small(pages);
    std::set<std::string> seen;
    Json arguments = {{"query", "gate"}, {"limit", 7}};
    for (int calls = 0; calls < 10; ++calls) {
      const Json answer = small.good("search", arguments);
      for (const Json& one : answer.at("results")) CHECK(seen.insert(one.at("page")).second);
      if (!answer.contains("next_offset")) break;
      arguments["offset"] = answer.at("next_offset");
    }
    CHECK(seen.size() == 30);
    arguments["offset"] = 180;
    CHECK(small.good("search", arguments).at("results").empty());
  }
}
