#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/text.h"
#include "support/scratch_dir.h"
#include "tools/search/folder.h"
#include "tools/search/page_text.h"
#include "tools/search/service.h"

using namespace tsukai;
using namespace tsukai::search;

TEST_SUITE("tools/search/page_text") {
  TEST_CASE("Markdown has its title from the front matter, else from the first heading") {
    const PageText page =
        markdown_page("---\ntitle: \"The *old* gate\"\ntags: [a]\n---\n# Another\n\nText.\n");
    CHECK(page.title == "The old gate");
    CHECK(page.text == "# Another\n\nText.");
    CHECK(markdown_page("\xef\xbb\xbf"
                        "text\r\n\r\n\r\n\r\n## A [link](x.md) ##\r\nmore")
              .title == "A link");
    CHECK(markdown_page("text\r\n\r\n\r\n\r\nmore").text == "text\n\nmore");
    CHECK(markdown_page("---\nno end of front matter").text == "---\nno end of front matter");
    CHECK(markdown_page("#hash tag\n").title.empty());
  }

  TEST_CASE("plain text of Markdown has no link targets, marks, rulers or fences") {
    CHECK(plain_text("## *Where* to [buy](beans.md \"x\") `it`\n---\n- ![pic](p.png) one\n> two\n| a | b "
                     "|\n|---|---|\n") == "Where to buy it\npic one\ntwo\n a  b \n");
    CHECK(plain_text("[1] and (2) [open](") == "[1] and (2) [open](\n");
  }

  TEST_CASE("HTML is read as a reader sees it") {
    const PageText page = html_page(
        "<!doctype html><html><head><title>Tea &amp;\n cake</title><style>p{}</style></head><body>"
        "<nav><a href=/>Home</a></nav><h1>Tea</h1><p>Green <b>tea</b>&nbsp;&mdash; <a href='buy.html'>buy "
        "it</a>."
        "<script>alert('no')</script><ul><li>one<li>two</ul><table><tr><td>a<td>b</table>"
        "<form><input><button>Go</button></form><a href='javascript:x'>plain</a><a href='p.png'><img></a>"
        "<footer>imprint</footer></body></html>");
    CHECK(page.title == "Tea & cake");
    CHECK(page.text.find("# Tea\n") == 0);
    CHECK(page.text.find("[buy it](buy.html)") != std::string::npos);
    CHECK(page.text.find("- one\n- two") != std::string::npos);
    CHECK(page.text.find("a | b") != std::string::npos);
    CHECK(page.text.find("plain") != std::string::npos);
    for (const char* hidden : {"Home", "alert", "Go", "imprint", "p{}", "javascript", "p.png"}) {
      CAPTURE(hidden);
      CHECK(page.text.find(hidden) == std::string::npos);
    }
  }

  TEST_CASE("HTML without a title takes its first heading, and broken HTML is read all the same") {
    CHECK(html_page("<h1>The <i>gate</i></h1>text").title == "The gate");
    CHECK(html_page("<p>one<div>two</span></div></b>three").text == "one\n\ntwo\nthree");
    CHECK(html_page("just words").text == "just words");
    CHECK(html_page("").text.empty());
    CHECK(html_page("<").text.size() <= 1);
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += "<div>";
    CHECK(html_page(deep + "bottom").text.size() < 10);
  }

  TEST_CASE("the encoding comes from the bytes, from what the transport says, or from the page") {
    CHECK(html_page("<p>café 咖啡").text == "café 咖啡");
    CHECK(html_page("<p>caf\xe9").text == "café");
    CHECK(html_page("<p>\x83\x52\x81\x5b\x83\x71\x81\x5b", "Shift_JIS").text == "コーヒー");
    CHECK(html_page("<meta charset=\"gb2312\"><p>\xbf\xa7\xb7\xc8").text == "咖啡");
    CHECK(valid_utf8(html_page("<p>\xbf\xa7\xb7", "no-such-charset").text));
  }

  TEST_CASE("text is cleaned and bounded") {
    const PageText page = plain_page("\x01Title\x1b[31m\nline\fnext\ttab \xff end   \n\n\n\n");
    CHECK(page.title == "Title [31m");
    CHECK(page.text == "Title[31m\nline\nnext\ttab \xef\xbf\xbd end");
    CHECK_FALSE(page.cut);
    std::string large;
    while (large.size() < kTextBytesMax + 10) large += "咖啡 ";
    const PageText cut = plain_page(large);
    CHECK(cut.cut);
    CHECK(valid_utf8(cut.text));
    CHECK(cut.text.size() <= kTextBytesMax);
    CHECK(cut.title.size() <= kTitleBytesMax);
    CHECK(plain_page(std::string(kTextBytesMax, '\xff')).text.size() <= kTextBytesMax);
  }

  TEST_CASE("the kind of a page follows from its name") {
    CHECK(kind_of_file("a/b.MD") == PageKind::kMarkdown);
    CHECK(kind_of_file("b.htm") == PageKind::kHtml);
    CHECK(kind_of_file("b.PDF") == PageKind::kPdf);
    CHECK_FALSE(kind_of_file("photo.png").has_value());
    CHECK_FALSE(kind_of_file("Makefile").has_value());
  }

  TEST_CASE("a stretch counts characters, ends at a line or word, and the stretches make the whole") {
    CHECK(stretch("咖啡豆 beans", 1, 2).text == "啡豆");
    CHECK(stretch("one two three", 0, 9).text == "one two ");
    CHECK(stretch("abc", 0, 100).next == 3);
    std::string text, again;
    for (int i = 0; i < 100; ++i) text += "Zeile " + std::to_string(i) + " übrig 茶\n";
    for (std::int64_t at = 0;;) {
      const Stretch piece = stretch(text, at, 37);
      CHECK(valid_utf8(piece.text));
      again += piece.text;
      if (piece.next == at) break;
      at = piece.next;
    }
    CHECK(again == text);
  }
}

