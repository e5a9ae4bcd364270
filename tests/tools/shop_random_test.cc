#include "tools/support/random_calls.h"
#include "tools/support/shop_calls.h"

using namespace tsukai;
using namespace tsukai::shop;

namespace {

Json plausible(TestShop& t, const std::string& argument, Random& random) {
  const auto any = [&](std::initializer_list<Json> values) {
    return *(values.begin() + random.below(values.size()));
  };
  if (argument == "product_id") return t.shop.products()[random.below(12)].id;
  // Few keys, so that many are used again, rightly and wrongly.
  if (argument == "idempotency_key") return "k" + std::to_string(random.below(400));
  if (argument == "cart") return any({"main", "a", "b"});
  if (argument == "order_id") return "O" + std::to_string(1001 + random.below(40));
  if (argument == "quantity") return 1 + random.below(4);
  if (argument == "query") return any({"coffee beans", "茶", "提灯", "umbrella", "cup large"});
  if (argument == "category") return any({"coffee", "tea", "toys"});
  if (argument == "coupon") return any({"WELCOME10", "BEANS20", "LANTERN", "OLDGATE500"});
  if (argument == "method") return any({"card", "wallet"});
  if (argument == "price_max") return 1000 + random.below(9000);
  if (argument == "delivery_slot") return any({"pickup", "2026-09-22-morning", "2026-09-23-evening"});
  return "8-00000000";
}

}  // namespace

TEST_SUITE("tools/shop/random") {
  TEST_CASE("1,000 random calls, right and wrong, leave every invariant standing") {
    TestShop t;
    auto server = mcp::Server::make({{"shop", "", "1"}, ""});
    add_tools(*server, t.shop);
    int done = 0, refused = 0, writes = 0;
    const auto first_of = [&](const char* column, const char* status) -> std::optional<std::int64_t> {
      auto row = t.shop.database().prepare(std::string("SELECT ") + column +
                                           " FROM purchase WHERE status=?1 ORDER BY id LIMIT 1");
      if (!row || !row->bind(1, std::string_view(status)).step().value_or(false)) return std::nullopt;
      return row->integer(0);
    };
    const auto guess = [&](const std::string& tool, const std::string& argument, Random& random) {
      // Mostly an order that waits for this; else nothing would ever be paid.
      if (random.below(5) != 0 && (argument == "amount" || argument == "order_id")) {
        const auto value =
            first_of(argument == "amount" ? "total" : "id", tool == "refund" ? "paid" : "awaiting_payment");
        if (value) return argument == "amount" ? Json(*value) : Json("O" + std::to_string(*value));
      }
      if (argument == "amount") return Json(random.below(10'000));
      return plausible(t, argument, random);
    };
    const auto seen = [&](const RandomCall& call) {
      const std::string error = error_text(call);
      CAPTURE(call.tool);
      CAPTURE(call.arguments.print().substr(0, 300));
      if (error.empty()) {
        ++done;
        writes += call.arguments->contains("idempotency_key");
        return;
      }
      ++refused;
      CAPTURE(error);
      CHECK(names_an_argument(call));
      if (refused % 20 == 0) t.check_invariants();
    };
    const auto all = make_random_calls(*server, 20261123, 1000, guess, seen);
    REQUIRE_MESSAGE(all.has_value(), (all ? "" : all.error().text()));
    t.check_invariants();
    CHECK(done > 250);
    CHECK(refused > 150);
    CHECK(writes > 80);
    const auto sums = sum_ledger(t.shop.database());
    for (const std::string effect : {"cart_add", "reserve", "charge", "release"}) {
      CAPTURE(effect);
      CHECK(sums->effects.contains(effect));
    }
  }
}
