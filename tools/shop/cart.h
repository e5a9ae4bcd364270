// What lies in a cart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/shop/shop.h"

namespace tsukai::shop {

struct CartLine {
  const Product* product = nullptr;
  std::int64_t quantity = 0;
  std::int64_t amount() const { return product->price * quantity; }
};

struct Cart {
  std::string name;
  std::vector<CartLine> lines;  // By product id.
  std::int64_t goods() const;   // Minor units, before coupons.
  std::int64_t quantity_of(const Product& product) const;
};

// The cart that the arguments name, empty when nothing was ever put in.
Result<Cart> load_cart(Shop& shop, const Json& arguments);

}  // namespace tsukai::shop
