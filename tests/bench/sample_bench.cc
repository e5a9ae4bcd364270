// sample_bench: processor time of choosing one token out of 151,936, for every kernel. Prints JSON.
//
//   sample_bench [ROUNDS]      "reference" is the plain sampler; all kernels choose the same tokens
#include <time.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>

#include "base/json.h"
#include "infer/cpu/kernels.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

constexpr std::size_t kVocabulary = 151'936;

double processor_us() {
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) * 1e-3;
}

}  // namespace

int main(int count, char** words) {
  const int rounds = count > 1 ? std::atoi(words[1]) : 20;
  std::mt19937 random(1);
  std::vector<float> logits(kVocabulary);
  std::normal_distribution<float> bulk(-2, 3);
  for (float& logit : logits) logit = bulk(random);
  for (int i = 0; i < 20; ++i) logits[random() % kVocabulary] = 14 + bulk(random);
  std::vector<std::uint64_t> mask(mask_words(kVocabulary));
  for (int i = 0; i < 500; ++i) {
    const std::size_t token = random() % kVocabulary;
    mask[token / 64] |= std::uint64_t{1} << (token % 64);
  }

  struct Case {
    const char* name;
    SampleRow row;
    bool masked;
  };
  std::vector<Case> cases{{"greedy", {}, false}, {"greedy, 500 tokens may come", {}, true}};
  SampleRow draw;
  draw.temperature = 0.7f;
  cases.push_back({"temperature", draw, false});
  cases.push_back({"temperature, 500 tokens may come", draw, true});
  draw.top_p = 0.9f;
  cases.push_back({"temperature, top_p", draw, false});
  draw.top_k = 40;
  cases.push_back({"temperature, top_k, top_p", draw, false});
  draw.top_k = 0;
  draw.top_p = 1;
  draw.min_p = 0.05f;
  cases.push_back({"temperature, min_p", draw, false});

  Json report;
  report["vocabulary"] = kVocabulary;
  for (const std::string& name : cpu::available_kernels()) {
    cpu::SampleScratch scratch;
    std::vector<float> row(kVocabulary);
    for (Case& one : cases) {
      double total = 0;
      for (int round = 0; round < rounds; ++round) {
        row = logits;
        one.row.position = static_cast<std::uint64_t>(round);
        cpu::SampleTask task;
        task.logits = row.data();
        task.width = kVocabulary;
        task.mask = one.masked ? mask.data() : nullptr;
        task.row = &one.row;
        const double begin = processor_us();
        cpu::find_kernels(name)->sample(task, scratch);
        total += processor_us() - begin;
      }
      report["microseconds"][one.name][name] = total / rounds;
    }
  }
  std::puts(print_json_pretty(report).c_str());
}
