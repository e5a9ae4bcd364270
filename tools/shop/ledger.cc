#include "tools/shop/ledger.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "tools/shop/order.h"

namespace tsukai::shop {
namespace {

constexpr std::size_t kProblemsMax = 20;  // Told at once, of each kind.

Result<std::map<std::string, std::int64_t>> counts(Database& database, const char* sql) {
  std::map<std::string, std::int64_t> all;
  TSUKAI_TRY(auto row, database.prepare(sql));
  for (;;) {
    TSUKAI_TRY(const bool more, row.step());
    if (!more) return all;
    all[row.text(0)] = row.integer(1);
  }
}

// An invariant: `sql` gives what breaks it, as rows of {name, is, should}.
struct Invariant {
  const char* what;
  const char* sql;
};

constexpr Invariant kInvariants[] = {
    {"pieces (stock + reserved + sold) of product", R"sql(
      SELECT id, stock + reserved + sold, initial FROM product
      WHERE stock + reserved + sold <> initial OR stock < 0 OR reserved < 0 OR sold < 0)sql"},
    {"reserved pieces, against orders, of product", R"sql(
      SELECT p.id, p.reserved, coalesce(o.n, 0) FROM product p LEFT JOIN (
        SELECT l.product, sum(l.quantity) AS n FROM purchase_line l JOIN purchase o ON o.id = l.purchase
        WHERE o.status = 'awaiting_payment' GROUP BY l.product) o ON o.product = p.id WHERE p.reserved <> coalesce(o.n, 0))sql"},
    {"sold pieces, against orders, of product", R"sql(
      SELECT p.id, p.sold, coalesce(o.n, 0) FROM product p LEFT JOIN (
        SELECT l.product, sum(l.quantity - l.returned) AS n FROM purchase_line l JOIN purchase o ON o.id = l.purchase
        WHERE o.paid > 0 GROUP BY l.product) o ON o.product = p.id WHERE p.sold <> coalesce(o.n, 0))sql"},
    {"reserved pieces, against the ledger, of product", R"sql(
      SELECT p.id, p.reserved, coalesce(e.n, 0) FROM product p LEFT JOIN (
        SELECT what, sum(CASE effect WHEN 'reserve' THEN quantity ELSE -quantity END) AS n FROM ledger
        WHERE effect IN ('reserve', 'release', 'sell') GROUP BY what) e ON e.what = p.id WHERE p.reserved <> coalesce(e.n, 0))sql"},
    {"sold pieces, against the ledger, of product", R"sql(
      SELECT p.id, p.sold, coalesce(e.n, 0) FROM product p LEFT JOIN (
        SELECT what, sum(CASE effect WHEN 'sell' THEN quantity ELSE -quantity END) AS n FROM ledger
        WHERE effect IN ('sell', 'return') GROUP BY what) e ON e.what = p.id WHERE p.sold <> coalesce(e.n, 0))sql"},
    {"pieces in carts, against the ledger, of product", R"sql(
      SELECT p.id, coalesce(c.n, 0), coalesce(e.n, 0) FROM product p
      LEFT JOIN (SELECT product, sum(quantity) AS n FROM cart_line GROUP BY product) c ON c.product = p.id
      LEFT JOIN (SELECT what, sum(CASE effect WHEN 'cart_add' THEN quantity ELSE -quantity END) AS n FROM ledger
        WHERE effect IN ('cart_add', 'cart_remove', 'cart_empty') GROUP BY what) e ON e.what = p.id
      WHERE coalesce(c.n, 0) <> coalesce(e.n, 0))sql"},
    {"total, against its lines, of order", R"sql(
      SELECT 'O' || o.id, o.total, sum(l.amount) + o.delivery FROM purchase o JOIN purchase_line l ON l.purchase = o.id
      GROUP BY o.id HAVING o.total <> sum(l.amount) + o.delivery OR o.total <> o.goods - o.discount + o.delivery)sql"},
    {"money taken, against the ledger, for order", R"sql(
      SELECT 'O' || o.id, o.paid, coalesce(e.n, 0) FROM purchase o LEFT JOIN (
        SELECT purchase, sum(amount) AS n FROM ledger WHERE effect = 'charge' GROUP BY purchase) e ON e.purchase = o.id
      WHERE o.paid <> coalesce(e.n, 0) OR o.paid NOT IN (0, o.total)
        OR (o.paid > 0) <> (o.status IN ('paid', 'partly_refunded', 'refunded')))sql"},
    {"money given back, against the ledger, for order", R"sql(
      SELECT 'O' || o.id, o.refunded, coalesce(e.n, 0) FROM purchase o LEFT JOIN (
        SELECT purchase, sum(amount) AS n FROM ledger WHERE effect = 'refund' GROUP BY purchase) e ON e.purchase = o.id
      WHERE o.refunded <> coalesce(e.n, 0) OR o.refunded > o.paid)sql"},
    {"charges of order", R"sql(
      SELECT 'O' || purchase, count(*), 1 FROM ledger WHERE effect = 'charge' GROUP BY purchase HAVING count(*) <> 1)sql"},
    {"orders touched under key", R"sql(
      SELECT key, count(DISTINCT purchase), 1 FROM ledger GROUP BY key HAVING count(DISTINCT purchase) <> 1)sql"},
    {"ledger entries (at least) under key", R"sql(
      SELECT r.key, 0, 1 FROM request r WHERE NOT EXISTS (SELECT 1 FROM ledger e WHERE e.key = r.key))sql"},
    {"requests under key", R"sql(
      SELECT DISTINCT e.key, 0, 1 FROM ledger e WHERE NOT EXISTS (SELECT 1 FROM request r WHERE r.key = e.key))sql"},
    {"uses of coupon", R"sql(
      SELECT c.code, c.uses, (SELECT count(*) FROM purchase o WHERE o.coupon = c.code AND o.status <> 'cancelled') AS n
      FROM coupon c WHERE c.uses <> n OR c.uses > c.uses_max)sql"},
    {"uses, against the ledger, of coupon", R"sql(
      SELECT c.code, c.uses, (SELECT coalesce(sum(CASE effect WHEN 'coupon_use' THEN 1 ELSE -1 END), 0) FROM ledger e
        WHERE e.what = c.code AND e.effect IN ('coupon_use', 'coupon_back')) AS n FROM coupon c WHERE c.uses <> n)sql"},
};

}  // namespace

Result<LedgerSums> sum_ledger(Database& database) {
  LedgerSums sums;
  TSUKAI_TRY(sums.calls, counts(database, "SELECT tool, count(*) FROM request GROUP BY tool"));
  TSUKAI_TRY(sums.effects, counts(database, "SELECT effect, count(*) FROM ledger GROUP BY effect"));
  TSUKAI_TRY(sums.orders, counts(database, "SELECT status, count(*) FROM purchase GROUP BY status"));
  for (const auto& [effect, count] : sums.effects) sums.entries += count;
  TSUKAI_TRY(auto goods,
             database.prepare("SELECT sum(initial), sum(stock), sum(reserved), sum(sold) FROM product"));
  TSUKAI_TRY_VOID(goods.step());
  sums.initial = goods.integer(0);
  sums.stock = goods.integer(1);
  sums.reserved = goods.integer(2);
  sums.sold = goods.integer(3);
  TSUKAI_TRY(auto paid, database.prepare("SELECT sum(paid), sum(refunded) FROM purchase"));
  TSUKAI_TRY_VOID(paid.step());
  sums.charged = paid.integer(0);
  sums.refunded = paid.integer(1);
  sums.kept = sums.charged - sums.refunded;
  return sums;
}

JsonValue to_json(const LedgerSums& sums) {
  return Json{
      {"calls", sums.calls},
      {"effects", sums.effects},
      {"orders", sums.orders},
      {"entries", sums.entries},
      {"pieces",
       {{"initial", sums.initial}, {"stock", sums.stock}, {"reserved", sums.reserved}, {"sold", sums.sold}}},
      {"money_minor", {{"charged", sums.charged}, {"refunded", sums.refunded}, {"kept", sums.kept}}}};
}

Result<std::vector<JsonValue>> ledger_entries(Database& database, std::int64_t after, std::size_t count) {
  std::vector<JsonValue> entries;
  TSUKAI_TRY(auto row,
             database.prepare("SELECT seq, key, effect, purchase, what, quantity, amount, at_ms FROM ledger"
                              " WHERE seq > ?1 ORDER BY seq LIMIT ?2"));
  row.bind(1, after).bind(2, static_cast<std::int64_t>(count));
  for (;;) {
    TSUKAI_TRY(const bool more, row.step());
    if (!more) return entries;
    Json entry = {{"seq", row.integer(0)},         {"key", row.text(1)},
                  {"effect", row.text(2)},         {"what", row.text(4)},
                  {"quantity", row.integer(5)},    {"amount_minor", row.integer(6)},
                  {"at", iso_time(row.integer(7))}};
    if (row.integer(3) > 0) entry["order_id"] = order_name(row.integer(3));
    entries.emplace_back(std::move(entry));
  }
}

Result<std::vector<std::string>> check_ledger(Database& database) {
  std::vector<std::string> problems;
  for (const Invariant& invariant : kInvariants) {
    TSUKAI_TRY(auto row, database.prepare(invariant.sql));
    for (std::size_t told = 0; told < kProblemsMax; ++told) {
      TSUKAI_TRY(const bool more, row.step());
      if (!more) break;
      problems.push_back(fmt::format("{} {}: {}, should be {}", invariant.what, row.text(0), row.integer(1),
                                     row.integer(2)));
    }
  }
  TSUKAI_TRY(auto damage, database.prepare("PRAGMA integrity_check"));
  for (;;) {
    TSUKAI_TRY(const bool more, damage.step());
    if (!more) return problems;
    if (damage.text(0) != "ok") problems.push_back("the file is damaged: " + damage.text(0));
  }
}

}  // namespace tsukai::shop
