// How fast texts become tokens: tokenizer_bench NAME=FILE...
//   FILE  a tokenizer.json, or a GGUF file
// Encodes, on one thread, 4 MB each of: a mix of English, Chinese, Japanese, other scripts, code, emoji and
// single characters of all planes; English comments with C++; and ASCII prose whose words hardly repeat.
// Processor time of the best of five. Prints one JSON object.
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

double megabytes_per_s(const Tokenizer& tokenizer, const std::string& text) {
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const std::clock_t start = std::clock();
    const auto tokens = tokenizer.encode(text);
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    if (!tokens.empty() && seconds > 0)
      best = std::max(best, static_cast<double>(text.size()) / seconds / 1e6);
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
  const std::string mixed = mixed_text(), code = code_text(), rare = rare_text();
  Json out = Json::object();
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    const std::size_t equals = argument.find('=');
    if (equals == std::string::npos) {
      std::fprintf(stderr, "usage: tokenizer_bench NAME=FILE...\n");
      return 2;
    }
    auto tokenizer = open(argument.substr(equals + 1));
    if (!tokenizer) {
      std::fprintf(stderr, "%s\n", tokenizer.error().text().c_str());
      return 3;
    }
    out[argument.substr(0, equals)] = {{"mixed_mb_per_s", megabytes_per_s(**tokenizer, mixed)},
                                       {"code_mb_per_s", megabytes_per_s(**tokenizer, code)},
                                       {"rare_words_mb_per_s", megabytes_per_s(**tokenizer, rare)}};
  }
  std::printf("%s\n", print_json_pretty(out).c_str());
  return 0;
}
