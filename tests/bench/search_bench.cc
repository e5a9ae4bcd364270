// How quickly pages are found among many.
//   search_bench [DOCUMENTS] [QUERIES] [FOLDER]   (a FOLDER is kept, and used again by the next time)
// Writes DOCUMENTS pages of made-up words, whose frequencies follow Zipf's law as those of languages do (one
// in ten in Chinese characters), indexes them, and prints how long that and the queries took: words taken
// from the pages themselves, one to four at a time, common ones as often as they are written.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "base/random.h"
#include "tools/search/library.h"
#include "tools/search/snippet.h"

using namespace tsukai;
using namespace tsukai::search;

namespace {

using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// What this thread has computed, which other programs on the machine do not change.
double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

constexpr std::size_t kVocabulary = 50'000;
constexpr std::size_t kPageWords = 180;  // On average.

// The k-th commonest word: short ones first, as in languages.
std::string latin_word(std::size_t rank) {
  static constexpr const char* kSyllables[] = {"ka", "ro",  "mi",  "te",  "su", "lan", "po",
                                               "ri", "den", "fa",  "gu",  "ho", "jen", "vo",
                                               "wa", "zi",  "bel", "cor", "nu", "ty"};
  std::string word;
  for (std::size_t n = rank + 20; n > 0; n /= 20) word += kSyllables[n % 20];
  return word;
}

std::string chinese_word(std::size_t rank) {
  const auto character = [](std::size_t n) {
    const auto code = static_cast<unsigned>(0x4e00 + n % 3000);
    std::string out;
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
    return out;
  };
  return character(rank * 7) + character(rank / 3 + 11);
}

// Draws ranks with probability proportional to 1 / (rank + 2.7) (Zipf and Mandelbrot).
class Words {
 public:
  Words() {
    double total = 0;
    for (std::size_t i = 0; i < kVocabulary; ++i)
      sums_.push_back(total += 1 / (static_cast<double>(i) + 2.7));
  }
  std::size_t draw(Random& random) const {
    const auto at = std::lower_bound(sums_.begin(), sums_.end(), random.unit() * sums_.back());
    return std::min<std::size_t>(static_cast<std::size_t>(at - sums_.begin()), kVocabulary - 1);
  }

 private:
  std::vector<double> sums_;
};

void write_page(const std::string& folder, std::size_t i, const std::vector<std::string>& text,
                bool chinese) {
  const std::string sub = fmt::format("{}/{:03}", folder, i / 1000);
  if (i % 1000 == 0) std::filesystem::create_directories(sub);
  std::ofstream out(fmt::format("{}/{:06}.md", sub, i));
  out << "# ";
  for (std::size_t k = 0; k < text.size(); ++k) {
    out << text[k];
    if (k == 4)
      out << "\n\n";
    else if (k % 12 == 11)
      out << (chinese ? "。\n" : ".\n");
    else if (!chinese)
      out << ' ';
  }
}

// The queries are of the same pages when those are kept from an earlier time.
void write_pages(const std::string& folder, std::size_t documents, std::vector<std::string>& queries,
                 std::size_t wanted, bool kept) {
  Random random(11);
  const Words words;
  for (std::size_t i = 0; i < documents; ++i) {
    const bool chinese = i % 10 == 9;
    const std::size_t length = kPageWords / 2 + random.below(kPageWords);
    std::vector<std::string> text;
    for (std::size_t k = 0; k < length; ++k)
      text.push_back(chinese ? chinese_word(words.draw(random)) : latin_word(words.draw(random)));
    if (!kept) write_page(folder, i, text, chinese);
    if (queries.size() < wanted && i % std::max<std::size_t>(1, documents / wanted) == 0) {
      std::string query;
      for (std::uint64_t n = 1 + random.below(4); n > 0; --n) query += text[random.below(text.size())] + " ";
      queries.push_back(query);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t documents = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100'000;
  const std::size_t wanted = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000;
  const std::filesystem::path folder =
      argc > 3 ? argv[3] : (std::filesystem::temp_directory_path() / "tsukai-search-bench").string();
  const bool keep = argc > 3;
  const bool kept = keep && std::filesystem::exists(folder / "index.db");
  if (!kept) std::filesystem::remove_all(folder);
  std::vector<std::string> queries;
  auto start = Clock::now();
  write_pages((folder / "pages").string(), documents, queries, wanted, kept);
  fmt::print("{} pages written in {:.0f} ms\n", documents, ms_since(start));

  asio::io_context context;
  auto library = Library::open((folder / "index.db").string(), {(folder / "pages").string()});
  if (!library) return fmt::print("{}\n", library.error().text()), 1;
  for (const char* what : {"indexed", "looked over again"}) {
    const auto report = run_to_end(context, library->refresh({}));
    if (!report) return fmt::print("{}\n", report.error().text()), 1;
    fmt::print("{}: {} files, {} read, {} ms\n", what, report->files, report->read, report->took_ms);
  }
  fmt::print("index: {:.0f} MB\n",
             static_cast<double>(std::filesystem::file_size(folder / "index.db")) / 1e6);

  std::vector<double> times, cpu_times;
  std::size_t empty = 0;
  for (const std::string& query : queries) {
    start = Clock::now();
    const double cpu_start = cpu_ms();
    const auto terms = parse_query(query);
    if (!terms) continue;
    const auto found = library->index().search(*terms, "", 0, 5);
    if (!found) return fmt::print("{}\n", found.error().text()), 1;
    for (const Page& page : found->pages) {
      const auto text = library->index().text(page.id);
      if (text) (void)snippet(plain_text(*text), found->terms);
    }
    times.push_back(ms_since(start));
    cpu_times.push_back(cpu_ms() - cpu_start);
    empty += found->pages.empty() ? 1 : 0;
  }
  fmt::print("{} queries with snippets, {} found nothing\n", times.size(), empty);
  for (auto* all : {&times, &cpu_times}) {
    std::sort(all->begin(), all->end());
    const std::size_t count = all->size();
    fmt::print("{}: median {:.2f} ms, p95 {:.2f} ms, p99 {:.2f} ms, worst {:.1f} ms\n",
               all == &times ? "time" : "processor time", (*all)[count / 2], (*all)[count * 95 / 100],
               (*all)[count * 99 / 100], all->back());
  }
  if (!keep) std::filesystem::remove_all(folder);
  return 0;
}