TEST_SUITE("tools/search/folder") {
  TEST_CASE("pages are found in folders within, sorted; hidden ones and other files are not") {
    ScratchDir dir;
    for (const char* name :
         {"b.md", "a/z.html", "a/deep/er.txt", ".hidden.md", ".git/x.md", "photo.png", "名.md"})
      dir.write(name, "x");
    const auto folder = Folder::open(dir.path());
    REQUIRE(folder.has_value());
    const auto files = folder->files();
    REQUIRE(files.has_value());
    std::vector<std::string> paths;
    for (const FileSeen& file : *files) paths.push_back(file.path);
    CHECK(paths == std::vector<std::string>{"a/deep/er.txt", "a/z.html", "b.md", "名.md"});
    CHECK((*files)[0].bytes == 1);
    CHECK(folder->read("a/deep/er.txt").value() == "x");
  }

  TEST_CASE("no way leads out of the folder") {
    ScratchDir outside, dir;
    outside.write("secret.md", "secret");
    dir.write("in/page.md", "page");
    std::filesystem::create_symlink(outside / "secret.md", dir / "link.md");
    std::filesystem::create_directory_symlink(outside.path(), dir / "way");
    std::filesystem::create_symlink("in/page.md", dir / "same.md");
    ::mkfifo((dir / "pipe.md").c_str(), 0600);
    const auto folder = Folder::open(dir.path());
    REQUIRE(folder.has_value());
    CHECK(folder->files()->size() == 1);
    for (const char* path : {"link.md", "way/secret.md", "../x", "in/../in/page.md", "/etc/passwd",
                             "in//page.md", "", "in/./page.md", "pipe.md", "in", "same.md"}) {
      CAPTURE(path);
      const auto read = folder->read(path);
      REQUIRE_FALSE(read.has_value());
      CHECK(read.error().code() == Code::kDenied);
    }
    CHECK(folder->read("gone.md").error().code() == Code::kNotFound);
    // The folder itself may be named by a link.
    std::filesystem::create_directory_symlink(dir / "in", outside / "to-in");
    CHECK(Folder::open(outside / "to-in")->path() == std::filesystem::canonical(dir / "in").string());
  }

  TEST_CASE("what is no folder is refused, and a file that is too large as well") {
    ScratchDir dir;
    const std::string file = dir.write("a.md", "x");
    CHECK(Folder::open(file).error().code() == Code::kInvalidArgument);
    CHECK(Folder::open(dir / "none").error().text().find("--folder") != std::string::npos);
    REQUIRE(::truncate(file.c_str(), static_cast<off_t>(kFileBytesMax) + 1) == 0);
    CHECK(Folder::open(dir.path())->read("a.md").error().code() == Code::kExhausted);
  }
}
