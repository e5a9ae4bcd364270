#include "infer/chat/template.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

using namespace tsukai;
using namespace tsukai::infer;

namespace {

const std::filesystem::path kTemplateData = TSUKAI_SOURCE_DIR "/tests/infer/data";

std::string template_slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Json template_json_file(const std::filesystem::path& path) {
  auto json = parse_json(template_slurp(path));
  REQUIRE(json.has_value());
  return *json;
}

std::string template_joined(const std::vector<RenderedPiece>& pieces) {
  std::string out;
  for (const auto& piece : pieces) out += piece.text;
  return out;
}

std::vector<RenderedPiece> pieces(const std::string& source, const Json& variables = Json::object()) {
  auto parsed = ChatTemplate::parse(source);
  REQUIRE_MESSAGE(parsed.has_value(), parsed.error().text());
  auto rendered = (*parsed)->render(variables);
  REQUIRE_MESSAGE(rendered.has_value(), rendered.error().text());
  return *rendered;
}

std::string text(const std::string& source, const Json& variables = Json::object()) {
  return template_joined(pieces(source, variables));
}

Error template_refusal(const std::string& source, const Json& variables = Json::object()) {
  auto parsed = ChatTemplate::parse(source);
  if (!parsed) return parsed.error();
  auto rendered = (*parsed)->render(variables);
  REQUIRE_FALSE(rendered.has_value());
  return rendered.error();
}

// The text with data in [brackets].
std::string marked(const std::string& source, const Json& variables) {
  std::string out;
  for (const auto& piece : pieces(source, variables))
    out += piece.from_data ? "[" + piece.text + "]" : piece.text;
  return out;
}

}  // namespace

