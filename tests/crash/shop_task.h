// The task that the crash tests kill: twelve steps against tsukai-shop, written so that any process can go on
// with it and that its end is the same whatever happened on the way.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/database.h"
#include "crash/asking_client.h"
#include "support/stateless_model.h"

namespace tsukai::agent {

// Three products of the shop with enough of each, by price: what the task buys.
struct Goods {
  struct Product {
    std::string id;
    std::int64_t price = 0;
  };
  std::vector<Product> products;

  static Result<Goods> of(const std::string& shop_path) {
    TSUKAI_TRY(auto database, Database::open(shop_path, {.read_only = true}));
    TSUKAI_TRY(auto row,
               database.prepare("SELECT id, price FROM product WHERE stock >= 5 ORDER BY id LIMIT 3"));
    Goods goods;
    for (;;) {
      TSUKAI_TRY(const bool more, row.step());
      if (!more) break;
      goods.products.push_back({row.text(0), row.integer(1)});
    }
    if (goods.products.size() < 3) return fail(Code::kNotFound, "the shop has no three products in stock");
    return goods;
  }
};

// The task of the agent that the run starts in its last step but one, and that agent's name.
constexpr std::string_view kChildTask = "order what is in the third cart";
constexpr const char* kChildName = "packer";
constexpr std::size_t kTaskSteps = 12;
// Turns, from 0, by what they show.
constexpr std::size_t kSingleCall = 1, kParallelCalls = 2, kAsksFirst = 5, kMakesPlan = 7;

// Orders are numbered from 1001 on; a pickup costs nothing.
inline FakeTurn shop_turn(const Goods& goods, std::size_t n) {
  const auto& [a, b, c] = std::tie(goods.products[0], goods.products[1], goods.products[2]);
  const auto step = [](const char* id, const char* tool, Json arguments) {
    return Json{{"id", id}, {"tool", tool}, {"arguments", std::move(arguments)}};
  };
  switch (n) {
    case 0:
      return calls("shop__search_products", {{"query", "coffee beans"}});
    case kSingleCall:
      return calls("shop__add_to_cart", {{"product_id", a.id}, {"quantity", 3}});
    case kParallelCalls:
      return calls_all({{"shop__add_to_cart", {{"product_id", b.id}, {"cart", "second"}}},
                        {"shop__get_product", {{"product_id", c.id}}},
                        {"shop__add_to_cart", {{"product_id", c.id}, {"cart", "third"}}},
                        {"shop__order_status", {{"cart", "nobody"}}}});
    case 3:
      return calls("shop__remove_from_cart", {{"product_id", a.id}, {"quantity", 1}});
    case 4:
      return calls("shop__check_out", Json::object());
    case kAsksFirst:
      return calls("shop__pay", {{"order_id", "O1001"}, {"amount", 2 * a.price}});
    case 6:
      return calls("shop__order_status", {{"order_id", "O1001"}});
    case kMakesPlan: {
      auto last = step("c", "shop__check_out", {{"cart", "fourth"}});
      last["needs"] = {"a", "b"};
      return calls("plan", {{"steps",
                             {step("a", "shop__add_to_cart", {{"product_id", a.id}, {"cart", "fourth"}}),
                              step("b", "shop__get_product", {{"product_id", b.id}}), last}}});
    }
    case 8:
      return calls("shop__check_out", {{"cart", "second"}});
    case 9:
      return calls_all({{"shop__cancel_order", {{"order_id", "O1003"}}},
                        {"shop__order_status", {{"order_id", "O1002"}}},
                        {"shop__get_product", {{"product_id", c.id}}}});
    case 10:
      return calls("shop__refund", {{"order_id", "O1001"}, {"product_id", a.id}, {"quantity", 1}});
    case kTaskSteps - 1:
      return calls("agents__packer", {{"task", kChildTask}});
    default:
      return says("finished");
  }
}

inline FakeTurn child_turn(const Goods& goods, std::size_t n) {
  if (n == 0) return calls("shop__add_to_cart", {{"product_id", goods.products[0].id}, {"cart", "third"}});
  if (n == 1) return calls("shop__check_out", {{"cart", "third"}});
  return says("packed");
}

// Takes a moment for a turn, as models do: time for the rows before it to become durable, and to be killed
// in.
class ShopModel : public StatelessModel {
 public:
  explicit ShopModel(Goods goods)
      : StatelessModel([this, goods = std::move(goods)](std::size_t n) {
          return asked_ ? says(kServersAnswer) : child_ ? child_turn(goods, n) : shop_turn(goods, n);
        }) {}
  Task<infer::ChatReply> generate(infer::ChatRequest request, infer::Prompt prompt,
                                  infer::OnText on_text) override {
    TSUKAI_CO_TRY_VOID(co_await sleep_for(std::chrono::milliseconds(1)));
    child_ = false;
    asked_ = request.messages.back().text == kServersQuestion;
    for (const auto& message : request.messages)
      child_ = child_ || (message.role == infer::Role::kUser && message.text == kChildTask);
    co_return co_await StatelessModel::generate(std::move(request), std::move(prompt), std::move(on_text));
  }

 private:
  bool child_ = false;  // Who asks now.
  bool asked_ = false;
};

}  // namespace tsukai::agent
