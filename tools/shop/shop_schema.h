// The tables of a shop file, and what must always hold in them.
#pragma once

#include <string>
#include <vector>

namespace tsukai::shop {

// For Database::migrate. The tables refuse by themselves what must never be: negative stock, goods that come
// or go unseen, more refunded than paid, a ledger entry changed or without its request.
const std::vector<std::string>& shop_schema();

}  // namespace tsukai::shop
