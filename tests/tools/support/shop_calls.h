// A shop in memory, called as its server would call it.
#pragma once

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "support/fake_clock.h"
#include "support/tool_calls.h"
#include "tools/shop/ledger.h"
#include "tools/shop/tools.h"

namespace tsukai::shop {

struct TestShop {
  FakeClock clock;
  Shop shop;
  int keys = 0;

  explicit TestShop(const std::string& path = ":memory:") : shop(open(path, clock)) {}

  static Shop open(const std::string& path, const Clock& clock) {
    auto opened = Shop::open(path, {.every_write_durable = false}, clock);
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().text()));
    return std::move(*opened);
  }

  std::string new_key() { return "key-" + std::to_string(++keys); }

  // A key is added where the tool wants one and none is given.
  Result<Answer> call(std::string_view name, Json arguments) {
    constexpr std::size_t kTextMax = 6000;
    for (const ToolEntry& entry : tools()) {
      if (entry.tool.name != name) continue;
      if (entry.tool.input_schema->at("properties").contains("idempotency_key") &&
          !arguments.contains("idempotency_key"))
        arguments["idempotency_key"] = new_key();
      return checked_call(entry.tool, arguments, kTextMax, [&] { return entry.function(shop, arguments); });
    }
    FAIL("no such tool: ", name);
    return fail(Code::kNotFound, "no such tool");
  }
  Json good(std::string_view name, const Json& arguments) { return structured_of(call(name, arguments)); }
  std::string bad(std::string_view name, const Json& arguments) { return error_of(call(name, arguments)); }

  // The first product with at least so many in stock.
  const Product& product_with(std::int64_t stock) {
    for (const Product& product : shop.products()) {
      if (product.stock >= stock) return product;
    }
    FAIL("no product with a stock of ", stock);
    return shop.products().front();
  }

  // An order of `quantity` of one product, reserved.
  Json order(const Product& product, std::int64_t quantity, Json how = Json::object()) {
    good("add_to_cart", {{"product_id", product.id}, {"quantity", quantity}});
    return good("check_out", how);
  }
  Json paid_order(const Product& product, std::int64_t quantity, Json how = Json::object()) {
    const Json reserved = order(product, quantity, std::move(how));
    return good("pay", {{"order_id", reserved.at("order_id")}, {"amount", reserved.at("total_minor")}});
  }

  std::int64_t stock_of(const Product& product) { return shop.stock(product.id).value(); }

  void check_invariants() {
    const auto problems = check_ledger(shop.database());
    REQUIRE(problems.has_value());
    for (const std::string& problem : *problems) FAIL_CHECK(problem);
  }
};

}  // namespace tsukai::shop
