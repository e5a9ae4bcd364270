// Published chat templates against jinja2, by stored sums of the texts (make_template_references.py made
// them). The templates belong to others and are not stored: the test looks for them in $TSUKAI_TEMPLATES.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/hash.h"
#include "infer/chat/template.h"
#include "infer/support/gguf_vocabulary.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

const std::filesystem::path kData = TSUKAI_SOURCE_DIR "/tests/infer/data";

std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Json json_file(const char* name) {
  auto json = parse_json(slurp(kData / name));
  REQUIRE(json.has_value());
  return *json;
}

// How many texts were compared; `known` says what the stored sums are of.
int compare(const std::string& source, const Json& known) {
  auto parsed = ChatTemplate::parse(source);
  REQUIRE_MESSAGE(parsed.has_value(), parsed.error().text());
  int compared = 0;
  const Json cases = json_file("template_cases.json");
  for (const auto& [name, given] : cases.items()) {
    CAPTURE(name);
    Json variables{{"tools", nullptr},
                   {"documents", nullptr},
                   {"bos_token", "<s>"},
                   {"eos_token", "</s>"},
                   {"now", "2026-11-23T09:08:07"}};
    variables.update(given);
    const auto rendered = (*parsed)->render(variables);
    const Json& sum = known["cases"][name];
    // Where jinja2 fails (a generator given to tojson, a role that is refused) we may fail too, or do better.
    if (sum.is_null()) continue;
    REQUIRE_MESSAGE(rendered.has_value(), rendered.error().text());
    std::string text;
    for (const auto& piece : *rendered) text += piece.text;
    CHECK(sha256_hex(text).substr(0, 16) == sum.get<std::string>());
    ++compared;
  }
  return compared;
}

}  // namespace

TEST_SUITE("infer/chat/template/reference") {
  TEST_CASE("published templates render as jinja2 renders them, with tools, thoughts and many turns") {
    const char* folder = std::getenv("TSUKAI_TEMPLATES");
    if (!folder) {
      MESSAGE("skipped: no published templates (set TSUKAI_TEMPLATES to a folder of .jinja files)");
      return;
    }
    // Its "|safe" turns HTML escaping on for whatever is added to the string; nothing here writes HTML.
    const std::string not_followed = "meetkai-functionary-medium-v3.1";
    int compared = 0;
    for (const auto& [name, known] : json_file("template_references.json").items()) {
      const std::string source = slurp(std::filesystem::path(folder) / (name + ".jinja"));
      if (name == not_followed || sha256_hex(source).substr(0, 16) != string_at(known, "template")) continue;
      CAPTURE(name);
      compared += compare(source, known);
    }
    CHECK(compared > 0);
    MESSAGE(compared, " texts compared");
  }

  TEST_CASE("the template inside SmolLM2's file renders as jinja2 renders it") {
    const auto file = test::read_gguf_text(test::smollm2_path());
    if (!file) {
      MESSAGE("skipped: no SmolLM2 GGUF (set TSUKAI_SMOLLM2)");
      return;
    }
    CHECK(compare(file->chat_template,
                  json_file("template_references.json")["HuggingFaceTB-SmolLM2-135M-Instruct"]) == 10);
  }
}
