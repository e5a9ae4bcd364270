#include "agent/find_tools.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text.h"

namespace tsukai::agent {
namespace {

// Robertson and Zaragoza 2009, the usual values.
constexpr double kSaturation = 1.2, kLengthPart = 0.75;
constexpr double kNameWeight = 3, kDescriptionWeight = 1, kParameterWeight = 0.5;
constexpr double kBeginningWeight = 0.6;  // Of a word that only begins with the other.
constexpr std::size_t kBeginningLettersMin = 4;

bool upper(char c) { return c >= 'A' && c <= 'Z'; }
bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// How well two words agree, 0 to 1.
double agreement(const std::string& a, const std::string& b) {
  if (a == b) return 1;
  const auto& shorter = a.size() < b.size() ? a : b;
  const auto& longer = a.size() < b.size() ? b : a;
  return shorter.size() >= kBeginningLettersMin && longer.starts_with(shorter) ? kBeginningWeight : 0;
}

}  // namespace

std::size_t bytes_of(const std::vector<infer::ToolDefinition>& tools) {
  std::size_t bytes = 0;
  for (const auto& tool : tools)
    bytes += tool.name.size() + tool.description.size() + tool.input_schema.print().size();
  return bytes;
}

bool too_long_to_show(const std::vector<infer::ToolDefinition>& tools, std::size_t context_tokens) {
  return context_tokens > 0 && bytes_of(tools) / kBytesPerToken > context_tokens / kToolsShownPart;
}

infer::ToolDefinition find_tools_definition(std::size_t count, const std::string& where) {
  infer::ToolDefinition tool;
  tool.name = std::string(kFindTools);
  tool.description = fmt::format(
      "Finds tools by what they do. There are {} tools: {}. Only tools that were found can be called: say "
      "what you "
      "need, then call what is shown.",
      count, where);
  tool.input_schema = Json{
      {"type", "object"},
      {"properties",
       {{"query",
         {{"type", "string"}, {"maxLength", kQueryBytesMax}, {"description", "what the tool should do"}}}}},
      {"required", {"query"}},
      {"additionalProperties", false}};
  return tool;
}

std::vector<std::string> tool_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::exchange(word, {}));
  };
  std::string before;  // The character before, of writing without spaces.
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) < 0x80) {
      if (!before.empty()) before.clear();
      const bool new_word = upper(c) && !word.empty() && i > 0 && lower_or_digit(text[i - 1]);
      if (new_word || !(upper(c) || lower_or_digit(c))) end_word();
      if (upper(c)) word += static_cast<char>(c - 'A' + 'a');
      if (lower_or_digit(c)) word += c;
      ++i;
      continue;
    }
    end_word();
    std::size_t length = 1;
    while (i + length < text.size() && (static_cast<unsigned char>(text[i + length]) & 0xc0) == 0x80)
      ++length;
    const std::string character(text.substr(i, length));
    words.push_back(before.empty() ? character : before + character);
    before = character;
    i += length;
  }
  end_word();
  return words;
}

ToolIndex::ToolIndex(const std::vector<infer::ToolDefinition>& tools) {
  std::size_t all = 0;
  for (const auto& tool : tools) {
    std::vector<Word> words;
    const auto add = [&](std::string_view text, double weight) {
      for (auto& word : tool_words(text)) words.push_back({std::move(word), weight});
    };
    add(tool.name, kNameWeight);
    add(tool.description, kDescriptionWeight);
    if (const auto* properties = find(*tool.input_schema, "properties");
        properties != nullptr && properties->is_object()) {
      for (const auto& [name, schema] : properties->items()) {
        add(name, kParameterWeight);
        add(string_at(schema, "description"), kParameterWeight);
      }
    }
    all += words.size();
    words_.push_back(std::move(words));
  }
  if (!words_.empty() && all > 0) words_mean_ = static_cast<double>(all) / static_cast<double>(words_.size());
}

std::vector<std::size_t> ToolIndex::search(std::string_view query, std::size_t count) const {
  auto wanted = tool_words(query.substr(0, kQueryBytesMax));
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::vector<double> scores(words_.size(), 0);
  for (const auto& word : wanted) {
    std::vector<double> hits(words_.size(), 0);
    std::size_t tools = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      for (const auto& own : words_[i]) hits[i] += own.weight * agreement(word, own.text);
      tools += hits[i] > 0 ? 1 : 0;
    }
    const double all = static_cast<double>(words_.size()), having = static_cast<double>(tools);
    const double rarity = std::log(1 + (all - having + 0.5) / (having + 0.5));
    for (std::size_t i = 0; i < words_.size(); ++i) {
      const double length = static_cast<double>(words_[i].size()) / words_mean_;
      scores[i] += rarity * hits[i] * (kSaturation + 1) /
                   (hits[i] + kSaturation * (1 - kLengthPart + kLengthPart * length));
    }
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (scores[i] > 0) order.push_back(i);
  }
  // Equal scores in the order of the list.
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  if (order.size() > count) order.resize(count);
  return order;
}

}  // namespace tsukai::agent
