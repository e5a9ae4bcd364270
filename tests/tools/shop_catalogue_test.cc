#include <set>

#include "tools/support/shop_calls.h"

using namespace tsukai;
using namespace tsukai::shop;

namespace {
std::string first_name(TestShop& shop, const Json& arguments) {
  const Json products = shop.good("search_products", arguments).at("products");
  return products.empty() ? std::string() : products.at(0).at("name").get<std::string>();
}
}  // namespace

TEST_SUITE("tools/shop/catalogue") {
  TEST_CASE("the same seed makes the same catalogue, another seed another one") {
    const Catalogue one = generate_catalogue(1), same = generate_catalogue(1), other = generate_catalogue(2);
    REQUIRE(one.products.size() == same.products.size());
    int differ = 0;
    for (std::size_t i = 0; i < one.products.size(); ++i) {
      CHECK(one.products[i].name.en == same.products[i].name.en);
      CHECK(one.products[i].price == same.products[i].price);
      CHECK(one.products[i].stock == same.products[i].stock);
      differ += i < other.products.size() && one.products[i].price != other.products[i].price;
    }
    CHECK(differ > 50);
  }

  TEST_CASE("every product has an id and names of its own in three languages, a price and a kind") {
    const Catalogue catalogue = generate_catalogue(kDefaultSeed);
    CHECK(catalogue.products.size() > 150);
    std::set<std::string> ids, english, chinese, japanese;
    int sold_out = 0;
    for (const Product& product : catalogue.products) {
      CAPTURE(product.name.en);
      ids.insert(product.id);
      english.insert(product.name.en);
      chinese.insert(product.name.zh);
      japanese.insert(product.name.ja);
      CHECK(product.price >= 500);
      CHECK(product.price % 10 == 0);
      CHECK(find_category(product.category) != nullptr);
      sold_out += product.stock == 0;
    }
    CHECK(ids.size() == catalogue.products.size());
    CHECK(english.size() == catalogue.products.size());
    CHECK(chinese.size() == catalogue.products.size());
    CHECK(japanese.size() == catalogue.products.size());
    CHECK(sold_out > 0);
  }

  TEST_CASE("questions are answered in their language") {
    TestShop t;
    CHECK(first_name(t, {{"query", "coffee beans"}}).find("coffee beans") != std::string::npos);
    CHECK(first_name(t, {{"query", "门楼咖啡豆"}}).starts_with("门楼咖啡烘焙坊"));
    CHECK(first_name(t, {{"query", "コーヒー豆を買いたい"}}).find("コーヒー豆") != std::string::npos);
    CHECK(first_name(t, {{"query", "赤提灯ください"}}).find("赤提灯") != std::string::npos);
    CHECK(first_name(t, {{"query", "an umbrella for me, please"}}).find("umbrella") != std::string::npos);
  }

  TEST_CASE("category and price narrow a search, and nothing found says what to try") {
    TestShop t;
    const Json found =
        t.good("search_products", {{"query", "cup"}, {"category", "ceramics"}, {"price_max", 6000}});
    for (const Json& product : found.at("products")) {
      CHECK(product.at("category") == "ceramics");
      CHECK(product.at("price_minor") <= 6000);
    }
    const auto nothing = t.call("search_products", {{"query", "xylophone"}});
    REQUIRE(nothing.has_value());
    CHECK(nothing->structured->at("total") == 0);
    CHECK(nothing->text.find("stationery") != std::string::npos);
  }

  TEST_CASE("a product is known by its id in any case and by its exact name") {
    TestShop t;
    const Product& product = t.shop.products().front();
    CHECK(t.good("get_product", {{"product_id", "p001"}}).at("product_id") == "P001");
    CHECK(t.good("get_product", {{"product_id", product.name.zh}}).at("product_id") == "P001");
    CHECK(t.good("get_product", {{"product_id", product.name.en}}).at("names").at("ja") == product.name.ja);
  }
}
