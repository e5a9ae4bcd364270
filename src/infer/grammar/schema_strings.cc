// Strings of a schema: what pattern, format, not and their like leave over, as one automaton.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "infer/grammar/schema_compiler.h"

namespace tsukai::infer::grammar {
namespace {

constexpr int kLanguageDepthMax = 16;

// Keywords that say nothing of strings.
bool applies_to_others(const std::string& key) {
  static const std::set<std::string, std::less<>> kOthers{"additionalItems",   "additionalProperties",
                                                          "contains",          "exclusiveMaximum",
                                                          "exclusiveMinimum",  "items",
                                                          "maxContains",       "maxItems",
                                                          "maxProperties",     "maximum",
                                                          "minContains",       "minItems",
                                                          "minProperties",     "minimum",
                                                          "multipleOf",        "nullable",
                                                          "patternProperties", "prefixItems",
                                                          "properties",        "propertyNames",
                                                          "required",          "type",
                                                          "uniqueItems",       kFraction};
  return kOthers.contains(key);
}

}  // namespace

std::shared_ptr<const Dfa> SchemaCompiler::pattern_language(const Json& pattern, const std::string& at) {
  if (!pattern.is_string()) {
    problems().add(at, "keyword \"pattern\" is not a string");
    return nullptr;
  }
  auto compiled = compile_regex(pattern.get<std::string>(), {.search = true, .quoted = true});
  if (compiled) return *compiled;
  if (compiled.error().code() == Code::kExhausted)
    problems().limit(at, "keyword \"pattern\": " + compiled.error().message());
  else
    problems().add(at, "keyword \"pattern\": " + compiled.error().message());
  return nullptr;
}

std::shared_ptr<const Dfa> SchemaCompiler::format_language(const Json& format, const std::string& at) {
  auto dfa = format_string(format.is_string() ? format.get<std::string>() : std::string());
  if (!dfa) problems().add(at, fmt::format("keyword \"format\" with {}", print_json(format)));
  return dfa;
}

// The strings that satisfy `given`, one spelling for each; nullptr after a problem.
std::shared_ptr<const Dfa> SchemaCompiler::language(const Json& given, const std::string& at, int depth) {
  if (depth > kLanguageDepthMax) {
    problems().limit(at, "schemas of strings are nested deeper than 16 levels");
    return nullptr;
  }
  const Json schema = logic_.flatten(given, at);
  if (problems().any()) return nullptr;
  if (schema.is_boolean()) return schema == true ? canonical_string() : no_string();
  const auto types = logic_.types(schema, at);
  if (std::find(types.begin(), types.end(), "string") == types.end()) return no_string();
  auto out = canonical_string();
  const auto narrow = [&](const std::shared_ptr<const Dfa>& by, bool except) {
    if (by == nullptr) return;
    if (out == nullptr) return;
    out = except ? texts_of_first_only(*out, *by, kDfaStatesMax) : texts_of_both(*out, *by, kDfaStatesMax);
    if (out == nullptr) problems().limit(at, "keywords of a string need more than 6,000 states together");
  };
  for (const auto& [key, value] : schema.items()) {
    if (is_annotation(key) || problems().any()) continue;
    if (key == "pattern") {
      narrow(pattern_language(value, at), false);
    } else if (key == "format") {
      narrow(format_language(value, at), false);
    } else if (key == "const" || (key == "enum" && value.is_array())) {
      std::set<std::string> texts;
      for (const auto& one : key == "enum" ? value : Json::array({value}))
        if (one.is_string()) texts.insert(one.get<std::string>());
      const auto words = only_strings(texts, kDfaStatesMax);
      if (words == nullptr) problems().limit(at, "the values of an enum are too long, all together");
      narrow(words, false);
    } else if (key == kNot) {
      for (const auto& one : value) narrow(language(one, at, depth + 1), true);
    } else if (key == kAlso) {
      for (const auto& one : value) narrow(language(one, at, depth + 1), false);
    } else if (key == "anyOf" && value.is_array() && value.size() <= kBranchesMax) {
      auto any = no_string();
      for (const auto& branch : value) {
        const auto one = language(branch, at, depth + 1);
        if (one == nullptr) return nullptr;
        any = texts_of_either(*any, *one, kDfaStatesMax);
        if (any == nullptr) {
          problems().limit(at, "keywords of a string need more than 6,000 states together");
          return nullptr;
        }
      }
      narrow(any, false);
    } else if (key == "minLength" || key == "maxLength") {
      const auto length = count(schema, key.c_str(), 0, kRegexRepeatMax, at);
      const auto pattern = key == "minLength" ? fmt::format("^[\\s\\S]{{{},}}$", length)
                                              : fmt::format("^[\\s\\S]{{0,{}}}$", length);
      narrow(pattern_language(pattern, at), false);
    } else if (key == "oneOf" || key == "$ref") {
      problems().add(at, fmt::format("keyword \"{}\" in a schema of names", key));
    } else if (!applies_to_others(key)) {
      problems().add(at, fmt::format("keyword \"{}\"", key));
    }
  }
  return problems().any() ? nullptr : out;
}

NodeId SchemaCompiler::string(const Json& schema, const std::string& at) {
  const Json* pattern = find(schema, "pattern");
  const Json* format = find(schema, "format");
  constexpr std::uint32_t kMost = 1u << 30;
  Lexeme lexeme;
  lexeme.min = count(schema, "minLength", 0, kMost, at);
  lexeme.max = count(schema, "maxLength", std::max(lexeme.min, kStringCharactersMax), kMost, at);
  const bool more = schema.contains(kNot) || schema.contains(kAlso);
  if (pattern == nullptr && format == nullptr && !more) {
    lexeme.dfa = any_string();
    return program_.lexeme(lexeme);
  }
  if (more || (pattern != nullptr && format != nullptr)) {
    Json rest = {{"type", "string"}};
    for (const char* key : {"pattern", "format", kNot, kAlso}) {
      if (const Json* v = find(schema, key)) rest[key] = *v;
    }
    lexeme.dfa = language(rest, at);
  } else {
    lexeme.dfa = pattern != nullptr ? pattern_language(*pattern, at) : format_language(*format, at);
  }
  if (lexeme.dfa == nullptr) return program_.nothing();
  if (lexeme.min > 0 && !lexeme.dfa->empty() && lexeme.dfa->state(0).characters_left < lexeme.min) {
    auto longer = at_least(*lexeme.dfa, lexeme.min, kDfaStatesMax);
    if (!longer) {
      problems().limit(
          at, fmt::format("keyword \"minLength\" of {} beside a pattern needs more than 6,000 states",
                          lexeme.min));
      return program_.nothing();
    }
    lexeme.dfa = longer;
  }
  lexeme.min = 0;
  return program_.lexeme(lexeme);
}

}  // namespace tsukai::infer::grammar
