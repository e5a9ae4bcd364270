// Money: payments and refunds. Both are simulated; the amounts are accounted for as if they were not.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tools/shop/order.h"

namespace tsukai::shop {
namespace {

Result<Answer> charge(Shop& shop, const Json& arguments) {
  TSUKAI_TRY(const Order order, load_order(shop, arguments));
  const std::string named = order_name(order.id);
  if (order.status != "awaiting_payment") {
    return fail(Code::kInvalidArgument,
                fmt::format("order_id: {} is {}, so nothing is due", named, order.status),
                order.status == "cancelled" ? "check out again for a new order" : "do not pay again");
  }
  const std::int64_t amount = integer_at(arguments, "amount", 0);
  if (amount != order.total) {
    return fail(Code::kInvalidArgument,
                fmt::format("amount is {}, but order {} costs {} ({})", amount, named, order.total,
                            money(order.total)),
                fmt::format("send amount {}, in minor units", order.total));
  }
  const std::string method = string_at(arguments, "method", "card");
  TSUKAI_TRY(auto row,
             shop.database().prepare("UPDATE purchase SET status='paid', paid=total, method=?2 WHERE id=?1"));
  TSUKAI_TRY_VOID(row.bind(1, order.id).bind(2, method).run());
  for (const OrderLine& line : order.lines) {
    TSUKAI_TRY_VOID(move_stock(shop, *line.product, 0, -line.quantity, line.quantity));
    TSUKAI_TRY_VOID(shop.note(
        {.effect = Effect::kSell, .order = order.id, .what = line.product->id, .quantity = line.quantity}));
  }
  TSUKAI_TRY_VOID(
      shop.note({.effect = Effect::kCharge, .order = order.id, .what = method, .amount = amount}));
  return order_answer(shop, order.id,
                      fmt::format("Order {} is paid: {} by {}.", named, money(amount), method));
}

// What comes back: how many of each line, in the order of the lines.
Result<std::vector<std::int64_t>> returned_counts(Shop& shop, const Order& order, const Json& arguments) {
  std::vector<std::int64_t> counts;
  const std::string id = string_at(arguments, "product_id");
  if (id.empty()) {
    if (find(arguments, "quantity") != nullptr) {
      return fail(Code::kInvalidArgument, "quantity is given without product_id",
                  "send product_id too, or leave both out to refund the whole order");
    }
    for (const OrderLine& line : order.lines) counts.push_back(line.quantity - line.returned);
    return counts;
  }
  TSUKAI_TRY(const Product* product, shop.product(id));
  std::int64_t found = 0;
  for (const OrderLine& line : order.lines) {
    const bool this_one = line.product == product;
    const std::int64_t left = line.quantity - line.returned;
    const std::int64_t count = this_one ? integer_at(arguments, "quantity", left) : 0;
    if (this_one) ++found;
    if (this_one && left == 0) {
      return fail(Code::kInvalidArgument,
                  fmt::format("product_id: all of {} were returned before", product->id),
                  "do not refund them again");
    }
    if (count > left) {
      return fail(
          Code::kInvalidArgument,
          fmt::format("quantity is {}, but only {} of {} are left to return", count, left, product->id),
          fmt::format("send a quantity of at most {}", left));
    }
    counts.push_back(count);
  }
  if (found == 0) {
    return fail(Code::kNotFound,
                fmt::format("product_id: {} is not part of order {}", product->id, order_name(order.id)),
                "order_status tells what is");
  }
  return counts;
}

Result<Answer> give_back(Shop& shop, const Json& arguments) {
  TSUKAI_TRY(const Order order, load_order(shop, arguments));
  const std::string named = order_name(order.id);
  if (order.status != "paid" && order.status != "partly_refunded") {
    return fail(Code::kInvalidArgument,
                fmt::format("order_id: {} is {}, so there is nothing to refund", named, order.status),
                order.status == "awaiting_payment" ? "use cancel_order instead" : "do not refund it again");
  }
  TSUKAI_TRY(const auto counts, returned_counts(shop, order, arguments));
  std::int64_t amount = 0;
  bool all = true;
  TSUKAI_TRY(auto row, shop.database().prepare(
                           "UPDATE purchase_line SET returned=returned+?3 WHERE purchase=?1 AND product=?2"));
  for (std::size_t i = 0; i < order.lines.size(); ++i) {
    const OrderLine& line = order.lines[i];
    all = all && line.returned + counts[i] == line.quantity;
    if (counts[i] == 0) continue;
    amount += line.refund_for(counts[i]);
    TSUKAI_TRY_VOID(row.bind(1, order.id).bind(2, line.product->id).bind(3, counts[i]).run());
    TSUKAI_TRY_VOID(move_stock(shop, *line.product, counts[i], 0, -counts[i]));
    TSUKAI_TRY_VOID(shop.note(
        {.effect = Effect::kReturn, .order = order.id, .what = line.product->id, .quantity = counts[i]}));
  }
  // The fee comes back only with an order that comes back as a whole.
  if (all && order.refunded == 0) amount += order.delivery;
  TSUKAI_TRY(auto whole,
             shop.database().prepare("UPDATE purchase SET refunded=refunded+?2, status=?3 WHERE id=?1"));
  TSUKAI_TRY_VOID(
      whole.bind(1, order.id).bind(2, amount).bind(3, all ? "refunded" : "partly_refunded").run());
  TSUKAI_TRY_VOID(
      shop.note({.effect = Effect::kRefund, .order = order.id, .what = order.method, .amount = amount}));
  return order_answer(shop, order.id, fmt::format("Refunded {} of order {}.", money(amount), named));
}

}  // namespace

Result<Answer> pay(Shop& shop, const Json& arguments) {
  return shop.once("pay", arguments, [&] { return charge(shop, arguments); });
}

Result<Answer> refund(Shop& shop, const Json& arguments) {
  return shop.once("refund", arguments, [&] { return give_back(shop, arguments); });
}

}  // namespace tsukai::shop
