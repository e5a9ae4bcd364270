#include "tools/shop/delivery.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace tsukai::shop {
namespace {

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;
constexpr const char* kParts[] = {"morning", "afternoon", "evening"};

std::vector<std::string> all_slots(const Clock& clock) {
  std::vector<std::string> slots;
  for (int day = 1; day <= kSlotDays; ++day) {
    const std::string date = iso_time(clock.wall_ms() + day * kDayMs).substr(0, 10);
    for (const char* part : kParts) slots.push_back(date + "-" + part);
  }
  return slots;
}

Result<bool> has_room(Shop& shop, const std::string& slot) {
  TSUKAI_TRY(auto row, shop.database().prepare(
                           "SELECT count(*) FROM purchase WHERE slot=?1 AND status <> 'cancelled'"));
  TSUKAI_TRY_VOID(row.bind(1, slot).step());
  return row.integer(0) < kSlotOrdersMax;
}

}  // namespace

Result<std::vector<std::string>> free_slots(Shop& shop, std::size_t count) {
  std::vector<std::string> free;
  for (const std::string& slot : all_slots(shop.clock())) {
    if (free.size() >= count) break;
    TSUKAI_TRY(const bool room, has_room(shop, slot));
    if (room) free.push_back(slot);
  }
  return free;
}

Result<void> check_slot(Shop& shop, const std::string& slot) {
  const auto slots = all_slots(shop.clock());
  const bool known = std::find(slots.begin(), slots.end(), slot) != slots.end();
  if (known) {
    TSUKAI_TRY(const bool room, has_room(shop, slot));
    if (room) return {};
  }
  TSUKAI_TRY(const auto free, free_slots(shop, 3));
  std::string names;
  for (const std::string& name : free) names += name + ", ";
  return fail(known ? Code::kExhausted : Code::kInvalidArgument,
              fmt::format("delivery_slot \"{}\" {}", shortened(slot, 40),
                          known ? "is full" : "is no slot of the next week"),
              fmt::format("choose {}or pickup", names));
}

}  // namespace tsukai::shop
