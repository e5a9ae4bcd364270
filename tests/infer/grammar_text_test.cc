// Free text up to a mark.
#include <doctest/doctest.h>

#include "infer/grammar/grammar.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

std::unique_ptr<Matcher> matcher_of(std::shared_ptr<const Grammar> grammar) {
  return Matcher::make(std::move(grammar), nullptr);
}
bool writes(const std::shared_ptr<const Grammar>& grammar, std::string_view text) {
  auto matcher = matcher_of(grammar);
  return matcher->accept(text) && matcher->may_end();
}

}  // namespace

TEST_SUITE("infer/grammar/text") {
  TEST_CASE("any text without the mark may be written, and none with it") {
    const auto grammar = Grammar::text_until({"</p>"});
    REQUIRE(grammar.has_value());
    for (const char* text : {"", "a", "</p", "<", "<</p", "</</p /p>", "東京 🦊 \u00e9", "\n\t\"{}", "<p>"}) {
      CAPTURE(text);
      CHECK(writes(*grammar, text));
    }
    for (const char* text : {"</p>", "a</p>", "</p></p>", "<</p>", "東</p>b"}) {
      CAPTURE(text);
      CHECK_FALSE(writes(*grammar, text));
    }
    CHECK(writes(*grammar, std::string(100'000, 'x')));
  }

  TEST_CASE("of several marks none may be written, also where one holds the beginning of another") {
    const auto grammar = Grammar::text_until({"abcd", "bce", "</x>"});
    REQUIRE(grammar.has_value());
    CHECK(writes(*grammar, "abc"));
    CHECK(writes(*grammar, "abcbcd"));
    CHECK_FALSE(writes(*grammar, "abce"));
    CHECK_FALSE(writes(*grammar, "ababcd"));
    CHECK_FALSE(writes(*grammar, "</</x>"));
  }

  TEST_CASE("only whole and well-formed UTF-8 is text") {
    const auto grammar = *Grammar::text_until({"!"});
    for (const char* bad :
         {"\xff", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\x80"})
      CHECK_FALSE(matcher_of(grammar)->accept(bad));
    for (const char* half : {"\xe6", "\xe6\x9d", "\xf0\x9f\xa6", "\xc3"}) {
      auto matcher = matcher_of(grammar);
      CHECK(matcher->accept(half));
      CHECK_FALSE(matcher->may_end());
      CHECK(matcher->accept(matcher->shortest_completion()));
      CHECK(matcher->may_end());
    }
    for (const char* edge :
         {"\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
      CHECK(writes(grammar, edge));
  }

  TEST_CASE("the mark after the text ends it, and nothing else does") {
    const auto grammar =
        Grammar::sequence({{"<p>", nullptr}, {"", *Grammar::text_until({"</p>"})}, {"</p>", nullptr}});
    auto matcher = matcher_of(grammar);
    CHECK(matcher->forced() == "<p>");
    CHECK(matcher->accept("<p>one < two </p two"));
    CHECK_FALSE(matcher->may_end());
    CHECK(matcher->forced().empty());
    CHECK(matcher->shortest_completion() == "</p>");
    CHECK(matcher->accept("</p"));
    CHECK(matcher->clone()->accept(" again"));
    CHECK(matcher->accept(">"));
    CHECK(matcher->must_end());
  }

  TEST_CASE("a mark that is empty, not ASCII, or overlaps itself is refused") {
    for (const char* bad : {"", "é", "aba", "aa", "\n-\n"})
      CHECK(Grammar::text_until({bad}).error().code() == Code::kInvalidArgument);
    CHECK(writes(*Grammar::text_until({}), "anything"));
  }
}
