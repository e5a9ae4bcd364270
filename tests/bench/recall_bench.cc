// Recall of src/memory on a file of LoCoMo (Maharana et al. 2024, CC BY-NC 4.0: read from a path, never
// shipped). Every turn of a conversation is an episode, every question a query; recall@k = mean share of a
// question's evidence turns among the first k.
//   recall_bench FILE.json [WINDOW]      WINDOW: how many neighbours either side are indexed with a turn
//   (default: 0, 1, 2)
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "memory/memory.h"

using namespace tsukai;
using namespace tsukai::memory;

namespace {

constexpr std::size_t kCuts[] = {5, 10, 20};
constexpr int kSessionsMax = 60;

template <typename T>
T must(Result<T> result) {
  if (!result) {
    fmt::print(stderr, "{}\n", result.error().text());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

struct Turn {
  std::string id, text;
};

std::vector<Turn> turns_of(const Json& conversation) {
  std::vector<Turn> turns;
  for (int session = 1; session <= kSessionsMax; ++session) {
    const Json* list = find(conversation, fmt::format("session_{}", session));
    if (list == nullptr) continue;
    for (const auto& turn : *list) {
      std::string text = string_at(turn, "speaker") + ": " + string_at(turn, "text");
      if (const std::string caption = string_at(turn, "blip_caption"); !caption.empty())
        text += " [image: " + caption + "]";
      turns.push_back({string_at(turn, "dia_id"), text});
    }
  }
  return turns;
}

// Ids are "D1:3", now and then several within one text.
std::set<std::string> evidence_of(const Json& question, const std::map<std::string, std::size_t>& known) {
  std::set<std::string> ids;
  const Json* list = find(question, "evidence");
  if (list == nullptr || !list->is_array()) return ids;
  for (const auto& entry : *list) {
    std::string text = entry.is_string() ? entry.get<std::string>() : "";
    std::replace_if(text.begin(), text.end(), [](char c) { return c == ';' || c == ','; }, ' ');
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      if (known.contains(word)) ids.insert(word);
    }
  }
  return ids;
}

struct Score {
  int questions = 0;
  double recall[3] = {};
  int hit = 0;  // Any evidence among the first 10.
};

struct Report {
  std::map<int, Score> by_category;  // 0: all.
  std::vector<double> ms;
};

void measure(const Json& sample, std::size_t window, Report& report) {
  const auto turns = turns_of(*find(sample, "conversation"));
  std::map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < turns.size(); ++i) index[turns[i].id] = i;
  Database database = must(Database::open(":memory:"));
  auto memory = must(Memory::open(database, system_clock()));
  must(database.write([&]() -> Result<void> {
    for (std::size_t i = 0; i < turns.size(); ++i) {
      std::string text;
      for (std::size_t k = i >= window ? i - window : 0; k <= std::min(turns.size() - 1, i + window); ++k) {
        text += turns[k].text + "\n";
      }
      TSUKAI_TRY_VOID(
          memory->add({.run_id = turns[i].id, .at_ms = static_cast<std::int64_t>(i + 1), .task = text}));
    }
    return {};
  }));
  for (const auto& question : *find(sample, "qa")) {
    const auto evidence = evidence_of(question, index);
    if (evidence.empty()) continue;
    const auto start = std::chrono::steady_clock::now();
    const auto found = must(memory->search(string_at(question, "question"), {}, kCuts[2]));
    report.ms.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    for (const int category : {0, static_cast<int>(integer_at(question, "category"))}) {
      Score& score = report.by_category[category];
      ++score.questions;
      for (std::size_t c = 0; c < 3; ++c) {
        std::size_t hits = 0;
        for (std::size_t i = 0; i < std::min(kCuts[c], found.size()); ++i)
          hits += evidence.count(found[i].episode.run_id);
        score.recall[c] += static_cast<double>(hits) / static_cast<double>(evidence.size());
        if (c == 1) score.hit += hits > 0 ? 1 : 0;
      }
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    fmt::print(stderr, "usage: recall_bench FILE.json [WINDOW]\n");
    return 2;
  }
  std::ifstream in(arguments[1], std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  const Json samples = must(parse_json(bytes.str()));
  std::vector<std::size_t> windows = {0, 1, 2};
  if (count > 2) windows = {static_cast<std::size_t>(std::atoi(arguments[2]))};
  static const std::map<int, const char*> kCategories = {{0, "all"},        {1, "multi-hop"},
                                                         {2, "temporal"},   {3, "open-domain"},
                                                         {4, "single-hop"}, {5, "adversarial"}};
  for (const std::size_t window : windows) {
    Report report;
    for (const auto& sample : samples) measure(sample, window, report);
    std::sort(report.ms.begin(), report.ms.end());
    fmt::print("window ±{}   p50 {:.2f} ms, p95 {:.2f} ms a query\n", window, report.ms[report.ms.size() / 2],
               report.ms[report.ms.size() * 95 / 100]);
    fmt::print("  {:<12} {:>5} {:>7} {:>7} {:>7} {:>7}\n", "", "n", "@5", "@10", "@20", "hit@10");
    for (const auto& [category, score] : report.by_category) {
      const auto name = kCategories.find(category);
      fmt::print("  {:<12} {:>5} {:>7.1f} {:>7.1f} {:>7.1f} {:>7.1f}\n",
                 name == kCategories.end() ? "?" : name->second, score.questions,
                 100 * score.recall[0] / score.questions, 100 * score.recall[1] / score.questions,
                 100 * score.recall[2] / score.questions, 100.0 * score.hit / score.questions);
    }
  }
  return 0;
}
