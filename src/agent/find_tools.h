// Finding tools by what they do, where there are too many to show the model all of them: the prompt holds one
// tool that never changes, its results append the definitions that were found, and the grammar grows by them.
// So the prefix stays as it is.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "infer/model.h"

namespace tsukai::agent {

inline constexpr std::string_view kFindTools = "find_tools";

// Without `tools_shown:` a tool list longer than this part of the model's context is not shown.
inline constexpr std::size_t kToolsShownPart = 2;
// About what a token holds of a tool list.
inline constexpr std::size_t kBytesPerToken = 4;
inline constexpr std::size_t kFoundMax = 5;            // By one search.
inline constexpr std::size_t kFoundBytesMax = 12'288;  // Of their definitions, but for the first.
inline constexpr std::size_t kQueryBytesMax = 512;

// Bytes of the definitions as the model would be shown them.
std::size_t bytes_of(const std::vector<infer::ToolDefinition>& tools);
// Whether a model of so many tokens of context is better shown find_tools.
bool too_long_to_show(const std::vector<infer::ToolDefinition>& tools, std::size_t context_tokens);

// The tool itself; `where` says what there is, such as "maps (12), shop (9)".
infer::ToolDefinition find_tools_definition(std::size_t count, const std::string& where);

// Ranks tools by BM25 over the words of their names, descriptions and parameters; a name counts more. Pure:
// the same tools and query give the same answer on every machine.
class ToolIndex {
 public:
  explicit ToolIndex(const std::vector<infer::ToolDefinition>& tools);
  // Indexes into the tools, the best first; those that share no word with the query are left out.
  std::vector<std::size_t> search(std::string_view query, std::size_t count) const;

 private:
  struct Word {
    std::string text;
    double weight;
  };
  std::vector<std::vector<Word>> words_;  // By tool.
  double words_mean_ = 1;
};

// Lower-case words of a text: runs of ASCII letters and digits, split at capitals within (`getWeather`); of
// other writing, pairs of characters.
std::vector<std::string> tool_words(std::string_view text);

}  // namespace tsukai::agent
