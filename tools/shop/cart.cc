#include "tools/shop/cart.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "mcp/page.h"
#include "tools/shop/delivery.h"

namespace tsukai::shop {
namespace {

Json to_json(const CartLine& line, Language language) {
  return {{"product_id", line.product->id},
          {"name", line.product->name.in(language)},
          {"quantity", line.quantity},
          {"price_minor", line.product->price},
          {"amount_minor", line.amount()}};
}

// What add and remove answer: the product's new line and the whole.
Result<Answer> changed(Shop& shop, const Json& arguments, const Product& product, std::string what) {
  TSUKAI_TRY(const Cart cart, load_cart(shop, arguments));
  return Answer{Json{{"cart", cart.name},
                     {"product_id", product.id},
                     {"quantity", cart.quantity_of(product)},
                     {"goods_minor", cart.goods()},
                     {"goods", money(cart.goods())}},
                fmt::format("{} Goods in the cart: {}.", what, money(cart.goods()))};
}

Result<void> set_quantity(Shop& shop, const std::string& cart, const Product& product,
                          std::int64_t quantity) {
  if (quantity == 0) {
    TSUKAI_TRY(auto row, shop.database().prepare("DELETE FROM cart_line WHERE cart=?1 AND product=?2"));
    return row.bind(1, cart).bind(2, product.id).run();
  }
  TSUKAI_TRY(auto row,
             shop.database().prepare("INSERT INTO cart_line(cart, product, quantity) VALUES(?1, ?2, ?3)"
                                     " ON CONFLICT(cart, product) DO UPDATE SET quantity=excluded.quantity"));
  return row.bind(1, cart).bind(2, product.id).bind(3, quantity).run();
}

Result<Answer> add(Shop& shop, const Json& arguments) {
  TSUKAI_TRY(const Product* product, shop.product(string_at(arguments, "product_id")));
  const std::int64_t quantity = integer_at(arguments, "quantity", 1);
  TSUKAI_TRY(const Cart cart, load_cart(shop, arguments));
  TSUKAI_TRY(const std::int64_t stock, shop.stock(product->id));
  const std::int64_t held = cart.quantity_of(*product);
  const std::int64_t room = std::min(stock, kQuantityMax) - held;
  if (room <= 0) {
    return fail(Code::kExhausted,
                stock == 0 ? fmt::format("product_id: {} ({}) is sold out", product->id, product->name.en)
                           : fmt::format("quantity: the cart holds {} of {} already, as many as can be had",
                                         held, product->id),
                "take another product from search_products");
  }
  if (quantity > room) {
    return fail(Code::kExhausted,
                fmt::format("quantity is {}, but only {} more of {} can be had", quantity, room, product->id),
                fmt::format("send a quantity of at most {}", room));
  }
  if (held == 0 && static_cast<std::int64_t>(cart.lines.size()) >= kCartLinesMax) {
    return fail(Code::kExhausted,
                fmt::format("cart {} holds {} products, the most it can", cart.name, kCartLinesMax),
                "check out, or use another cart");
  }
  TSUKAI_TRY_VOID(set_quantity(shop, cart.name, *product, held + quantity));
  TSUKAI_TRY_VOID(shop.note({.effect = Effect::kCartAdd, .what = product->id, .quantity = quantity}));
  return changed(
      shop, arguments, *product,
      fmt::format("Added {} x {} ({}).", quantity, product->name.in(shop.language()), product->id));
}

Result<Answer> remove(Shop& shop, const Json& arguments) {
  TSUKAI_TRY(const Product* product, shop.product(string_at(arguments, "product_id")));
  TSUKAI_TRY(const Cart cart, load_cart(shop, arguments));
  const std::int64_t held = cart.quantity_of(*product);
  const std::int64_t quantity = integer_at(arguments, "quantity", held);
  if (held == 0) {
    return fail(Code::kNotFound, fmt::format("product_id: {} is not in cart {}", product->id, cart.name),
                "view_cart tells what is");
  }
  if (quantity > held) {
    return fail(Code::kInvalidArgument,
                fmt::format("quantity is {}, but the cart holds {} of {}", quantity, held, product->id),
                fmt::format("send at most {}, or leave quantity out to remove all", held));
  }
  TSUKAI_TRY_VOID(set_quantity(shop, cart.name, *product, held - quantity));
  TSUKAI_TRY_VOID(shop.note({.effect = Effect::kCartRemove, .what = product->id, .quantity = quantity}));
  return changed(
      shop, arguments, *product,
      fmt::format("Removed {} x {} ({}).", quantity, product->name.in(shop.language()), product->id));
}

}  // namespace

std::int64_t Cart::goods() const {
  std::int64_t sum = 0;
  for (const CartLine& line : lines) sum += line.amount();
  return sum;
}

std::int64_t Cart::quantity_of(const Product& product) const {
  for (const CartLine& line : lines) {
    if (line.product == &product) return line.quantity;
  }
  return 0;
}

Result<Cart> load_cart(Shop& shop, const Json& arguments) {
  Cart cart;
  cart.name = string_at(arguments, "cart", kMainCart);
  if (cart.name.empty()) cart.name = kMainCart;
  TSUKAI_TRY(auto row, shop.database().prepare(
                           "SELECT product, quantity FROM cart_line WHERE cart=?1 ORDER BY product"));
  row.bind(1, cart.name);
  for (;;) {
    TSUKAI_TRY(const bool more, row.step());
    if (!more) return cart;
    TSUKAI_TRY(const Product* product, shop.product(row.text(0)));
    cart.lines.push_back({product, row.integer(1)});
  }
}

Result<Answer> view_cart(Shop& shop, const Json& arguments) {
  TSUKAI_TRY(const std::size_t begin, mcp::page_begin(arguments));
  TSUKAI_TRY(const Cart cart, load_cart(shop, arguments));
  TSUKAI_TRY(const auto slots, free_slots(shop, kSlotsShown));
  Json lines = Json::array();
  std::string text;
  const std::size_t end = std::min(begin + kPageLines, cart.lines.size());
  for (std::size_t i = begin; i < end; ++i) {
    const CartLine& line = cart.lines[i];
    lines.push_back(to_json(line, shop.language()));
    text += fmt::format("{} x {} ({}), {}\n", line.quantity, line.product->name.in(shop.language()),
                        line.product->id, money(line.amount()));
  }
  Json answer = {
      {"cart", cart.name},           {"lines", std::move(lines)},    {"total_lines", cart.lines.size()},
      {"goods_minor", cart.goods()}, {"goods", money(cart.goods())}, {"delivery_slots", slots}};
  text += cart.lines.empty()
              ? fmt::format("Cart {} is empty.", cart.name)
              : fmt::format("Goods: {}. Delivery costs {}, nothing from {} on; pickup is free.",
                            money(cart.goods()), money(kDeliveryFee), money(kFreeDeliveryFrom));
  if (end < cart.lines.size()) {
    answer["next_cursor"] = mcp::cursor_at(end, arguments);
    text += fmt::format("\n{} more lines: send cursor \"{}\".", cart.lines.size() - end,
                        mcp::cursor_at(end, arguments));
  }
  return Answer{std::move(answer), text};
}

Result<Answer> add_to_cart(Shop& shop, const Json& arguments) {
  return shop.once("add_to_cart", arguments, [&] { return add(shop, arguments); });
}

Result<Answer> remove_from_cart(Shop& shop, const Json& arguments) {
  return shop.once("remove_from_cart", arguments, [&] { return remove(shop, arguments); });
}

}  // namespace tsukai::shop
