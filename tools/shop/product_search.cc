// Tools about products: search and details.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "mcp/page.h"
#include "tools/shop/shop.h"

namespace tsukai::shop {
namespace {

// Words that say nothing about a product.
constexpr std::array<std::string_view, 14> kFillers = {"a",  "an",   "and", "the",  "of",  "for", "from",
                                                       "in", "some", "to",  "with", "any", "me",  "please"};

bool plain(unsigned char c) { return std::isalnum(c) != 0; }

// Lower case, words separated by one space; letters beyond ASCII stay as they are.
std::string folded(std::string_view text) {
  std::string out = " ";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 || plain(byte)) {
      out += byte < 0x80 ? static_cast<char>(std::tolower(byte)) : c;
    } else if (out.back() != ' ' && c != '\'') {
      out += ' ';
    }
  }
  return out;
}

struct Term {
  std::string text;  // With a space before it: words are found by their beginning.
  double weight = 1;
};

void add_word(std::vector<Term>& terms, std::string word) {
  if (word.empty() || std::find(kFillers.begin(), kFillers.end(), word) != kFillers.end()) return;
  // "beans" finds "bean" and "beans".
  if (word.size() > 3 && word.ends_with('s')) word.pop_back();
  terms.push_back({" " + word, 1});
}

// Chinese and Japanese have no spaces: two letters at a time, wherever they stand.
void add_letters(std::vector<Term>& terms, const std::vector<std::string>& letters) {
  if (letters.size() == 1) terms.push_back({letters[0], 1});
  for (std::size_t i = 0; i + 1 < letters.size(); ++i) terms.push_back({letters[i] + letters[i + 1], 0.5});
}

std::vector<Term> terms_of(std::string_view query) {
  constexpr std::size_t kTermsMax = 64;
  std::vector<Term> terms;
  const std::string text = folded(query) + " ";
  std::string word;
  std::vector<std::string> letters;
  for (std::size_t i = 0; i < text.size() && terms.size() < kTermsMax;) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x80) {
      if (!letters.empty()) add_letters(terms, std::exchange(letters, {}));
      if (text[i] == ' ')
        add_word(terms, std::exchange(word, {}));
      else
        word += text[i];
      ++i;
      continue;
    }
    add_word(terms, std::exchange(word, {}));
    const std::size_t size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    letters.push_back(text.substr(i, size));
    i += size;
  }
  return terms;
}

struct Hit {
  const Product* product;
  double score;
};

// Products that match at least a third of the words (questions in Japanese hold many letters beside the
// thing), best first. A word in the name counts more than one about the kind.
std::vector<Hit> find_products(const Shop& shop, const Json& arguments) {
  const std::string category = string_at(arguments, "category");
  const auto price_max = integer_at(arguments, "price_max", 0);
  const std::vector<Term> terms = terms_of(string_at(arguments, "query"));
  double whole = 0;
  for (const Term& term : terms) whole += term.weight;
  std::vector<Hit> hits;
  for (const Product& product : shop.products()) {
    if (!category.empty() && product.category != category) continue;
    if (price_max > 0 && product.price > price_max) continue;
    const Category* kind = find_category(product.category);
    const std::string name = folded(product.name.en + " " + product.name.zh + " " + product.name.ja);
    const std::string about = folded(
        fmt::format("{} {} {} {} {} {}", product.id, kind->key, kind->en, kind->zh, kind->ja, product.words));
    double matched = 0, score = 0;
    for (const Term& term : terms) {
      const bool in_name = name.find(term.text) != std::string::npos;
      if (!in_name && about.find(term.text) == std::string::npos) continue;
      matched += term.weight;
      score += term.weight * (in_name ? 1.5 : 1);
    }
    if (matched * 3 < whole) continue;
    hits.push_back({&product, score});
  }
  // Products lie in one vector by id: among equals the lower id comes first.
  std::sort(hits.begin(), hits.end(), [](const Hit& a, const Hit& b) {
    return a.score != b.score ? a.score > b.score : a.product < b.product;
  });
  return hits;
}

Json to_json(const Product& product, std::int64_t stock, Language language) {
  return {{"product_id", product.id},     {"name", product.name.in(language)}, {"category", product.category},
          {"price_minor", product.price}, {"price", money(product.price)},     {"stock", stock}};
}

std::string stock_words(std::int64_t stock) {
  return stock == 0 ? std::string("sold out") : fmt::format("{} in stock", stock);
}

}  // namespace

Result<Answer> search_products(Shop& shop, const Json& arguments) {
  TSUKAI_TRY(const std::size_t begin, mcp::page_begin(arguments));
  const std::string query = string_at(arguments, "query");
  const Language language = language_of(query, shop.language());
  const std::vector<Hit> hits = find_products(shop, arguments);
  Json products = Json::array();
  std::string text;
  const std::size_t end = std::min(begin + kPageLines, hits.size());
  for (std::size_t i = begin; i < end; ++i) {
    const Product& product = *hits[i].product;
    TSUKAI_TRY(const std::int64_t stock, shop.stock(product.id));
    products.push_back(to_json(product, stock, language));
    text += fmt::format("{}{}. {} ({}), {}, {}", text.empty() ? "" : "\n", i + 1, product.name.in(language),
                        product.id, money(product.price), stock_words(stock));
  }
  Json answer = {{"products", std::move(products)}, {"total", hits.size()}};
  if (hits.empty()) {
    std::string kinds;
    for (const Category& category : categories())
      kinds += fmt::format("{}{}", kinds.empty() ? "" : ", ", category.key);
    text = fmt::format("Nothing matches \"{}\". Try fewer words, a higher price_max, or a category: {}.",
                       shortened(query, 60), kinds);
  }
  if (end < hits.size()) {
    answer["next_cursor"] = mcp::cursor_at(end, arguments);
    text += fmt::format("\n{} more: send cursor \"{}\".", hits.size() - end, mcp::cursor_at(end, arguments));
  } else if (text.empty()) {
    text = "There are no more.";
  }
  return Answer{std::move(answer), text};
}

Result<Answer> get_product(Shop& shop, const Json& arguments) {
  const std::string id = string_at(arguments, "product_id");
  TSUKAI_TRY(const Product* product, shop.product(id));
  TSUKAI_TRY(const std::int64_t stock, shop.stock(product->id));
  Json answer = to_json(*product, stock, language_of(id, shop.language()));
  answer["names"] = {{"en", product->name.en}, {"zh", product->name.zh}, {"ja", product->name.ja}};
  return Answer{std::move(answer),
                fmt::format("{} ({}), {}, {}. Also called {}, {}.", product->name.en, product->id,
                            money(product->price), stock_words(stock), product->name.zh, product->name.ja)};
}

}  // namespace tsukai::shop
