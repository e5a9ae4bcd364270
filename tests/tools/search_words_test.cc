#include <doctest/doctest.h>

#include "tools/search/query.h"
#include "tools/search/snippet.h"
#include "tools/search/words.h"

using namespace tsukai::search;

namespace {

std::string marked(std::string_view text, std::string_view query) {
  const auto terms = parse_query(query);
  REQUIRE(terms.has_value());
  return snippet(text, *terms);
}

std::vector<std::string> expressions(std::string_view query) {
  std::vector<std::string> all;
  const auto terms = parse_query(query);
  if (!terms) return all;
  for (const Term& term : *terms) all.push_back(term.expression());
  return all;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_SUITE("tools/search/words") {
  TEST_CASE("case, diacritics, width and English endings make no difference") {
    CHECK(index_text("Café CAFE ｃａｆｅ cafes") == "cafe cafe cafe cafe");
    CHECK(index_text("roasts roasted roasting roast") == "roast roast roast roast");
    CHECK(index_text("City cities, pony ponies") == "citi citi poni poni");
    CHECK(index_text("hopping hoped agreed feed classes glass") == "hop hope agree feed class glass");
    CHECK(index_text("Straße STRASSE Ünüversität") == "strasse strasse unuversitat");
  }

  TEST_CASE("runs of Chinese and Japanese become pairs and their last character") {
    CHECK(index_text("咖啡豆") == "咖啡 啡豆 豆");
    CHECK(index_text("老城门 Gate 茶") == "老城 城门 门 gate 茶");
    CHECK(index_text("コーヒー・豆") == "コー ーヒ ヒー ー 豆");
    CHECK(index_text("ｺｰﾋｰ") == index_text("コーヒー"));
    CHECK(index_text("が") == "が");
  }

  TEST_CASE("anything is split without harm, and words know where they stand") {
    CHECK(index_text("").empty());
    CHECK(index_text("\xff\xfe\x80 a\xc3").find('a') == 0);
    CHECK(index_text("*\"(NEAR) OR --") == "near or");
    const std::string text = "Ein Café, 咖啡";
    for (const Word& word : words(text)) {
      CHECK(word.end > word.begin);
      CHECK(word.end <= text.size());
    }
    CHECK(words(text)[1].begin == 4);
    CHECK(text.substr(words(text)[2].begin) == "咖啡");
    CHECK(words(std::string(1000, 'x'))[0].form.size() == 64);
  }

  TEST_CASE("a query is terms: words, quoted phrases, runs of Chinese; stop words only when alone") {
    CHECK(expressions("the coffee at the Old Gate") == Texts{"\"coffee\"", "\"old\"", "\"gate\""});
    CHECK(expressions("the") == Texts{"\"the\""});
    CHECK(expressions("\"Old Gate\" coffee coffees") == Texts{"\"old gate\"", "\"coffee\""});
    CHECK(expressions("老城门的 beans") == Texts{"\"老城 城门 门的\"", "\"bean\""});
    CHECK(expressions("茶") == Texts{"\"茶\"*"});
    CHECK(expressions("\"咖啡豆\"") == Texts{"\"咖啡 啡豆\""});
    CHECK(expressions("\"unclosed phrase") == Texts{"\"unclos\"", "\"phrase\""});
    CHECK(expressions("a\" OR NOT (x*) : ^ -y") == Texts{"\"not\"", "\"x\"", "\"y\""});
  }

  TEST_CASE("a query without a word says what to give, and a long one is cut") {
    for (const char* query : {"", "  ", "?!", "\"\"", "、。", "\xff"}) {
      CAPTURE(query);
      const auto terms = parse_query(query);
      REQUIRE_FALSE(terms.has_value());
      CHECK(terms.error().text().find("one or more words") != std::string::npos);
    }
    std::string many;
    for (int i = 0; i < 100; ++i) many += " word" + std::to_string(i);
    CHECK(expressions(many).size() == kTermsMax);
  }
}

TEST_SUITE("tools/search/snippet") {
  TEST_CASE("hits are marked in whatever form they stand there") {
    CHECK(marked("They roasted the Beans today.", "roast bean") == "They **roasted** the **Beans** today.");
    CHECK(marked("老城门附近出售咖啡豆。", "咖啡豆") == "老城门附近出售**咖啡豆**。");
    CHECK(marked("喝茶、茶室", "茶") == "喝**茶**、**茶**室");
    CHECK(marked("the old gate, the gate is old", "\"old gate\"") == "the **old gate**, the gate is old");
  }

  TEST_CASE("the stretch with most of the terms is shown, on one line, with what is left out told") {
    std::string text = "Coffee here.\n";
    for (int i = 0; i < 60; ++i) text += "Nothing of interest stands in this line.\n";
    text += "Coffee beans are sold at the gate.\n";
    for (int i = 0; i < 60; ++i) text += "Nothing again, and again nothing.\n";
    const std::string shown = marked(text, "coffee beans gate");
    CHECK(shown.find("**Coffee** **beans** are sold at the **gate**.") != std::string::npos);
    CHECK(shown.starts_with("… "));
    CHECK(shown.ends_with(" …"));
    CHECK(shown.find('\n') == std::string::npos);
    CHECK(shown.size() < 2 * kSnippetBytes);
  }

  TEST_CASE("a text without hits shows its beginning, and no character is cut in half") {
    CHECK(marked("Short text", "absent") == "Short text");
    std::string text;
    for (int i = 0; i < 300; ++i) text += "城";
    const std::string shown = marked(text, "absent");
    CHECK(shown.ends_with("城 …"));
    CHECK(shown.size() <= kSnippetBytes + 10);
    CHECK(marked(text + "门" + text, "城门").find("**城门**") != std::string::npos);
  }
}
