#include "tools/shop/order.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "mcp/page.h"

namespace tsukai::shop {
namespace {

constexpr const char* kColumns =
    "SELECT id, cart, coupon, slot, status, method, goods, discount, delivery, total, paid, refunded FROM "
    "purchase ";

Order from_row(const Statement& row) {
  Order order;
  order.id = row.integer(0);
  order.cart = row.text(1);
  order.coupon = row.text(2);
  order.slot = row.text(3);
  order.status = row.text(4);
  order.method = row.text(5);
  order.goods = row.integer(6);
  order.discount = row.integer(7);
  order.delivery = row.integer(8);
  order.total = row.integer(9);
  order.paid = row.integer(10);
  order.refunded = row.integer(11);
  return order;
}

Result<std::optional<Order>> find_order(Shop& shop, std::int64_t id) {
  TSUKAI_TRY(auto row, shop.database().prepare(std::string(kColumns) + "WHERE id=?1"));
  TSUKAI_TRY(const bool known, row.bind(1, id).step());
  if (!known) return std::optional<Order>();
  Order order = from_row(row);
  TSUKAI_TRY(auto line,
             shop.database().prepare("SELECT product, quantity, returned, price, amount FROM purchase_line"
                                     " WHERE purchase=?1 ORDER BY product"));
  line.bind(1, id);
  for (;;) {
    TSUKAI_TRY(const bool more, line.step());
    if (!more) return std::optional<Order>(std::move(order));
    TSUKAI_TRY(const Product* product, shop.product(line.text(0)));
    order.lines.push_back({product, line.integer(1), line.integer(2), line.integer(3), line.integer(4)});
  }
}

// The number in "O1001", in any case, with or without the letter; -1 when it is none.
std::int64_t order_number(std::string_view text) {
  text = trimmed(text);
  if (!text.empty() && (text.front() == 'O' || text.front() == 'o')) text.remove_prefix(1);
  std::int64_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  return error == std::errc() && end == text.data() + text.size() ? id : -1;
}

// Orders of a cart, newest first.
Result<Answer> list_orders(Shop& shop, const Json& arguments) {
  TSUKAI_TRY(const std::size_t begin, mcp::page_begin(arguments));
  const std::string cart = string_at(arguments, "cart", kMainCart);
  TSUKAI_TRY(auto row, shop.database().prepare(std::string(kColumns) +
                                               "WHERE cart=?1 ORDER BY id DESC LIMIT ?2 OFFSET ?3"));
  row.bind(1, cart)
      .bind(2, static_cast<std::int64_t>(kPageLines + 1))
      .bind(3, static_cast<std::int64_t>(begin));
  Json orders = Json::array();
  std::string text;
  Json answer = Json::object();
  for (;;) {
    TSUKAI_TRY(const bool more, row.step());
    if (!more) break;
    if (orders.size() == kPageLines) {
      answer["next_cursor"] = mcp::cursor_at(begin + kPageLines, arguments);
      text +=
          fmt::format("There are more: send cursor \"{}\".", mcp::cursor_at(begin + kPageLines, arguments));
      break;
    }
    const Order order = from_row(row);
    orders.push_back(
        {{"order_id", order_name(order.id)}, {"status", order.status}, {"total_minor", order.total}});
    text += fmt::format("{}: {}, {}\n", order_name(order.id), order.status, money(order.total));
  }
  if (orders.empty()) text = fmt::format("Cart {} has no {}orders.", cart, begin > 0 ? "more " : "");
  answer["orders"] = std::move(orders);
  return Answer{std::move(answer), text};
}

}  // namespace

std::int64_t OrderLine::refund_for(std::int64_t count) const {
  return amount * (returned + count) / quantity - amount * returned / quantity;
}

std::string order_name(std::int64_t id) { return fmt::format("O{}", id); }

Result<Order> load_order(Shop& shop, const Json& arguments) {
  const std::string text = string_at(arguments, "order_id");
  TSUKAI_TRY(auto order, find_order(shop, order_number(text)));
  if (order) return std::move(*order);
  return fail(Code::kNotFound, fmt::format("order_id: there is no order \"{}\"", shortened(text, 40)),
              "take the order_id from check_out; order_status without order_id lists the orders of a cart");
}

Answer to_answer(const Order& order, Language language, const std::string& headline) {
  Json lines = Json::array();
  std::string text = headline;
  for (const OrderLine& line : order.lines) {
    lines.push_back({{"product_id", line.product->id},
                     {"name", line.product->name.in(language)},
                     {"quantity", line.quantity},
                     {"returned", line.returned},
                     {"amount_minor", line.amount}});
    text +=
        fmt::format("\n{} x {} ({}), {}{}", line.quantity, line.product->name.in(language), line.product->id,
                    money(line.amount), line.returned > 0 ? fmt::format(", {} returned", line.returned) : "");
  }
  if (!order.coupon.empty()) text += fmt::format("\nCoupon {}: -{}", order.coupon, money(order.discount));
  if (order.delivery > 0) text += fmt::format("\nDelivery: {}", money(order.delivery));
  text += fmt::format("\nTotal: {}, {}.", money(order.total), order.slot);
  return Answer{Json{{"order_id", order_name(order.id)},
                     {"status", order.status},
                     {"lines", std::move(lines)},
                     {"coupon", order.coupon},
                     {"delivery_slot", order.slot},
                     {"goods_minor", order.goods},
                     {"discount_minor", order.discount},
                     {"delivery_minor", order.delivery},
                     {"total_minor", order.total},
                     {"total", money(order.total)},
                     {"paid_minor", order.paid},
                     {"refunded_minor", order.refunded}},
                text};
}

Result<Answer> order_answer(Shop& shop, std::int64_t id, const std::string& headline) {
  TSUKAI_TRY(const auto order, find_order(shop, id));
  TSUKAI_CHECK(order.has_value(), "the order of this very write");
  return to_answer(*order, shop.language(), headline);
}

Result<void> set_status(Shop& shop, std::int64_t id, std::string_view status) {
  TSUKAI_TRY(auto row, shop.database().prepare("UPDATE purchase SET status=?2 WHERE id=?1"));
  return row.bind(1, id).bind(2, status).run();
}

Result<void> move_stock(Shop& shop, const Product& product, std::int64_t stock, std::int64_t reserved,
                        std::int64_t sold) {
  TSUKAI_TRY(auto row,
             shop.database().prepare("UPDATE product SET stock=stock+?2, reserved=reserved+?3, sold=sold+?4"
                                     " WHERE id=?1"));
  return row.bind(1, product.id).bind(2, stock).bind(3, reserved).bind(4, sold).run();
}

Result<Answer> order_status(Shop& shop, const Json& arguments) {
  if (string_at(arguments, "order_id").empty()) return list_orders(shop, arguments);
  TSUKAI_TRY(const Order order, load_order(shop, arguments));
  std::string headline = fmt::format("Order {} is {}.", order_name(order.id), order.status);
  if (order.status == "awaiting_payment")
    headline += fmt::format(" Pay {} (amount {}).", money(order.total), order.total);
  if (order.refunded > 0) headline += fmt::format(" Refunded so far: {}.", money(order.refunded));
  return to_answer(order, shop.language(), headline);
}

}  // namespace tsukai::shop
