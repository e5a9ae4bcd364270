// An order: goods at the prices of its check-out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/shop/shop.h"

namespace tsukai::shop {

struct OrderLine {
  const Product* product = nullptr;
  std::int64_t quantity = 0;
  std::int64_t returned = 0;
  std::int64_t price = 0;   // Of one.
  std::int64_t amount = 0;  // Of all, after the coupon: what a return of all gives back.

  // What a return of `count` more gives back; all returns together give `amount`, to the last minor unit.
  std::int64_t refund_for(std::int64_t count) const;
};

struct Order {
  std::int64_t id = 0;
  std::string cart, coupon, slot, status, method;
  std::int64_t goods = 0, discount = 0, delivery = 0, total = 0, paid = 0, refunded = 0;  // Minor units.
  std::vector<OrderLine> lines;
};

// "O1001", as clients see it.
std::string order_name(std::int64_t id);

// The order that argument order_id names. The error says where to find one.
Result<Order> load_order(Shop& shop, const Json& arguments);
// The answer of every tool about one order.
Answer to_answer(const Order& order, Language language, const std::string& headline);
// The order as it is now, after a write.
Result<Answer> order_answer(Shop& shop, std::int64_t id, const std::string& headline);

Result<void> set_status(Shop& shop, std::int64_t id, std::string_view status);
// Moves goods of one product between the shelves; each is what to add. They sum up to nothing.
Result<void> move_stock(Shop& shop, const Product& product, std::int64_t stock, std::int64_t reserved,
                        std::int64_t sold);

}  // namespace tsukai::shop
