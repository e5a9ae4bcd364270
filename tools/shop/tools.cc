#include "tools/shop/tools.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "tools/shop/desk.h"

namespace tsukai::shop {
namespace {

using Members = std::vector<std::pair<const char*, Json>>;

Json text(const char* description = nullptr, std::size_t letters_max = 200) {
  Json schema = {{"type", "string"}, {"maxLength", letters_max}};
  if (description != nullptr) schema["description"] = description;
  return schema;
}
Json out_text() { return {{"type", "string"}}; }
Json count(const char* description, std::int64_t least, std::int64_t most) {
  return {{"type", "integer"}, {"minimum", least}, {"maximum", most}, {"description", description}};
}
Json number() { return {{"type", "integer"}}; }
Json list(Json items) { return {{"type", "array"}, {"items", std::move(items)}}; }

Json object(Members required, Members optional = {}) {
  Json properties = Json::object(), names = Json::array();
  for (auto& [name, schema] : required) {
    names.push_back(name);
    properties[name] = std::move(schema);
  }
  for (auto& [name, schema] : optional) properties[name] = std::move(schema);
  Json whole = {{"type", "object"}, {"properties", std::move(properties)}};
  if (!names.empty()) whole["required"] = std::move(names);
  return whole;
}

// Arguments that the tool does not know are mistakes worth telling.
Json input(Members required, Members optional = {}) {
  Json whole = object(std::move(required), std::move(optional));
  whole["additionalProperties"] = false;
  return whole;
}

constexpr std::int64_t kAmountMax = 1'000'000'000;

enum class Kind { kReads, kAdds, kChanges };

ToolEntry entry(const char* name, const char* title, const char* description, Kind kind, Json input,
                Json output, ToolFunction function) {
  mcp::Tool tool;
  tool.name = name;
  tool.title = title;
  tool.description = description;
  tool.input_schema = JsonValue(std::move(input));
  tool.output_schema = JsonValue(std::move(output));
  tool.has_annotations = true;
  tool.annotations.title = title;
  tool.annotations.read_only = kind == Kind::kReads;
  tool.annotations.destructive = kind == Kind::kChanges;
  // Also the writes: their key makes the same call have no further effect.
  tool.annotations.idempotent = true;
  tool.annotations.open_world = false;
  return {std::move(tool), function};
}

Json product(bool with_names) {
  Members fields = {{"product_id", out_text()}, {"name", out_text()},  {"category", out_text()},
                    {"price_minor", number()},  {"price", out_text()}, {"stock", number()}};
  if (with_names)
    fields.emplace_back("names", object({{"en", out_text()}, {"zh", out_text()}, {"ja", out_text()}}));
  return object(std::move(fields));
}

Json order() {
  const Json line = object({{"product_id", out_text()},
                            {"name", out_text()},
                            {"quantity", number()},
                            {"returned", number()},
                            {"amount_minor", number()}});
  return object({{"order_id", out_text()},
                 {"status", out_text()},
                 {"lines", list(line)},
                 {"coupon", out_text()},
                 {"delivery_slot", out_text()},
                 {"goods_minor", number()},
                 {"discount_minor", number()},
                 {"delivery_minor", number()},
                 {"total_minor", number()},
                 {"total", out_text()},
                 {"paid_minor", number()},
                 {"refunded_minor", number()}});
}

Json status() {
  // One order in full, or a list of orders in short.
  const Json brief = object({{"order_id", out_text()}, {"status", out_text()}, {"total_minor", number()}});
  Json whole = order();
  whole.erase("required");
  whole["properties"]["orders"] = list(brief);
  whole["properties"]["next_cursor"] = out_text();
  return whole;
}

std::vector<ToolEntry> build() {
  const std::pair<const char*, Json> key = {
      "idempotency_key",
      text("Any new text for this action; send the same again only to repeat the call", kKeyLettersMax)};
  const std::pair<const char*, Json> cart = {"cart", text("Name of the cart, main if left out", 64)};
  const std::pair<const char*, Json> cursor = {"cursor", text("next_cursor of the answer before")};
  const std::pair<const char*, Json> product_id = {"product_id", text("id from search_products")};
  const std::pair<const char*, Json> order_id = {"order_id", text("id from check_out")};
  Json category = {{"type", "string"}, {"enum", Json::array()}};
  for (const Category& c : categories()) category["enum"].push_back(c.key);

  std::vector<ToolEntry> all;
  all.push_back(entry(
      "search_products", "Search products", "Find products by words, with prices and stock.", Kind::kReads,
      input({{"query", text("Words, for example coffee beans")}},
            {{"category", category}, {"price_max", count("In minor units", 1, kAmountMax)}, cursor}),
      object({{"products", list(product(false))}, {"total", number()}}, {{"next_cursor", out_text()}}),
      search_products));
  all.push_back(entry("get_product", "Product", "Price, stock and names of a product.", Kind::kReads,
                      input({product_id}), product(true), get_product));
  const Json cart_line = object({{"product_id", out_text()},
                                 {"name", out_text()},
                                 {"quantity", number()},
                                 {"price_minor", number()},
                                 {"amount_minor", number()}});
  all.push_back(entry("view_cart", "View cart",
                      "What is in the cart, what it costs, and free delivery slots.", Kind::kReads,
                      input({}, {cart, cursor}),
                      object({{"cart", out_text()},
                              {"lines", list(cart_line)},
                              {"total_lines", number()},
                              {"goods_minor", number()},
                              {"goods", out_text()},
                              {"delivery_slots", list(out_text())}},
                             {{"next_cursor", out_text()}}),
                      view_cart));
  const Json change = object({{"cart", out_text()},
                              {"product_id", out_text()},
                              {"quantity", number()},
                              {"goods_minor", number()},
                              {"goods", out_text()}});
  all.push_back(entry("add_to_cart", "Add to cart", "Put a product into the cart.", Kind::kAdds,
                      input({product_id, key}, {{"quantity", count("1 if left out", 1, kQuantityMax)}, cart}),
                      change, add_to_cart));
  all.push_back(
      entry("remove_from_cart", "Remove from cart", "Take a product out of the cart.", Kind::kChanges,
            input({product_id, key}, {{"quantity", count("All if left out", 1, kQuantityMax)}, cart}), change,
            remove_from_cart));
  all.push_back(entry("check_out", "Check out",
                      "Order what is in the cart; it is reserved until it is paid or cancelled.",
                      Kind::kChanges,
                      input({key}, {cart,
                                    {"delivery_slot", text("From view_cart; pickup if left out", 64)},
                                    {"coupon", text("Coupon code", 64)}}),
                      order(), check_out));
  all.push_back(entry(
      "pay", "Pay", "Pay an order.", Kind::kChanges,
      input({order_id, {"amount", count("The order's total_minor, in minor units", 0, kAmountMax)}, key},
            {{"method", {{"type", "string"}, {"enum", {"card", "wallet", "transfer"}}}}}),
      order(), pay));
  all.push_back(entry("order_status", "Order status",
                      "One order in full, or without order_id the orders of a cart.", Kind::kReads,
                      input({}, {order_id, cart, cursor}), status(), order_status));
  all.push_back(entry("cancel_order", "Cancel order", "Cancel an order that is not paid yet.", Kind::kChanges,
                      input({order_id, key}), order(), cancel_order));
  all.push_back(entry(
      "refund", "Refund", "Return goods of a paid order and get the money back.", Kind::kChanges,
      input({order_id, key}, {{"product_id", text("One product; the whole order if left out")},
                              {"quantity", count("Of that product, all if left out", 1, kQuantityMax)}}),
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
