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
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "infer/grammar/grammar.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::infer;
namespace fs = std::filesystem;

namespace {

// Names under any `properties`, `required` or dependency: those that canonical texts put first.
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
    for (const char* key : {"dependencies", "dependentRequired", "dependentSchemas"}) {
      const Json* needs = find(schema, key);
      if (needs == nullptr || !needs->is_object()) continue;
      for (const auto& [name, others] : needs->items()) {
        out.insert(name);
        for (const auto& other : others)
          if (other.is_string()) out.insert(other.get<std::string>());
      }
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

// The keywords that stand in a schema: what is below `properties` and its like are names.
void keywords(const Json& schema, std::set<std::string>& out, bool names = false) {
  if (schema.is_object()) {
    for (const auto& [key, value] : schema.items()) {
      if (!names) out.insert(key);
      if (!names && (key == "enum" || key == "const" || key == "default" || key == "examples")) continue;
      keywords(value, out,
               !names && (key == "properties" || key == "patternProperties" || key == "$defs" ||
                          key == "definitions" || key == "dependentSchemas" || key == "dependentRequired" ||
                          key == "dependencies"));
    }
  } else if (schema.is_array()) {
    for (const auto& child : schema) keywords(child, out);
  }
}

// For each keyword how many schemas hold it, how many of them are refused, and what for.
class ByKeyword {
 public:
  void count(const Json& schema, const std::vector<std::string>& refusals) {
    std::set<std::string> all;
    keywords(schema, all);
    for (const auto& key : all) {
      auto& row = rows_[key];
      ++row.schemas;
      if (refusals.empty()) continue;
      ++row.refused;
      ++row.reasons[reason(refusals.front())];
    }
    if (!refusals.empty()) ++reasons_[reason(refusals.front())];
  }
  std::string table() const {
    std::string out = "\nkeyword: schemas, written, refused (first reason: schemas)\n";
    for (const auto& [key, row] : rows_) {
      out += key + ": " + std::to_string(row.schemas) + ", " + std::to_string(row.schemas - row.refused) +
             ", " + std::to_string(row.refused);
      const char* between = " (";
      for (const auto& [why, times] : row.reasons) {
        out += between + why + ": " + std::to_string(times);
        between = "; ";
      }
      out += row.reasons.empty() ? "\n" : ")\n";
    }
    out += "all refusals by their first reason\n";
    for (const auto& [why, times] : reasons_) out += "  " + why + ": " + std::to_string(times) + "\n";
    return out;
  }

 private:
  struct Row {
    int schemas = 0, refused = 0;
    std::map<std::string, int> reasons;
  };
  // Without the place, and without the text of a reference.
  static std::string reason(const std::string& line) {
    auto why = line.substr(line.find(": ") + 2);
    if (const auto at = why.find(" to \""); at != std::string::npos) why.erase(at);
    return why;
  }
  std::map<std::string, Row> rows_;
  std::map<std::string, int> reasons_;
};

// Valid instances that our grammars leave out, each for a reason that is written down.
const std::set<std::string> kLeftOut{
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
    ByKeyword by_keyword;
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
            const auto lines = Grammar::unsupported(schema, {.open_objects = true});
            CHECK_FALSE(lines.empty());
            by_keyword.count(group["schema"], lines);
            continue;
          }
          if (!grammar)
            CHECK_MESSAGE(grammar.error().code() == Code::kInvalidArgument, grammar.error().text());
          by_keyword.count(group["schema"], {});
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
    MESSAGE(by_keyword.table());
    MESSAGE(groups << " schemas, " << reported << " reported as unsupported; " << accepted
                   << " valid instances can be written, " << left_out << " are left out by design; "
                   << rejected << " invalid ones can't");
  }
}
