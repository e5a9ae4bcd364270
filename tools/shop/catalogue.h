// What the shop sells, as plain values: made up by a generator, the same for the same seed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tsukai::shop {

enum class Language { kEnglish, kChinese, kJapanese };

struct Name {
  std::string en, zh, ja;
  const std::string& in(Language language) const;
};

// The language a text is written in, as far as its letters say: kana is Japanese, other Han is Chinese, all
// else `otherwise`.
Language language_of(std::string_view text, Language otherwise);

struct Category {
  std::string_view key;  // What clients see: "coffee".
  std::string_view en, zh, ja;
};
std::span<const Category> categories();
// nullptr when there is none.
const Category* find_category(std::string_view key);

struct Product {
  std::string id;  // "P001"
  Name name;
  std::string category;    // Key of a Category.
  std::string words;       // More words to be found by, in all three languages.
  std::int64_t price = 0;  // Minor units.
  std::int64_t stock = 0;  // At the beginning.
};

struct Coupon {
  std::string code;
  int percent = 0;               // Off the goods; 0: `amount` instead.
  std::int64_t amount = 0;       // Off the goods, minor units.
  std::int64_t goods_min = 0;    // Goods must cost at least so much.
  std::string category;          // Counts for these goods alone; empty: for all.
  std::int64_t uses_max = 1000;  // By all orders together; cancelling gives a use back.
};

struct Catalogue {
  std::string origin;  // What made it: "generated catalogue, seed 1, version 1".
  std::vector<Product> products;
  std::vector<Coupon> coupons;
};

inline constexpr std::uint64_t kDefaultSeed = 1;

// The shop of the made-up city of Lanwan, where tsukai-maps is at home.
Catalogue generate_catalogue(std::uint64_t seed);

}  // namespace tsukai::shop
