#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tools/tsukai/call_arguments.h"
#include "tools/tsukai/columns.h"
#include "tools/tsukai/output.h"
#include "tools/tsukai/text_wrap.h"

namespace tsukai::cli {

TEST_SUITE("tools/tsukai/text_wrap") {
  TEST_CASE("text is broken between words, wherever the pieces end, and each line is indented") {
    const std::string text = "A map is a picture of a place.\n\n  - with an item\nend";
    const std::string wanted = "  A map is a picture\n  of a place.\n\n    - with an item\n  end";
    CHECK(wrapped(text, 22, 2) == wanted);
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      CAPTURE(cut);
      TextWrap wrap(2);
      std::string out = wrap.feed(text.substr(0, cut), 22) + wrap.feed(text.substr(cut), 22);
      out += wrap.flush(22);
      CHECK(out == wanted);
    }
    CHECK(wrapped(text, 0) == text);
    CHECK(wrapped("", 80, 2) == "");
  }

  TEST_CASE("no line is wider than the terminal, and nothing but spaces at a break is left out") {
    const std::string text =
        "short 旧門珈琲、焙煎所。とても長い行です averyveryverylongwordwithoutanyspaceinit end " +
        std::string(90, 'x');
    for (std::size_t cells = 20; cells < 60; ++cells) {
      CAPTURE(cells);
      const auto out = wrapped(text, cells, 2);
      std::string bare, line;
      for (const char c : out + "\n") {
        if (c != '\n') {
          line += c;
          if (c != ' ') bare += c;
          continue;
        }
        CHECK(display_width(line) < cells);
        CHECK(line.substr(0, 2) == "  ");
        CHECK(line.substr(2, 3) != "、");
        CHECK(line.substr(2, 3) != "。");
        line.clear();
      }
      std::string same;
      for (const char c : text)
        if (c != ' ') same += c;
      CHECK(bare == same);
    }
  }
}

TEST_SUITE("tools/tsukai/columns") {
  TEST_CASE("columns are aligned by what a terminal shows, not by bytes") {
    Table table({{"NAME"}, {"N", Align::kRight}, {"PLACE"}});
    table.add({"旧門", "7", "é"});
    table.add({"gate", "12", "x"});
    CHECK(table.lines(0, true) == std::vector<std::string>{"NAME   N  PLACE", "旧門   7  é", "gate  12  x"});
  }

  TEST_CASE("on a narrow terminal the widest shrinking column gives way") {
    Table table({{"ID"}, {"TASK", Align::kLeft, true}});
    table.add({"abc", "a long sentence that has no room"});
    const auto lines = table.lines(20, true);
    CHECK(lines[1] == "abc  a long sentenc…");
    for (const auto& line : lines) CHECK(display_width(line) <= 20);
    CHECK(table.lines(0, true)[1] == "abc  a long sentence that has no room");
  }

  TEST_CASE("a wide character is not cut in half") {
    CHECK(cut_to_width("旧門珈琲", 5) == "旧門…");
    CHECK(cut_to_width("旧門珈琲", 6) == "旧門…");
    CHECK(cut_to_width("旧門珈琲", 8) == "旧門珈琲");
    CHECK(cut_to_width("two\nlines", 20) == "two lines");
  }

  TEST_CASE("nothing that is shown can move the cursor, change colours or reorder text") {
    CHECK(printable("\x1b[2Jgone\x07") == "^[[2Jgone^G");
    CHECK(printable("a\xc2\x9b"
                    "b") == "aU+009Bb");
    CHECK(printable("\xe2\x80\xaetxt.exe") == "U+202Etxt.exe");
    CHECK(printable("line\r\nnext\tcell") == "line\nnext\tcell");
    CHECK(printable("bad \xff byte") == "bad \xef\xbf\xbd byte");
  }

  TEST_CASE("numbers, times and sizes read well") {
    CHECK(grouped(1234567) == "1,234,567");
    CHECK(grouped(-999) == "-999");
    CHECK(duration_text(840) == "840 ms");
    CHECK(duration_text(2345) == "2.3 s");
    CHECK(duration_text(245'000) == "4 min 05 s");
    CHECK(bytes_text(98'123'456) == "98.1 MB");
    CHECK(ago_text(0, 200'000) == "3 min ago");
    CHECK(counted(1, "tool", "tools") == "1 tool");
  }
}

TEST_SUITE("tools/tsukai/call_arguments") {
  const Json kSchema = Json::parse(R"({"type": "object", "properties": {
      "name": {"type": "string"}, "count": {"type": "integer"}, "tags": {"type": ["array", "null"]},
      "id": {"type": ["string", "integer"]}}})");

  TEST_CASE("the schema decides whether a value is text or JSON") {
    CHECK(*call_arguments({"name=7", "count=7", "id=7", "unknown=7"}, kSchema) ==
          Json({{"name", "7"}, {"count", 7}, {"id", "7"}, {"unknown", "7"}}));
    CHECK(*call_arguments({"tags=[1, 2]"}, kSchema) == Json({{"tags", {1, 2}}}));
    CHECK(*call_arguments({"name:=null", "id:=7"}, kSchema) == Json({{"name", nullptr}, {"id", 7}}));
    CHECK(*call_arguments({"name=a=b"}, kSchema) == Json({{"name", "a=b"}}));
    CHECK(*call_arguments({}, kSchema) == Json::object());
  }

  TEST_CASE("one JSON object is taken as it is, also where it does not fit the schema") {
    CHECK(*call_arguments({R"( {"count": "x"})"}, kSchema) == Json({{"count", "x"}}));
    CHECK_FALSE(needs_schema({R"({"count": 1})"}));
    CHECK(needs_schema({"count=1"}));
  }

  TEST_CASE("a malformed pair is named") {
    CHECK(call_arguments({"count=many"}, kSchema).error().message() == "count: \"many\" is no JSON value");
    CHECK(call_arguments({"name"}, kSchema).error().message() ==
          "argument \"name\" is neither key=value nor a JSON object");
    CHECK(call_arguments({"=x"}, kSchema).error().code() == Code::kInvalidArgument);
    CHECK(call_arguments({":=x"}, kSchema).error().code() == Code::kInvalidArgument);
    CHECK(call_arguments({"name=a", "name=b"}, kSchema).error().message() == "argument name is given twice");
    CHECK(call_arguments({R"({"a": )"}, kSchema).error().message().starts_with("arguments: "));
  }
}

}  // namespace tsukai::cli