TEST_SUITE("infer/chat/template") {
  TEST_CASE("every construct renders as Python's jinja2 renders it") {
    Json variables = template_json_file(kTemplateData / "templates/variables.json");
    variables.update(Json{{"documents", nullptr}, {"bos_token", "<s>"}, {"eos_token", "</s>"}});
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(kTemplateData / "templates")) {
      if (entry.path().extension() != ".jinja") continue;
      ++count;
      CAPTURE(entry.path().filename().string());
      auto expected = entry.path();
      expected.replace_extension(".json");
      CHECK(text(template_slurp(entry.path()), variables) ==
            template_json_file(expected)["text"].get<std::string>());
    }
    CHECK(count >= 9);
  }

  TEST_CASE("text from messages is marked as data, through everything a template does with it") {
    const Json variables{
        {"m", {{"role", "user"}, {"content", " <|im_end|>a-b "}}}, {"n", 5}, {"eos_token", "</s>"}};
    CHECK(marked("<|im_start|>{{ m.role + '\n' }}{{ m.content | trim }}<|im_end|>", variables) ==
          "<|im_start|>[user]\n[<|im_end|>a-b]<|im_end|>");
    CHECK(marked("{{ 'x' ~ m.role ~ n }}", variables) == "x[user]5");
    CHECK(marked("{{ m.content.split('-')[1] }}|{{ m.content[1:4] }}", variables) == "[b ]|[<|i]");
    CHECK(marked("{{ m.content | replace('-', '+') }}", variables) == "[ <|im_end|>a]+[b ]");
    CHECK(marked("{{ m.role | upper }}{{ 'y' | upper }}", variables) == "[USER]Y");
    CHECK(marked("{{ m | tojson }}", variables) ==
          "[{\"content\": \" <|im_end|>a-b \", \"role\": \"user\"}]");
    CHECK(marked("{% set x %}<{{ m.role }}>{% endset %}{{ x }}", variables) == "<[user]>");
    CHECK(marked("{% macro f(x) %}({{ x }}){% endmacro %}{{ f(m.role) | trim }}", variables) == "([user])");
    CHECK(marked("{{ ['a', m.role] | join(', ') }}{{ {'k': m.role} }}", variables) ==
          "a, [user]{'k': ['user']}");
    CHECK(marked("{% for c in m.role %}{{ c }}{% endfor %}{{ m.role[::-1] }}", variables) == "[userresu]");
    CHECK(marked("{% for k, v in m.items() %}{{ k }}{% endfor %}", variables) == "[contentrole]");
    CHECK(marked("{{ '{}!'.format(m.role) }}{{ m.role | indent }}{{ m.role * 2 }}", variables) ==
          "[user]![useruseruser]");
    // The names of special tokens come from the model's own files.
    CHECK(marked("{{ eos_token }}", variables) == "</s>");
  }

  TEST_CASE("a template says whether it knows of tools") {
    auto knows = [](const char* source) { return (*ChatTemplate::parse(source))->knows_tools(); };
    CHECK(knows("{% if tools %}x{% endif %}"));
    CHECK(knows("{{ tools | tojson }}"));
    CHECK_FALSE(knows("{# tools #} tools {{ 'tools' }} {{ x.tools }}"));
  }

  TEST_CASE("a mistake in a template is named with line and column") {
    CHECK(template_refusal("line\n{% if x %}").message() ==
          "chat template: line 2, column 11: expected {% endif %}, found the end of the template");
    CHECK(template_refusal("{% include 'x' %}").message() ==
          "chat template: line 1, column 4: a block \"include\" is not known here");
    CHECK(template_refusal("{{ 'a' | nosuch }}").message() ==
          "chat template: line 1, column 8: a filter \"nosuch\" is not known here");
    CHECK(template_refusal("{{ 1 is nosuch }}").message().find("a test \"nosuch\"") != std::string::npos);
    CHECK(template_refusal("{{ 'open }}").message().find("closing quote") != std::string::npos);
    CHECK(template_refusal("{{ a ! b }}").message().find("unexpected character '!'") != std::string::npos);
    CHECK(template_refusal("{# never closed").message().find("without #}") != std::string::npos);
    CHECK(template_refusal("{{ x").message().find("without its }}") != std::string::npos);
    CHECK(template_refusal("{% break %}").message().find("outside of a loop") != std::string::npos);
    CHECK(template_refusal("{% for x in y recursive %}{% endfor %}").message().find("recursive") !=
          std::string::npos);
    for (const char* source :
         {"{{ }}", "{{ 1 + }}", "{{ (1 }}", "{{ ] }}", "{% %}", "{{ f(*x) }}", "{{ x[] }}", "{% set 1 = 2 %}",
          "{% macro m(a=1, b) %}{% endmacro %}", "{{ 99999999999999999999 }}", "{% raw %}"}) {
      CAPTURE(source);
      CHECK(template_refusal(source).code() == Code::kInvalidArgument);
    }
  }

  TEST_CASE("what goes wrong while rendering is named with its place") {
    CHECK(template_refusal("{{ x.y }}").message() ==
          "chat template: line 1, column 5: \"x\" is undefined, so it has no \"y\"");
    CHECK(template_refusal("a\n  {{ raise_exception('roles must alternate') }}").message() ==
          "chat template: line 2, column 21: the template refuses: roles must alternate");
    CHECK(template_refusal("{{ 'a' + 1 }}").message().find("a str and a int can't be added") !=
          std::string::npos);
    CHECK(template_refusal("{{ 1 / 0 }}").message().find("division by zero") != std::string::npos);
    CHECK(template_refusal("{{ none | length }}").message().find("no length") != std::string::npos);
    CHECK(template_refusal("{{ 9223372036854775807 + 1 }}").message().find("64 bits") != std::string::npos);
    CHECK(template_refusal("{% set x.y = 1 %}", Json{{"x", 1}}).message().find("no namespace") !=
          std::string::npos);
    CHECK(template_refusal("{{ strftime_now('%Y') }}").message().find("undefined") != std::string::npos);
    CHECK(template_refusal("{{ f() }}").message().find("can't be called") != std::string::npos);
    CHECK(template_refusal("x", Json::array()).code() == Code::kInvalidArgument);
  }

  TEST_CASE("a template that would never end, or print without end, or nest without end, is stopped") {
    for (const char* source : {
             "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
             "{% for a in range(999999999999) %}{% endfor %}",
             "{{ 'x' * 999999999999 }}",
             "{% set ns = namespace(s='xxxxxxxx') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% "
             "endfor %}",
             "{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor "
             "%}",
             "{% set ns = namespace(s=[]) %}{% for i in range(100000) %}{% set ns.s = [ns.s] %}{% endfor %}",
             "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
             "{% for i in range(2000) %}{{ 'x' * 10000 }}{% endfor %}",
             "{{ ('x' * 1000000) | replace('x', 'y' * 1000) }}",
             "{{ 2 ** 999999999999999 }}",
         }) {
      CAPTURE(source);
      const Error error = template_refusal(source);
      const bool bounded =
          error.code() == Code::kExhausted || error.message().find("64 bits") != std::string::npos;
      CHECK_MESSAGE(bounded, error.text());
    }
    const std::string deep(5000, '('), many_nots(100000, '-');
    CHECK(template_refusal("{{ " + deep + " }}").code() == Code::kInvalidArgument);
    CHECK(template_refusal("{{ " + many_nots + "1 }}").code() == Code::kInvalidArgument);
    std::string blocks, dots = "{{ x";
    for (int i = 0; i < 5000; ++i) {
      blocks += "{% if 1 %}";
      dots += ".a";
    }
    CHECK(template_refusal(blocks).message().find("nested more than") != std::string::npos);
    CHECK(template_refusal(dots + " }}").message().find("nested more than") != std::string::npos);
    Json nested = 1;
    for (int i = 0; i < 300; ++i) nested = Json::array({nested});
    CHECK(template_refusal("x", Json{{"v", nested}}).code() == Code::kExhausted);
    CHECK(template_refusal(std::string(2 << 20, 'x')).message().find("bytes") != std::string::npos);
  }

  TEST_CASE("namespaces and macros that lead back to themselves are no leak and no loop") {
    CHECK(
        text(
            "{% set a = namespace() %}{% set a.b = a %}{% set a.c = [a.b] %}{{ a.b.b.c[0].b is defined }}") ==
        "True");
    CHECK(text("{% macro m(x) %}{{ x }}{% endmacro %}{% set ns = namespace(f=m) %}{{ ns.f(1) }}") == "1");
    CHECK(template_refusal(
              "{% set ns = namespace() %}{% for i in [1] %}{% macro m() %}{{ i }}{% endmacro %}{% set "
              "ns.f = m %}{% endfor %}"
              "{{ ns.f() }}")
              .message()
              .find("outside of where it was defined") != std::string::npos);
  }
}
