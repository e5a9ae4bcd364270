// The ledger of effects: what it sums up to, and whether it agrees with stock, orders and money.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/database.h"
#include "base/json.h"
#include "base/result.h"

namespace tsukai::shop {

struct LedgerSums {
  std::map<std::string, std::int64_t> calls;    // Writes done, by tool: one idempotency key each.
  std::map<std::string, std::int64_t> effects;  // Entries, by effect.
  std::map<std::string, std::int64_t> orders;   // By status.
  std::int64_t entries = 0;
  std::int64_t initial = 0, stock = 0, reserved = 0, sold = 0;  // Pieces, of all products together.
  std::int64_t charged = 0, refunded = 0, kept = 0;             // Minor units.
};

Result<LedgerSums> sum_ledger(Database& database);
JsonValue to_json(const LedgerSums& sums);

// One entry as JSON, oldest first: {seq, key, effect, order_id, what, quantity, amount_minor, at}.
Result<std::vector<JsonValue>> ledger_entries(Database& database, std::int64_t after, std::size_t count);

// What is wrong, in sentences; empty when every invariant holds:
//   stock, reserved and sold are never negative and sum up to what there was;
//   they are what the orders say, and what the ledger says;
//   money taken = money given back + money kept, order by order and in the ledger;
//   every key was used once, for one call, and every call has effects;
//   coupons were used as often as orders have them.
// An error when the file can't be read.
Result<std::vector<std::string>> check_ledger(Database& database);

}  // namespace tsukai::shop
