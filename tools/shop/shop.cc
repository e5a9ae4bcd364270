#include "tools/shop/shop.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/text.h"
#include "tools/shop/shop_schema.h"

namespace tsukai::shop {
namespace {

std::string lowered(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) {
    return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c);
  });
  return out;
}

}  // namespace

std::string money(std::int64_t minor) {
  return fmt::format("{}{}.{:02} {}", minor < 0 ? "-" : "", std::abs(minor) / 100, std::abs(minor) % 100,
                     kCurrency);
}

std::string_view name(Effect effect) {
  switch (effect) {
    case Effect::kCartAdd:
      return "cart_add";
    case Effect::kCartRemove:
      return "cart_remove";
    case Effect::kCartEmpty:
      return "cart_empty";
    case Effect::kReserve:
      return "reserve";
    case Effect::kRelease:
      return "release";
    case Effect::kSell:
      return "sell";
    case Effect::kReturn:
      return "return";
    case Effect::kCharge:
      return "charge";
    case Effect::kRefund:
      return "refund";
    case Effect::kCouponUse:
      return "coupon_use";
    case Effect::kCouponBack:
      return "coupon_back";
  }
  return {};
}

Result<Shop> Shop::open(const std::string& path, ShopOptions options, const Clock& clock) {
  TSUKAI_TRY(auto database, Database::open(path));
  Shop shop(std::move(database), clock);
  shop.language_ = options.language;
  TSUKAI_TRY_VOID(shop.database_->migrate("shop", shop_schema()));
  if (!options.every_write_durable) TSUKAI_TRY_VOID(shop.database_->execute("PRAGMA synchronous=NORMAL"));
  TSUKAI_TRY_VOID(shop.load());
  if (shop.products_.empty()) {
    const Catalogue catalogue = generate_catalogue(options.seed);
    TSUKAI_TRY_VOID(shop.database_->write([&] { return shop.fill(catalogue); }));
    TSUKAI_TRY_VOID(shop.load());
  }
  return shop;
}

Result<void> Shop::fill(const Catalogue& catalogue) {
  // Another process may have filled the file while this one waited for the lock.
  TSUKAI_TRY(auto known, database_->prepare("SELECT 1 FROM product LIMIT 1"));
  TSUKAI_TRY(const bool filled, known.step());
  if (filled) return {};
  TSUKAI_TRY(auto meta, database_->prepare("INSERT INTO meta(key, value) VALUES('origin', ?1)"));
  TSUKAI_TRY_VOID(meta.bind(1, catalogue.origin).run());
  TSUKAI_TRY(auto product,
             database_->prepare("INSERT INTO product(id, en, zh, ja, category, words, price, initial, stock)"
                                " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)"));
  for (const Product& p : catalogue.products) {
    TSUKAI_TRY_VOID(product.bind(1, p.id)
                        .bind(2, p.name.en)
                        .bind(3, p.name.zh)
                        .bind(4, p.name.ja)
                        .bind(5, p.category)
                        .bind(6, p.words)
                        .bind(7, p.price)
                        .bind(8, p.stock)
                        .run());
  }
  TSUKAI_TRY(auto coupon,
             database_->prepare("INSERT INTO coupon(code, percent, amount, goods_min, category, uses_max)"
                                " VALUES(?1, ?2, ?3, ?4, ?5, ?6)"));
  for (const Coupon& c : catalogue.coupons) {
    TSUKAI_TRY_VOID(coupon.bind(1, c.code)
                        .bind(2, static_cast<std::int64_t>(c.percent))
                        .bind(3, c.amount)
                        .bind(4, c.goods_min)
                        .bind(5, c.category)
                        .bind(6, c.uses_max)
                        .run());
  }
  return {};
}

Result<void> Shop::load() {
  TSUKAI_TRY(auto meta, database_->prepare("SELECT value FROM meta WHERE key='origin'"));
  TSUKAI_TRY(const bool known, meta.step());
  if (known) origin_ = meta.text(0);
  TSUKAI_TRY(
      auto row,
      database_->prepare("SELECT id, en, zh, ja, category, words, price, initial FROM product ORDER BY id"));
  products_.clear();
  for (;;) {
    TSUKAI_TRY(const bool more, row.step());
    if (!more) return {};
    products_.push_back({row.text(0),
                         {row.text(1), row.text(2), row.text(3)},
                         row.text(4),
                         row.text(5),
                         row.integer(6),
                         row.integer(7)});
  }
}

