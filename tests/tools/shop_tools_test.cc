#include "tools/support/shop_calls.h"

using namespace tsukai;
using namespace tsukai::shop;

TEST_SUITE("tools/shop/tools") {
  TEST_CASE("ten tools, whose annotations say what they do") {
    std::vector<std::string> reads, adds, changes;
    for (const ToolEntry& entry : tools()) {
      const mcp::ToolAnnotations& hints = entry.tool.annotations;
      const bool keyed = entry.tool.input_schema->at("properties").contains("idempotency_key");
      CAPTURE(entry.tool.name);
      CHECK(keyed == !hints.read_only);
      CHECK(hints.idempotent);
      CHECK_FALSE(hints.open_world);
      CHECK(entry.tool.output_schema.has_value());
      (hints.read_only ? reads : hints.destructive ? changes : adds).push_back(entry.tool.name);
    }
    CHECK(reads == std::vector<std::string>{"search_products", "get_product", "view_cart", "order_status"});
    CHECK(adds == std::vector<std::string>{"add_to_cart"});
    CHECK(changes ==
          std::vector<std::string>{"remove_from_cart", "check_out", "pay", "cancel_order", "refund"});
  }

  TEST_CASE("an errand from search to payment moves goods and money once") {
    TestShop t;
    const Json found =
        t.good("search_products", {{"query", "coffee beans from Gatehouse"}}).at("products").at(0);
    CHECK(found.at("name").get<std::string>().starts_with("Gatehouse Coffee Roasters"));
    const Product& beans = **t.shop.product(found.at("product_id").get<std::string>());
    const std::int64_t before = t.stock_of(beans);
    REQUIRE(before >= 2);
    t.good("add_to_cart", {{"product_id", beans.id}, {"quantity", 2}});
    CHECK(t.stock_of(beans) == before);
    const Json order = t.good("check_out", Json::object());
    CHECK(t.stock_of(beans) == before - 2);
    CHECK(order.at("status") == "awaiting_payment");
    CHECK(order.at("total_minor") == 2 * beans.price);
    CHECK(t.good("view_cart", Json::object()).at("lines").empty());
    const Json paid =
        t.good("pay", {{"order_id", order.at("order_id")}, {"amount", order.at("total_minor")}});
    CHECK(paid.at("status") == "paid");
    CHECK(paid.at("paid_minor") == 2 * beans.price);
    CHECK(t.stock_of(beans) == before - 2);
    t.check_invariants();
  }

  TEST_CASE("the same key with the same arguments gives the first answer and does nothing more") {
    TestShop t;
    const Product& product = t.product_with(10);
    const Json arguments = {{"product_id", product.id}, {"quantity", 3}, {"idempotency_key", "once"}};
    const Json first = t.good("add_to_cart", arguments);
    t.good("add_to_cart", {{"product_id", product.id}});
    CHECK(t.good("add_to_cart", arguments) == first);
    CHECK(t.good("view_cart", Json::object()).at("lines").at(0).at("quantity") == 4);
    t.good("check_out", {{"idempotency_key", "order"}});
    // The cart is empty by now; the repeated call still gets its order.
    CHECK(t.good("check_out", {{"idempotency_key", "order"}}).at("order_id") == "O1001");
    CHECK(t.bad("check_out", Json::object()).find("cart main is empty") != std::string::npos);
    t.check_invariants();
  }

  TEST_CASE("the same key for anything else is refused and does nothing") {
    TestShop t;
    const Product& product = t.product_with(10);
    t.good("add_to_cart", {{"product_id", product.id}, {"quantity", 3}, {"idempotency_key", "once"}});
    CHECK(t.bad("add_to_cart", {{"product_id", product.id}, {"quantity", 4}, {"idempotency_key", "once"}})
              .find("new idempotency_key") != std::string::npos);
    CHECK(
        t.bad("remove_from_cart", {{"product_id", product.id}, {"quantity", 3}, {"idempotency_key", "once"}})
            .find("add_to_cart") != std::string::npos);
    CHECK(t.good("view_cart", Json::object()).at("lines").at(0).at("quantity") == 3);
    t.check_invariants();
  }

  TEST_CASE("a call that failed leaves its key free") {
    TestShop t;
    const Product& product = t.product_with(2);
    t.bad("check_out", {{"idempotency_key", "k"}});
    t.good("add_to_cart", {{"product_id", product.id}, {"idempotency_key", "k"}});
    t.check_invariants();
  }

  TEST_CASE("nobody gets more than there is, also between cart and check-out") {
    TestShop t;
    const Product& product = t.product_with(8);
    const std::int64_t all = t.stock_of(product);
    CHECK(
        t.bad("add_to_cart", {{"product_id", product.id}, {"quantity", std::min<std::int64_t>(all + 1, 99)}})
            .find("at most " + std::to_string(all)) != std::string::npos);
    t.good("add_to_cart", {{"product_id", product.id}, {"quantity", all}, {"cart", "a"}});
    t.good("add_to_cart", {{"product_id", product.id}, {"quantity", 3}, {"cart", "b"}});
    t.good("check_out", {{"cart", "a"}});
    CHECK(t.bad("check_out", {{"cart", "b"}}).find("remove_from_cart for 3") != std::string::npos);
    CHECK(t.bad("add_to_cart", {{"product_id", product.id}, {"cart", "c"}}).find("sold out") !=
          std::string::npos);
    t.good("cancel_order", {{"order_id", "O1001"}});
    CHECK(t.stock_of(product) == all);
    t.good("check_out", {{"cart", "b"}});
    t.check_invariants();
  }

  TEST_CASE("paying takes the exact amount, and only once") {
    TestShop t;
    const Product& product = t.product_with(2);
    const Json order = t.order(product, 1);
    const std::string total = std::to_string(order.at("total_minor").get<int>());
    CHECK(t.bad("pay", {{"order_id", "O1001"}, {"amount", 1}}).find("send amount " + total) !=
          std::string::npos);
    const Json arguments = {
        {"order_id", "o1001"}, {"amount", order.at("total_minor")}, {"idempotency_key", "pay"}};
    t.good("pay", arguments);
    t.good("pay", arguments);
    CHECK(
        t.bad("pay", {{"order_id", "O1001"}, {"amount", order.at("total_minor")}}).find("do not pay again") !=
        std::string::npos);
    CHECK(sum_ledger(t.shop.database())->charged == order.at("total_minor"));
    t.check_invariants();
  }

  TEST_CASE("an unpaid order is cancelled, a paid one refunded, and never the other way round") {
    TestShop t;
    const Product& product = t.product_with(6);
    t.order(product, 1);
    CHECK(t.bad("refund", {{"order_id", "O1001"}}).find("cancel_order") != std::string::npos);
    CHECK(t.good("cancel_order", {{"order_id", "O1001"}}).at("status") == "cancelled");
    CHECK(t.bad("pay", {{"order_id", "O1001"}, {"amount", product.price}}).find("check out again") !=
          std::string::npos);
    t.paid_order(product, 2);
    CHECK(t.bad("cancel_order", {{"order_id", "O1002"}}).find("use refund") != std::string::npos);
    const Json back = t.good("refund", {{"order_id", "O1002"}});
    CHECK(back.at("refunded_minor") == back.at("paid_minor"));
    CHECK(t.stock_of(product) == product.stock);
    CHECK(t.bad("refund", {{"order_id", "O1002"}}).find("again") != std::string::npos);
    t.check_invariants();
  }

  TEST_CASE("goods go back piece by piece, and the refunds sum up to what was paid for them") {
    TestShop t;
    const Product& product = t.product_with(7);
    // A discount that the pieces can't share evenly.
    const Json paid = t.paid_order(product, 7, {{"coupon", "welcome10"}});
    std::int64_t last = 0;
    for (int piece = 0; piece < 7; ++piece) {
      const Json order =
          t.good("refund", {{"order_id", "O1001"}, {"product_id", product.id}, {"quantity", 1}});
      CHECK(order.at("status") == (piece < 6 ? "partly_refunded" : "refunded"));
      CHECK(order.at("refunded_minor") > last);
      last = order.at("refunded_minor").get<std::int64_t>();
      t.check_invariants();
    }
    CHECK(last == paid.at("paid_minor"));
    CHECK(t.stock_of(product) == product.stock);
  }

  TEST_CASE("coupons: what they take off, whom they refuse, how often they count") {
    TestShop t;
    const Product& product = t.product_with(20);
    const Json order = t.order(product, 1, {{"coupon", " welcome10 "}});
    CHECK(order.at("discount_minor") == product.price / 10);
    t.good("add_to_cart", {{"product_id", product.id}});
    CHECK(t.bad("check_out", {{"coupon", "NOSUCH"}}).find("NOSUCH") != std::string::npos);
    for (int use = 0; use < 3; ++use) {
      if (use > 0) t.good("add_to_cart", {{"product_id", product.id}});
      t.good("check_out", {{"coupon", "LANTERN"}});
    }
    t.good("add_to_cart", {{"product_id", product.id}});
    CHECK(t.bad("check_out", {{"coupon", "LANTERN"}}).find("used up") != std::string::npos);
    t.good("cancel_order", {{"order_id", "O1003"}});
    t.good("check_out", {{"coupon", "LANTERN"}});
    t.check_invariants();
  }

  TEST_CASE("a coupon for one kind of goods counts for that kind alone") {
    TestShop t;
    const Json tea =
        t.good("search_products", {{"query", "jasmine"}, {"category", "tea"}}).at("products").at(0);
    const Json beans =
        t.good("search_products", {{"query", "house blend"}, {"category", "coffee"}}).at("products").at(0);
    t.good("add_to_cart", {{"product_id", tea.at("product_id")}});
    CHECK(t.bad("check_out", {{"coupon", "BEANS20"}}).find("coffee only") != std::string::npos);
    t.good("add_to_cart", {{"product_id", beans.at("product_id")}});
    const Json order = t.good("check_out", {{"coupon", "BEANS20"}});
    CHECK(order.at("discount_minor") == beans.at("price_minor").get<int>() / 5);
    for (const Json& line : order.at("lines"))
      if (line.at("product_id") == tea.at("product_id"))
        CHECK(line.at("amount_minor") == tea.at("price_minor"));
    t.check_invariants();
  }

  TEST_CASE("delivery: slots of the coming week, a fee below a threshold, room for so many orders") {
    TestShop t;
    const Product& product = t.product_with(50);
    const Json slots = t.good("view_cart", Json::object()).at("delivery_slots");
    REQUIRE_FALSE(slots.empty());
    const Json order = t.paid_order(product, 1, {{"delivery_slot", slots.at(0)}});
    CHECK(order.at("delivery_minor") == 800);
    CHECK(t.good("refund", {{"order_id", "O1001"}}).at("refunded_minor") == product.price + 800);
    t.good("add_to_cart", {{"product_id", product.id}});
    CHECK(
        t.bad("check_out", {{"delivery_slot", "2001-01-01-morning"}}).find(slots.at(0).get<std::string>()) !=
        std::string::npos);
    // A refunded order was delivered in its slot all the same; 39 places are left.
    t.good("check_out", {{"delivery_slot", slots.at(0)}});
    for (int i = 0; i < 38; ++i) t.order(product, 1, {{"delivery_slot", slots.at(0)}});
    t.good("add_to_cart", {{"product_id", product.id}});
    CHECK(t.bad("check_out", {{"delivery_slot", slots.at(0)}}).find("is full") != std::string::npos);
    CHECK(t.good("view_cart", Json::object()).at("delivery_slots").at(0) == slots.at(1));
    t.check_invariants();
  }

  TEST_CASE("long lists come in pages that hold everything once") {
    TestShop t;
    std::vector<std::string> ids;
    Json arguments = {{"query", ""}};
    for (;;) {
      const Json page = t.good("search_products", arguments);
      CHECK(page.at("products").size() <= kPageLines);
      CHECK(page.at("total") == t.shop.products().size());
      for (const Json& product : page.at("products")) ids.push_back(product.at("product_id"));
      if (!page.contains("next_cursor")) break;
      arguments["cursor"] = page.at("next_cursor");
    }
    CHECK(ids.size() == t.shop.products().size());
    std::sort(ids.begin(), ids.end());
    CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
    CHECK(t.bad("search_products", {{"query", "tea"}, {"cursor", arguments.at("cursor")}}).find("cursor") !=
          std::string::npos);
    CHECK(t.bad("search_products", {{"query", ""}, {"cursor", "soon"}}).find("leave cursor out") !=
          std::string::npos);
  }

  TEST_CASE("carts and orders are listed in pages too") {
    TestShop t;
    std::int64_t lines = 0;
    for (const Product& product : t.shop.products()) {
      if (product.stock > 0 && lines < 20) t.good("add_to_cart", {{"product_id", product.id}}), ++lines;
    }
    const Json first = t.good("view_cart", Json::object());
    CHECK(first.at("total_lines") == 20);
    const Json third =
        t.good("view_cart",
               {{"cursor", t.good("view_cart", {{"cursor", first.at("next_cursor")}}).at("next_cursor")}});
    CHECK(third.at("lines").size() == 4);
    CHECK_FALSE(third.contains("next_cursor"));
    const Product& product = t.product_with(20);
    t.good("check_out", Json::object());
    for (int i = 0; i < 9; ++i) t.order(product, 1);
    const Json orders = t.good("order_status", Json::object());
    CHECK(orders.at("orders").at(0).at("order_id") == "O1010");
    const Json rest = t.good("order_status", {{"cursor", orders.at("next_cursor")}});
    CHECK(rest.at("orders").back().at("order_id") == "O1001");
    CHECK(rest.at("orders").size() == 2);
  }

  TEST_CASE("wrong arguments say which one and what to send") {
    TestShop t;
    const Product& product = t.product_with(5);
    CHECK(t.bad("get_product", {{"product_id", "P9999"}}).find("search_products") != std::string::npos);
    CHECK(t.bad("get_product", {{"product_id", product.name.en.substr(0, product.name.en.size() - 1) + "x"}})
              .find("did you mean") != std::string::npos);
    CHECK(t.bad("order_status", {{"order_id", "O7"}}).find("check_out") != std::string::npos);
    CHECK(t.bad("remove_from_cart", {{"product_id", product.id}}).find("view_cart") != std::string::npos);
    CHECK(t.bad("add_to_cart", {{"product_id", product.id}, {"idempotency_key", " "}})
              .find("idempotency_key is empty") != std::string::npos);
    t.paid_order(product, 2);
    CHECK(t.bad("refund", {{"order_id", "O1001"}, {"quantity", 1}}).find("product_id too") !=
          std::string::npos);
    CHECK(t.bad("refund", {{"order_id", "O1001"}, {"product_id", product.id}, {"quantity", 3}})
              .find("at most 2") != std::string::npos);
  }
}
