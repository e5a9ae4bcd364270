#include "infer/support/random_schema.h"

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/json_schema.h"
#include "infer/support/fake_tokenizer.h"

namespace tsukai::infer {
namespace {

class Maker {
 public:
  explicit Maker(std::mt19937& random) : random_(random) {}

  Json schema(int depth) {
    switch (below(depth > 0 ? 17 : 9)) {
      case 0:
        return {{"type", pick({"null", "boolean"})}};
      case 1:
        return string();
      case 2:
        return integer();
      case 3:
        return number();
      case 4:
        return {{"enum", {"a", "the", 1, 2.5, nullptr, true, {{"b", 1}, {"a", {1, 2}}}}}};
      case 5:
        return {{"const", pick({"x", "\"quoted\\\n", "\xE6\x97\xA5"})}};
      case 6:
        return {{"type", {"string", "null"}}, {"maxLength", below(5)}};
      case 7:
        return {{"$ref", pick({"#/$defs/tree", "#/$defs/word"})}};
      case 8:
        return {
            {"not", pick_schema(
                        {{{"type", "object"}}, {{"type", {"number", "null"}}}, {{"enum", {"a", 1, true}}}})}};
      case 9:
      case 10:
        return object(depth);
      case 11:
      case 12:
        return array(depth);
      case 13: {
        Json out = object(depth);
        out["if"] = {{"required", Json::array({pick({"a", "name"})})}};
        out["then"] = {{"properties", {{"a", integer()}}}};
        if (chance()) out["else"] = {{"required", {"c/d"}}};
        return out;
      }
      case 14: {
        Json out = object(depth);
        out["not"] = {{"required", Json::array({pick({"a", "name"}), "c/d"})}};
        return out;
      }
      case 15: {
        if (below(2) == 0) return {{"anyOf", {schema(depth - 1), schema(depth - 1)}}};
        Json a = {{"type", "object"},
                  {"properties", {{"kind", {{"const", "a"}}}, {"v", schema(depth - 1)}}},
                  {"required", {"kind"}}};
        Json b = {{"type", "object"},
                  {"properties", {{"kind", {{"const", "b"}}}, {"w", schema(depth - 1)}}},
                  {"required", {"kind", "w"}}};
        return {{"oneOf", {a, b, {{"type", "boolean"}}, string(), integer()}}};
      }
      default: {
        Json a = object(depth), b = object(depth);
        a.erase("additionalProperties");
        return {{"allOf", {a, b}}, {"description", "both"}};
      }
    }
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool chance() { return below(2) == 0; }
  Json pick(std::initializer_list<const char*> list) {
    return *(list.begin() + below(static_cast<int>(list.size())));
  }

  Json pick_schema(const std::vector<Json>& list) {
    return list[static_cast<std::size_t>(below(static_cast<int>(list.size())))];
  }

  Json string() {
    Json out = {{"type", "string"}};
    switch (below(4)) {
      case 0:
        out["pattern"] =
            pick({"^[a-z]{1,8}$", "x", "^(a|b)*c?$", "^\\d{3}-\\w+$", "^a.*z$", "[0-9]+$", "^[^a-z]+$"});
        break;
      case 1:
        out["format"] = pick({"date", "date-time", "time", "email", "uuid", "uri", "ipv4", "hostname"});
        break;
      default:
        if (chance()) out["minLength"] = below(4);
        if (below(4) == 0) out["not"] = {{"pattern", pick({"^a", "[0-9]", "e$"})}};
        if (below(6) == 0) out["allOf"] = {{{"pattern", "^[a-f]*$"}}, {{"pattern", "b"}}};
        if (chance()) out["maxLength"] = 4 + below(9);
    }
    return out;
  }
  Json integer() {
    Json out = {{"type", "integer"}};
    const int low = below(4000) - 2000;
    if (chance()) out[chance() ? "minimum" : "exclusiveMinimum"] = low;
    if (chance()) out[chance() ? "maximum" : "exclusiveMaximum"] = low + 20 + below(3000);
    if (below(3) == 0) out["multipleOf"] = 1 + below(9);
    return out;
  }
  Json number() {
    Json out = {{"type", "number"}};
    const double low = (below(4000) - 2000) / 8.0 + below(3) * 0.1;
    if (chance()) out[chance() ? "minimum" : "exclusiveMinimum"] = low;
    if (chance()) out[chance() ? "maximum" : "exclusiveMaximum"] = low + 0.25 * (1 + below(1000));
    if (below(4) == 0) out["multipleOf"] = 0.25;
    return out;
  }
  Json object(int depth) {
    Json out = {{"type", "object"}};
    Json properties = Json::object(), required = Json::array();
    for (const char* name : {"a", "b", "c/d", "e\"f", "\xE5\x90\x8D", "name"}) {
      if (!chance()) continue;
      properties[name] = schema(depth - 1);
      if (below(3) == 0) required.push_back(name);
    }
    if (below(4) != 0) out["properties"] = properties;
    if (!required.empty()) out["required"] = required;
    if (below(4) == 0) out["patternProperties"] = {{pick({"^x", "[0-9]$", "a"}), schema(depth - 1)}};
    if (below(6) == 0) out["propertyNames"] = {{"pattern", "^[a-z/\"]*$"}, {"maxLength", 4}};
    if (below(5) == 0) out["minProperties"] = 1;
    if (below(5) == 0) out["maxProperties"] = 1 + below(4);
    if (below(6) == 0) out["dependentRequired"] = {{"a", {"name"}}};
    if (below(8) == 0) out["dependencies"] = {{"name", {{"required", {"e\"f"}}}}};
    switch (below(4)) {
      case 0:
        out["additionalProperties"] = false;
        break;
      case 1:
        out["additionalProperties"] = schema(depth - 1);
        break;
      default:
        break;
    }
    return out;
  }
  Json array(int depth) {
    Json out = {{"type", "array"}};
    if (chance()) out["items"] = schema(depth - 1);
    if (below(3) == 0) out["prefixItems"] = {schema(depth - 1), schema(depth - 1)};
    if (chance()) out["minItems"] = below(4);
    if (chance()) out["maxItems"] = 3 + below(4);
    if (below(5) == 0) {
      out["contains"] =
          pick_schema({{{"type", "integer"}}, {{"const", "the"}}, {{"type", "object"}, {"required", {"a"}}}});
      if (chance()) out["minContains"] = 1 + below(2);
    }
    return out;
  }

  std::mt19937& random_;
};

}  // namespace

Json random_schema(std::mt19937& random) {
  Json out = Maker(random).schema(3);
  out["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  out["$defs"]["word"] = {{"type", "string"}, {"pattern", "^[A-Z][a-z]*$"}};
  out["$defs"]["tree"] = {{"type", "object"},
                          {"properties",
                           {{"left", {{"$ref", "#/$defs/tree"}}},
                            {"leaves", {{"type", "array"}, {"items", {{"$ref", "#/$defs/tree"}}}}},
                            {"v", {{"$ref", "#/$defs/word"}}}}},
                          {"required", {"v"}}};
  return out;
}

std::string random_text(const std::shared_ptr<const Grammar>& grammar,
                        const std::shared_ptr<const MaskVocabulary>& vocabulary, const Tokenizer& tokenizer,
                        std::mt19937& random) {
  auto matcher = Matcher::make(grammar, vocabulary);
  TokenMask mask(tokenizer.size());
  std::string text;
  for (auto steps = random() % 40; steps > 0; --steps) {
    matcher->mask(mask);
    std::vector<TokenId> allowed;
    for (std::size_t i = 0; i < tokenizer.size(); ++i) {
      if (mask.test(static_cast<TokenId>(i))) allowed.push_back(static_cast<TokenId>(i));
    }
    if (allowed.empty()) break;
    const auto bytes = tokenizer.bytes(allowed[random() % allowed.size()], false);
    if (!matcher->accept(bytes)) return text + "\nmask and accept() disagree";
    text += bytes;
  }
  return text + matcher->shortest_completion();
}

std::vector<std::string> check_random_schemas(unsigned seed, int count) {
  std::vector<std::string> wrong;
  const auto tokenizer = FakeTokenizer::json(1'000);
  const auto vocabulary = MaskVocabulary::make(tokenizer);
  std::ofstream pairs;
  if (const char* path = std::getenv("TSUKAI_GRAMMAR_TEXTS")) pairs.open(path, std::ios::app);
  std::mt19937 random(seed);
  int refused = 0;
  for (int done = 0; done < count;) {
    const Json schema = random_schema(random);
    const auto grammar = Grammar::from_schema(schema, {.open_objects = random() % 2 == 0});
    if (!grammar) {
      // allOf of two random objects may have no value, or combine patterns.
      const auto code = grammar.error().code();
      if (++refused > count || (code != Code::kUnsupported && code != Code::kInvalidArgument)) {
        wrong.push_back(print_json(schema) + " is refused: " + grammar.error().text());
        return wrong;
      }
      continue;
    }
    ++done;
    const auto text = random_text(*grammar, vocabulary, tokenizer, random);
    if (pairs.is_open()) pairs << print_json({{"schema", schema}, {"text", text}}) << "\n";
    const auto value = parse_json(text);
    const auto checker = JsonSchema::compile(schema);
    if (!value || !checker) {
      wrong.push_back(print_json(schema) + " <- " + text + ": " +
                      (value ? checker.error().text() : value.error().text()));
    } else if (const auto errors = checker->check(*value); !errors.empty()) {
      wrong.push_back(print_json(schema) + " <- " + text + ": " + errors.front());
    }
  }
  return wrong;
}

}  // namespace tsukai::infer
