// When goods can be brought: three slots a day for a week, each for a limited number of orders.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/shop/shop.h"

namespace tsukai::shop {

inline constexpr const char* kPickup = "pickup";           // Instead of a slot: no fee, no limit.
inline constexpr std::int64_t kDeliveryFee = 800;          // Minor units.
inline constexpr std::int64_t kFreeDeliveryFrom = 20'000;  // Goods after discount.
inline constexpr int kSlotDays = 7;                        // From tomorrow on, UTC.
inline constexpr std::int64_t kSlotOrdersMax = 40;
inline constexpr std::size_t kSlotsShown = 6;

// Up to `count` slots with room, soonest first: "2026-11-24-morning".
Result<std::vector<std::string>> free_slots(Shop& shop, std::size_t count);
// Whether an order can still have it; the error names slots with room.
Result<void> check_slot(Shop& shop, const std::string& slot);

}  // namespace tsukai::shop