Result<const Product*> Shop::product(std::string_view id_or_name) const {
  const std::string wanted = lowered(trimmed(id_or_name));
  std::vector<std::string> names;
  for (const Product& product : products_) {
    if (lowered(product.id) == wanted) return &product;
    for (const std::string& name : {product.name.en, product.name.zh, product.name.ja}) {
      if (lowered(name) == wanted) return &product;
    }
    names.push_back(product.name.in(language_of(wanted, language_)));
  }
  const std::string near = nearest_name(std::string(trimmed(id_or_name)), names);
  return fail(Code::kNotFound,
              fmt::format("product_id: there is no product \"{}\"{}", shortened(id_or_name, 60),
                          near.empty() ? "" : fmt::format("; did you mean {}?", near)),
              "take a product_id from search_products");
}

Result<std::int64_t> Shop::stock(std::string_view product) {
  TSUKAI_TRY(auto row, database_->prepare("SELECT stock FROM product WHERE id=?1"));
  TSUKAI_TRY(const bool known, row.bind(1, product).step());
  return known ? row.integer(0) : 0;
}

Result<void> Shop::note(const Entry& entry) {
  TSUKAI_CHECK(!key_.empty(), "an effect outside of once()");
  ++noted_;
  TSUKAI_TRY(auto row,
             database_->prepare("INSERT INTO ledger(key, effect, purchase, what, quantity, amount, at_ms)"
                                " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  return row.bind(1, key_)
      .bind(2, name(entry.effect))
      .bind(3, entry.order)
      .bind(4, entry.what)
      .bind(5, entry.quantity)
      .bind(6, entry.amount)
      .bind(7, clock_->wall_ms())
      .run();
}

Result<Answer> Shop::once(std::string_view tool, const Json& arguments,
                          const std::function<Result<Answer>()>& body) {
  const std::string key = string_at(arguments, "idempotency_key");
  if (trimmed(key).empty() || key.size() > kKeyLettersMax) {
    return fail(Code::kInvalidArgument,
                trimmed(key).empty() ? std::string("idempotency_key is empty")
                                     : fmt::format("idempotency_key is longer than {} bytes", kKeyLettersMax),
                "make up a text for this one action, and send the same again only to repeat the call");
  }
  Json rest = arguments;
  rest.erase("idempotency_key");
  const std::string digest = sha256_hex(print_json(rest));
  Answer answer;
  const auto write = [&]() -> Result<void> {
    TSUKAI_TRY(auto known,
               database_->prepare("SELECT tool, digest, structured, text FROM request WHERE key=?1"));
    TSUKAI_TRY(const bool used, known.bind(1, key).step());
    if (used) {
      if (known.text(0) != tool || known.text(1) != digest) {
        return fail(Code::kInvalidArgument,
                    fmt::format("idempotency_key \"{}\" was used before, for {} with other arguments",
                                shortened(key, 40), known.text(0)),
                    "use a new idempotency_key for a new action");
      }
      TSUKAI_TRY(Json structured, parse_json(known.text(2)));
      answer = {JsonValue(std::move(structured)), known.text(3)};
      return {};
    }
    key_ = key;
    noted_ = 0;
    auto done = body();
    key_.clear();
    if (!done) return fail(std::move(done).error());
    TSUKAI_CHECK(noted_ > 0, "a write without an effect");
    answer = std::move(*done);
    TSUKAI_TRY(auto row, database_->prepare("INSERT INTO request(key, tool, digest, structured, text, at_ms)"
                                            " VALUES(?1, ?2, ?3, ?4, ?5, ?6)"));
    return row.bind(1, key)
        .bind(2, tool)
        .bind(3, digest)
        .bind(4, answer.structured.print())
        .bind(5, answer.text)
        .bind(6, clock_->wall_ms())
        .run();
  };
  TSUKAI_TRY_VOID(database_->write(write));
  return answer;
}

}  // namespace tsukai::shop
