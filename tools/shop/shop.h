// The shop behind the MCP tools: one SQLite file with stock, carts, orders and the ledger of effects.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/database.h"
#include "base/json.h"
#include "base/result.h"
#include "tools/shop/catalogue.h"

namespace tsukai::shop {

inline constexpr const char* kCurrency = "CNY";
inline constexpr std::size_t kPageLines = 8;  // Entries of one answer: small contexts read several answers.
inline constexpr std::int64_t kQuantityMax = 99;    // Of one product in a cart.
inline constexpr std::int64_t kCartLinesMax = 40;   // Products in a cart.
inline constexpr std::size_t kKeyLettersMax = 128;  // Of an idempotency key.
inline constexpr const char* kMainCart = "main";    // Whoever names no cart uses this one.

struct Answer {
  JsonValue structured;
  std::string text;
};

// "26.00 CNY" for 2600.
std::string money(std::int64_t minor);

// One thing that a write did, as it stands in the ledger.
enum class Effect {
  kCartAdd,
  kCartRemove,
  kCartEmpty,
  kReserve,
  kRelease,
  kSell,
  kReturn,
  kCharge,
  kRefund,
  kCouponUse,
  kCouponBack
};
std::string_view name(Effect effect);

// What the ledger notes beside the effect; what does not apply stays empty or 0.
struct Entry {
  Effect effect;
  std::int64_t order = 0;
  std::string_view what;  // Product, cart or coupon.
  std::int64_t quantity = 0;
  std::int64_t amount = 0;  // Minor units.
};

struct ShopOptions {
  std::uint64_t seed = kDefaultSeed;  // Of the catalogue, when the file is new.
  Language language = Language::kEnglish;
  bool every_write_durable = true;  // False: a power cut may lose the last writes, though never half of one.
};

// Not thread-safe; several processes may have the same file open.
class Shop {
 public:
  // Makes the file when it is not there, in one transaction. ":memory:" is allowed. `clock` outlives the
  // shop; it dates orders and delivery slots. Errors as of Database::open.
  static Result<Shop> open(const std::string& path, ShopOptions options, const Clock& clock);

  Database& database() { return *database_; }
  const Clock& clock() const { return *clock_; }
  Language language() const { return language_; }
  const std::string& origin() const { return origin_; }

  // Names, categories and prices never change, so they are held in memory; stock is in the file.
  const std::vector<Product>& products() const { return products_; }
  // The error names the nearest ids or names. A product's exact name works as well as its id.
  Result<const Product*> product(std::string_view id_or_name) const;
  Result<std::int64_t> stock(std::string_view product);

  // Adds to the ledger what the write in progress did. REQUIRES: within the body of once().
  Result<void> note(const Entry& entry);

  // Does a write exactly once for its idempotency_key. The same key with the same tool and arguments gives
  // the first answer again; with others it is refused. A body that fails has done nothing, and its key stays
  // free.
  Result<Answer> once(std::string_view tool, const Json& arguments,
                      const std::function<Result<Answer>()>& body);

 private:
  Shop(Database database, const Clock& clock)
      : database_(std::make_unique<Database>(std::move(database))), clock_(&clock) {}
  Result<void> fill(const Catalogue& catalogue);
  Result<void> load();

  std::unique_ptr<Database> database_;
  const Clock* clock_;
  Language language_ = Language::kEnglish;
  std::string origin_;
  std::vector<Product> products_;
  std::string key_;         // Of the write in progress.
  std::int64_t noted_ = 0;  // Its entries so far.
};

// A tool answers from arguments that satisfy its schema. Errors say what to change.
using ToolFunction = Result<Answer> (*)(Shop& shop, const Json& arguments);

Result<Answer> search_products(Shop& shop, const Json& arguments);
Result<Answer> get_product(Shop& shop, const Json& arguments);
Result<Answer> view_cart(Shop& shop, const Json& arguments);
Result<Answer> add_to_cart(Shop& shop, const Json& arguments);
Result<Answer> remove_from_cart(Shop& shop, const Json& arguments);
Result<Answer> check_out(Shop& shop, const Json& arguments);
Result<Answer> pay(Shop& shop, const Json& arguments);
Result<Answer> order_status(Shop& shop, const Json& arguments);
Result<Answer> cancel_order(Shop& shop, const Json& arguments);
Result<Answer> refund(Shop& shop, const Json& arguments);

}  // namespace tsukai::shop
