#include "tools/shop/tools.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "mcp/tool_schema.h"
#include "tools/shop/desk.h"

namespace tsukai::shop {
namespace {

using namespace mcp::schema;

constexpr std::int64_t kTextMax = 200;  // Characters of an argument, where nothing else is said.

constexpr std::int64_t kAmountMax = 1'000'000'000;

enum class Kind { kReads, kAdds, kChanges };

// All are idempotent, also the writes: their key makes the same call have no further effect.
ToolEntry entry(const char* name, const char* title, const char* description, Kind kind, Json input,
                Json output, ToolFunction function) {
  mcp::Tool made = tool(name, title, description, std::move(input), std::move(output));
  made.annotations.read_only = kind == Kind::kReads;
  made.annotations.destructive = kind == Kind::kChanges;
  return {std::move(made), function};
}

Json product(bool with_names) {
  Members fields = {{"product_id", text()},     {"name", text()},  {"category", text()},
                    {"price_minor", integer()}, {"price", text()}, {"stock", integer()}};
  if (with_names) fields.emplace_back("names", object({{"en", text()}, {"zh", text()}, {"ja", text()}}));
  return object(std::move(fields));
}

Json order() {
  const Json line = object({{"product_id", text()},
                            {"name", text()},
                            {"quantity", integer()},
                            {"returned", integer()},
                            {"amount_minor", integer()}});
  return object({{"order_id", text()},
                 {"status", text()},
                 {"lines", list(line)},
                 {"coupon", text()},
                 {"delivery_slot", text()},
                 {"goods_minor", integer()},
                 {"discount_minor", integer()},
                 {"delivery_minor", integer()},
                 {"total_minor", integer()},
                 {"total", text()},
                 {"paid_minor", integer()},
                 {"refunded_minor", integer()}});
}

Json status() {
  // One order in full, or a list of orders in short.
  const Json brief = object({{"order_id", text()}, {"status", text()}, {"total_minor", integer()}});
  Json whole = order();
  whole.erase("required");
  whole["properties"]["orders"] = list(brief);
  whole["properties"]["next_cursor"] = text();
  return whole;
}

std::vector<ToolEntry> build() {
  const std::pair<const char*, Json> key = {
      "idempotency_key",
      text("Any new text for this action; send the same again only to repeat the call", kKeyLettersMax)};
  const std::pair<const char*, Json> cart = {"cart", text("Name of the cart, main if left out", 64)};
  const std::pair<const char*, Json> cursor = {"cursor", text("next_cursor of the answer before", kTextMax)};
  const std::pair<const char*, Json> product_id = {"product_id", text("id from search_products", kTextMax)};
  const std::pair<const char*, Json> order_id = {"order_id", text("id from check_out", kTextMax)};
  Json category = {{"type", "string"}, {"enum", Json::array()}};
  for (const Category& c : categories()) category["enum"].push_back(c.key);

  std::vector<ToolEntry> all;
  all.push_back(entry(
      "search_products", "Search products", "Find products by words, with prices and stock.", Kind::kReads,
      arguments({{"query", text("Words, for example coffee beans", kTextMax)}},
                {{"category", category}, {"price_max", between("In minor units", 1, kAmountMax)}, cursor}),
      object({{"products", list(product(false))}, {"total", integer()}}, {{"next_cursor", text()}}),
      search_products));
  all.push_back(entry("get_product", "Product", "Price, stock and names of a product.", Kind::kReads,
                      arguments({product_id}), product(true), get_product));
  const Json cart_line = object({{"product_id", text()},
                                 {"name", text()},
                                 {"quantity", integer()},
                                 {"price_minor", integer()},
                                 {"amount_minor", integer()}});
  all.push_back(entry("view_cart", "View cart",
                      "What is in the cart, what it costs, and free delivery slots.", Kind::kReads,
                      arguments({}, {cart, cursor}),
                      object({{"cart", text()},
                              {"lines", list(cart_line)},
                              {"total_lines", integer()},
                              {"goods_minor", integer()},
                              {"goods", text()},
                              {"delivery_slots", list(text())}},
                             {{"next_cursor", text()}}),
                      view_cart));
  const Json change = object({{"cart", text()},
                              {"product_id", text()},
                              {"quantity", integer()},
                              {"goods_minor", integer()},
                              {"goods", text()}});
  all.push_back(
      entry("add_to_cart", "Add to cart", "Put a product into the cart.", Kind::kAdds,
            arguments({product_id, key}, {{"quantity", between("1 if left out", 1, kQuantityMax)}, cart}),
            change, add_to_cart));
  all.push_back(
      entry("remove_from_cart", "Remove from cart", "Take a product out of the cart.", Kind::kChanges,
            arguments({product_id, key}, {{"quantity", between("All if left out", 1, kQuantityMax)}, cart}),
            change, remove_from_cart));
  all.push_back(entry("check_out", "Check out",
                      "Order what is in the cart; it is reserved until it is paid or cancelled.",
                      Kind::kChanges,
                      arguments({key}, {cart,
                                        {"delivery_slot", text("From view_cart; pickup if left out", 64)},
                                        {"coupon", text("Coupon code", 64)}}),
                      order(), check_out));
  all.push_back(entry(
      "pay", "Pay", "Pay an order.", Kind::kChanges,
      arguments(
          {order_id, {"amount", between("The order's total_minor, in minor units", 0, kAmountMax)}, key},
          {{"method", {{"type", "string"}, {"enum", {"card", "wallet", "transfer"}}}}}),
      order(), pay));
  all.push_back(entry("order_status", "Order status",
                      "One order in full, or without order_id the orders of a cart.", Kind::kReads,
                      arguments({}, {order_id, cart, cursor}), status(), order_status));
  all.push_back(entry("cancel_order", "Cancel order", "Cancel an order that is not paid yet.", Kind::kChanges,
                      arguments({order_id, key}), order(), cancel_order));
  all.push_back(entry("refund", "Refund", "Return goods of a paid order and get the money back.",
                      Kind::kChanges,
                      arguments({order_id, key},
                                {{"product_id", text("One product; the whole order if left out", kTextMax)},
                                 {"quantity", between("Of that product, all if left out", 1, kQuantityMax)}}),
                      order(), refund));
  return all;
}

Task<mcp::ToolOutput> answered(std::shared_ptr<Desk> desk, const ToolEntry& entry, Json arguments) {
  auto answer =
      co_await desk->answer(entry.function, std::move(arguments), !entry.tool.annotations.read_only);
  if (!answer) co_return fail(std::move(answer).error());
  co_return mcp::ToolOutput{std::move(answer->structured), std::move(answer->text), {}};
}

}  // namespace

std::span<const ToolEntry> tools() {
  static const std::vector<ToolEntry> all = build();
  return all;
}

void add_tools(mcp::Server& server, Shop& shop, mcp::Misbehaviour misbehaviour) {
  const mcp::Misbehaving misbehaving(misbehaviour);
  const auto desk = std::make_shared<Desk>(shop);
  for (const ToolEntry& entry : tools()) {
    server.add_tool(entry.tool, misbehaving([desk, &entry](Json arguments, mcp::CallContext&) {
                      return answered(desk, entry, std::move(arguments));
                    }));
  }
}

}  // namespace tsukai::shop
