// The official JSON-Schema-Test-Suite, drafts 7 and 2020-12: what a schema accepts can be written under its
// grammar, what it rejects can't. The suite is inside the source package of Python's jsonschema, which is
// fetched for the test unless $TSUKAI_SCHEMA_SUITE names a folder that holds tests/draft7 and
// tests/draft2020-12.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "infer/grammar/grammar.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::infer;
namespace fs = std::filesystem;

namespace {

// Names under any `properties` or `required`: those that canonical texts put first.
void declared_names(const Json& schema, std::set<std::string>& out) {
  if (schema.is_object()) {
    if (const Json* properties = find(schema, "properties");
        properties != nullptr && properties->is_object()) {
      for (const auto& [name, ignored] : properties->items()) out.insert(name);
    }
    if (const Json* required = find(schema, "required"); required != nullptr && required->is_array()) {
      for (const auto& name : *required)
        if (name.is_string()) out.insert(name.get<std::string>());
    }
  }
  if (schema.is_structured()) {
    for (const auto& child : schema) declared_names(child, out);
  }
}

// The instance in the spelling of our grammars.
std::string canonical(const Json& value, const std::set<std::string>& first) {
  if (value.is_number_float() && std::abs(value.get<double>()) < 1e18 &&
      std::floor(value.get<double>()) == value.get<double>()) {
    return std::to_string(static_cast<std::int64_t>(value.get<double>()));
  }
  std::string out;
  if (value.is_array()) {
    for (const auto& element : value) out += (out.empty() ? "" : ",") + canonical(element, first);
    return "[" + out + "]";
  }
  if (value.is_object()) {
    for (const bool declared : {true, false}) {
      for (const auto& [key, member] : value.items()) {
        if (first.contains(key) == declared)
          out += (out.empty() ? "" : ",") + print_json(key) + ":" + canonical(member, first);
      }
    }
    return "{" + out + "}";
  }
  return print_json(value);
}

// Valid instances that our grammars leave out, each for a reason that is written down.
const std::set<std::string> kLeftOut{
    // allOf is merged before array keywords are read, so additionalItems sees the items of a branch:
    // narrower, never
    // wrong.
    "draft7 additionalItems: additionalItems does not look in applicators, valid case: items defined in "
    "allOf are not "
    "examined",
    // A metaschema that turns validation off is not followed: the keywords mean what they say.
    "draft2020-12 vocabulary: schema that uses custom metaschema with with no validation vocabulary: no "
    "validation: "
    "invalid number, but it still validates",
};

fs::path suite(const fs::path& scratch) {
  if (const char* given = std::getenv("TSUKAI_SCHEMA_SUITE")) return given;
  const auto command =
      "cd '" + scratch.string() +
      "' && python3 -m pip download -q --no-deps --no-binary jsonschema jsonschema==4.26.0 >pip.log 2>&1"
      " && tar xzf jsonschema-4.26.0.tar.gz";
  REQUIRE_MESSAGE(std::system(command.c_str()) == 0, "pip could not fetch the source of jsonschema 4.26.0");
  return scratch / "jsonschema-4.26.0" / "json";
}

}  // namespace

TEST_SUITE("infer/grammar/suite") {
  TEST_CASE("the official test suite: everything accepted can be written, nothing rejected can") {
    ScratchDir scratch;
    const auto root = suite(scratch.path());
    int groups = 0, reported = 0, accepted = 0, rejected = 0, left_out = 0;
    for (const std::string draft : {"draft7", "draft2020-12"}) {
      std::vector<fs::path> files;
      for (const auto& entry : fs::directory_iterator(root / "tests" / draft)) {
        if (entry.path().extension() == ".json") files.push_back(entry.path());
      }
      std::sort(files.begin(), files.end());
      REQUIRE(files.size() > 30);
      for (const auto& file : files) {
        if (file.stem() == "format") continue;  // There a format constrains nothing; here it does.
        std::ifstream in(file);
        const auto cases = parse_json(std::string(std::istreambuf_iterator<char>(in), {}));
        REQUIRE(cases.has_value());
        for (const auto& group : *cases) {
          ++groups;
          Json schema = group["schema"];
          if (schema.is_object() && !schema.contains("$schema"))
            schema["$schema"] = "http://json-schema.org/" + draft + "/schema#";
          if (draft == "draft7" && schema.is_object())
            schema["$schema"] = "http://json-schema.org/draft-07/schema#";
          const auto grammar = Grammar::from_schema(schema, {.open_objects = true});
          if (!grammar && grammar.error().code() == Code::kUnsupported) {
            ++reported;
            CHECK_FALSE(Grammar::unsupported(schema, {.open_objects = true}).empty());
            continue;
          }
          if (!grammar)
            CHECK_MESSAGE(grammar.error().code() == Code::kInvalidArgument, grammar.error().text());
          std::set<std::string> names;
          declared_names(schema, names);
          for (const auto& test : group["tests"]) {
            const auto text = canonical(test["data"], names);
            bool takes = false;
            if (grammar) {
              auto matcher = Matcher::make(*grammar, nullptr);
              takes = matcher->accept(text) && matcher->may_end();
            }
            const auto name = draft + " " + file.stem().string() + ": " +
                              group["description"].get<std::string>() + ": " +
                              test["description"].get<std::string>();
            if (test["valid"] == true) {
              ++(takes ? accepted : left_out);
              CHECK_MESSAGE(takes != kLeftOut.contains(name),
                            (name + " " + print_json(schema) + " <- " + text));
            } else {
              ++rejected;
              CHECK_MESSAGE(!takes, (name + " " + print_json(schema) + " <- " + text));
            }
          }
        }
      }
    }
    MESSAGE(groups << " schemas, " << reported << " reported as unsupported; " << accepted
                   << " valid instances can be written, " << left_out << " are left out by design; "
                   << rejected << " invalid ones can't");
  }
}
