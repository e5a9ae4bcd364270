#include "infer/support/tokenizer_corpus.h"

#include <cstdint>
#include <fstream>
#include <iterator>
#include <vector>

#include "infer/tokenizer/unicode_class.h"

namespace tsukai::infer::test {
namespace {

// First and last code point; one in eight parts is a single character of these.
constexpr std::uint32_t kRanges[][2] = {
    {0x21, 0x7e},       {0xa0, 0x17f},      {0x370, 0x3ff},     {0x400, 0x4ff},     {0x5d0, 0x5ea},
    {0x620, 0x64a},     {0x904, 0x939},     {0xe01, 0xe30},     {0x1100, 0x1112},   {0x2000, 0x206f},
    {0x2070, 0x209c},   {0x2150, 0x218b},   {0x2190, 0x21ff},   {0x2200, 0x22ff},   {0x2460, 0x24ff},
    {0x2600, 0x27bf},   {0x3000, 0x303f},   {0x3041, 0x30ff},   {0x4e00, 0x9fa5},   {0xac00, 0xd7a3},
    {0xff01, 0xff5e},   {0x10400, 0x1044f}, {0x1d400, 0x1d454}, {0x1d7ce, 0x1d7ff}, {0x1f300, 0x1f5ff},
    {0x1f600, 0x1f64f}, {0x20000, 0x2a6d6}};

std::vector<std::string> snippets() {
  std::ifstream file(TSUKAI_SOURCE_DIR "/tests/infer/data/tokenizer_snippets.txt");
  std::vector<std::string> out;
  for (std::string line; std::getline(file, line);) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (line[i] != '\\' || i + 1 == line.size()) {
        text += line[i];
        continue;
      }
      const char c = line[++i];
      text += c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c;
    }
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace

std::string tokenizer_corpus(std::size_t bytes, unsigned seed) {
  const auto parts = snippets();
  std::uint64_t state = seed;
  auto below = [&](std::uint64_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
  };
  std::string out;
  while (out.size() < bytes) {
    if (below(8) == 0) {
      const auto& range = kRanges[below(std::size(kRanges))];
      append_utf8(out, range[0] + static_cast<std::uint32_t>(below(range[1] - range[0] + 1)));
    } else {
      out += parts[below(parts.size())];
      if (below(3) == 0) out += ' ';
    }
  }
  return out;
}

}  // namespace tsukai::infer::test
