// From cart to order and back: check-out and cancelling.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "tools/shop/cart.h"
#include "tools/shop/delivery.h"
#include "tools/shop/order.h"

namespace tsukai::shop {
namespace {

constexpr std::int64_t kFirstOrder = 1001;

struct Discount {
  std::string code;
  std::string category;     // It counts for these goods alone; empty: for all.
  std::int64_t amount = 0;  // Minor units.
};

bool counts(const Discount& discount, const CartLine& line) {
  return discount.category.empty() || line.product->category == discount.category;
}

std::int64_t goods_that_count(const Discount& discount, const Cart& cart) {
  std::int64_t sum = 0;
  for (const CartLine& line : cart.lines) sum += counts(discount, line) ? line.amount() : 0;
  return sum;
}

Result<Discount> discount_for(Shop& shop, const Cart& cart, const std::string& given) {
  Discount discount;
  discount.code = std::string(trimmed(given));
  std::transform(discount.code.begin(), discount.code.end(), discount.code.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  if (discount.code.empty()) return discount;
  TSUKAI_TRY(auto row,
             shop.database().prepare(
                 "SELECT percent, amount, goods_min, category, uses_max - uses FROM coupon WHERE code=?1"));
  TSUKAI_TRY(const bool known, row.bind(1, discount.code).step());
  const std::string named = fmt::format("coupon \"{}\"", shortened(given, 40));
  if (!known) return fail(Code::kNotFound, named + " is not known", "leave coupon out");
  discount.category = row.text(3);
  const std::int64_t goods = goods_that_count(discount, cart);
  if (row.integer(4) <= 0) return fail(Code::kExhausted, named + " is used up", "leave coupon out");
  if (goods == 0)
    return fail(Code::kInvalidArgument, fmt::format("{} counts for {} only", named, discount.category),
                "leave coupon out");
  if (goods < row.integer(2)) {
    return fail(
        Code::kInvalidArgument,
        fmt::format("{} needs goods for {}, these cost {}", named, money(row.integer(2)), money(goods)),
        "add goods, or leave coupon out");
  }
  discount.amount = row.integer(0) > 0 ? goods * row.integer(0) / 100 : std::min(row.integer(1), goods);
  return discount;
}

// Each line's part of the discount, in proportion; what rounding leaves goes line by line, so that the parts
// sum up to the whole.
std::vector<std::int64_t> shares(const Discount& discount, const Cart& cart) {
  const std::int64_t goods = goods_that_count(discount, cart);
  std::vector<std::int64_t> parts;
  std::int64_t before = 0;
  for (const CartLine& line : cart.lines) {
    if (discount.amount == 0 || !counts(discount, line)) {
      parts.push_back(0);
      continue;
    }
    const std::int64_t after = before + line.amount();
    parts.push_back(discount.amount * after / goods - discount.amount * before / goods);
    before = after;
  }
  return parts;
}

Result<void> use_coupon(Shop& shop, std::int64_t order, const std::string& code, std::int64_t uses) {
  if (code.empty()) return {};
  TSUKAI_TRY(auto row, shop.database().prepare("UPDATE coupon SET uses=uses+?2 WHERE code=?1"));
  TSUKAI_TRY_VOID(row.bind(1, code).bind(2, uses).run());
  return shop.note({.effect = uses > 0 ? Effect::kCouponUse : Effect::kCouponBack,
                    .order = order,
                    .what = code,
                    .quantity = 1});
}

Result<void> check_stock(Shop& shop, const Cart& cart) {
  for (const CartLine& line : cart.lines) {
    TSUKAI_TRY(const std::int64_t stock, shop.stock(line.product->id));
    if (stock >= line.quantity) continue;
    return fail(
        Code::kExhausted,
        fmt::format("cart {}: {} of {} are wanted, but only {} are left", cart.name, line.quantity,
                    line.product->id, stock),
        fmt::format("call remove_from_cart for {} of {} first", line.quantity - stock, line.product->id));
  }
  return {};
}

Result<std::int64_t> insert_order(Shop& shop, const Cart& cart, const Discount& discount,
                                  const std::string& slot, std::int64_t delivery) {
  TSUKAI_TRY(
      auto row,
      shop.database().prepare(
          "INSERT INTO purchase(id, cart, coupon, slot, status, goods, discount, delivery, total, at_ms)"
          " VALUES((SELECT coalesce(max(id) + 1, ?9) FROM purchase), ?1, ?2, ?3, 'awaiting_payment',"
          " ?4, ?5, ?6, ?7, ?8)"));
  const std::int64_t goods = cart.goods();
  TSUKAI_TRY_VOID(row.bind(1, cart.name)
                      .bind(2, discount.code)
                      .bind(3, slot)
                      .bind(4, goods)
                      .bind(5, discount.amount)
                      .bind(6, delivery)
                      .bind(7, goods - discount.amount + delivery)
                      .bind(8, shop.clock().wall_ms())
                      .bind(9, kFirstOrder)
                      .run());
  return shop.database().last_insert_id();
}

Result<void> reserve(Shop& shop, std::int64_t order, const Cart& cart, const Discount& discount) {
  const auto off = shares(discount, cart);
  TSUKAI_TRY(auto row,
             shop.database().prepare("INSERT INTO purchase_line(purchase, product, quantity, price, amount)"
                                     " VALUES(?1, ?2, ?3, ?4, ?5)"));
  for (std::size_t i = 0; i < cart.lines.size(); ++i) {
    const CartLine& line = cart.lines[i];
    TSUKAI_TRY_VOID(row.bind(1, order)
                        .bind(2, line.product->id)
                        .bind(3, line.quantity)
                        .bind(4, line.product->price)
                        .bind(5, line.amount() - off[i])
                        .run());
    TSUKAI_TRY_VOID(move_stock(shop, *line.product, -line.quantity, line.quantity, 0));
    TSUKAI_TRY_VOID(shop.note(
        {.effect = Effect::kCartEmpty, .order = order, .what = line.product->id, .quantity = line.quantity}));
    TSUKAI_TRY_VOID(shop.note(
        {.effect = Effect::kReserve, .order = order, .what = line.product->id, .quantity = line.quantity}));
  }
  TSUKAI_TRY(auto empty, shop.database().prepare("DELETE FROM cart_line WHERE cart=?1"));
  return empty.bind(1, cart.name).run();
}

Result<Answer> order_cart(Shop& shop, const Json& arguments) {
  TSUKAI_TRY(const Cart cart, load_cart(shop, arguments));
  if (cart.lines.empty()) {
    return fail(Code::kInvalidArgument, fmt::format("cart {} is empty", cart.name), "call add_to_cart first");
  }
  TSUKAI_TRY_VOID(check_stock(shop, cart));
  std::string slot(trimmed(string_at(arguments, "delivery_slot", kPickup)));
  if (slot.empty()) slot = kPickup;
  if (slot != kPickup) TSUKAI_TRY_VOID(check_slot(shop, slot));
  TSUKAI_TRY(const Discount discount, discount_for(shop, cart, string_at(arguments, "coupon")));
  const bool free = slot == kPickup || cart.goods() - discount.amount >= kFreeDeliveryFrom;
  TSUKAI_TRY(const std::int64_t order, insert_order(shop, cart, discount, slot, free ? 0 : kDeliveryFee));
  TSUKAI_TRY_VOID(reserve(shop, order, cart, discount));
  TSUKAI_TRY_VOID(use_coupon(shop, order, discount.code, 1));
  const std::int64_t total = cart.goods() - discount.amount + (free ? 0 : kDeliveryFee);
  return order_answer(shop, order,
                      fmt::format("Order {} is reserved. Pay {} (amount {}) with pay.", order_name(order),
                                  money(total), total));
}

Result<Answer> cancel(Shop& shop, const Json& arguments) {
  TSUKAI_TRY(const Order order, load_order(shop, arguments));
  if (order.status != "awaiting_payment") {
    return fail(Code::kInvalidArgument,
                fmt::format("order_id: {} is {}, and only an order that awaits payment can be cancelled",
                            order_name(order.id), order.status),
                order.status == "cancelled" || order.status == "refunded" ? "there is nothing left to do"
                                                                          : "use refund instead");
  }
  for (const OrderLine& line : order.lines) {
    TSUKAI_TRY_VOID(move_stock(shop, *line.product, line.quantity, -line.quantity, 0));
    TSUKAI_TRY_VOID(shop.note({.effect = Effect::kRelease,
                               .order = order.id,
                               .what = line.product->id,
                               .quantity = line.quantity}));
  }
  TSUKAI_TRY_VOID(use_coupon(shop, order.id, order.coupon, -1));
  TSUKAI_TRY_VOID(set_status(shop, order.id, "cancelled"));
  return order_answer(shop, order.id, fmt::format("Order {} is cancelled.", order_name(order.id)));
}

}  // namespace

Result<Answer> check_out(Shop& shop, const Json& arguments) {
  return shop.once("check_out", arguments, [&] { return order_cart(shop, arguments); });
}

Result<Answer> cancel_order(Shop& shop, const Json& arguments) {
  return shop.once("cancel_order", arguments, [&] { return cancel(shop, arguments); });
}

}  // namespace tsukai::shop
