#include "tools/shop/shop_schema.h"

namespace tsukai::shop {

const std::vector<std::string>& shop_schema() {
  static const std::vector<std::string> schema = {R"sql(
    CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE product(
      id TEXT PRIMARY KEY, en TEXT NOT NULL, zh TEXT NOT NULL, ja TEXT NOT NULL, category TEXT NOT NULL, words TEXT NOT NULL,
      price INTEGER NOT NULL CHECK(price > 0), initial INTEGER NOT NULL CHECK(initial >= 0),
      stock INTEGER NOT NULL CHECK(stock >= 0), reserved INTEGER NOT NULL DEFAULT 0 CHECK(reserved >= 0),
      sold INTEGER NOT NULL DEFAULT 0 CHECK(sold >= 0), CHECK(stock + reserved + sold = initial)) STRICT;
    CREATE TABLE coupon(
      code TEXT PRIMARY KEY, percent INTEGER NOT NULL, amount INTEGER NOT NULL, goods_min INTEGER NOT NULL, category TEXT NOT NULL,
      uses_max INTEGER NOT NULL, uses INTEGER NOT NULL DEFAULT 0 CHECK(uses BETWEEN 0 AND uses_max)) STRICT;
    CREATE TABLE cart_line(
      cart TEXT NOT NULL, product TEXT NOT NULL REFERENCES product(id), quantity INTEGER NOT NULL CHECK(quantity BETWEEN 1 AND 99),
      PRIMARY KEY(cart, product)) STRICT, WITHOUT ROWID;
    CREATE TABLE purchase(
      id INTEGER PRIMARY KEY, cart TEXT NOT NULL, coupon TEXT NOT NULL, slot TEXT NOT NULL,
      status TEXT NOT NULL CHECK(status IN ('awaiting_payment', 'paid', 'partly_refunded', 'refunded', 'cancelled')),
      goods INTEGER NOT NULL, discount INTEGER NOT NULL, delivery INTEGER NOT NULL, total INTEGER NOT NULL CHECK(total >= 0),
      paid INTEGER NOT NULL DEFAULT 0, refunded INTEGER NOT NULL DEFAULT 0, method TEXT NOT NULL DEFAULT '', at_ms INTEGER NOT NULL,
      CHECK(total = goods - discount + delivery), CHECK(paid IN (0, total)), CHECK(refunded BETWEEN 0 AND paid)) STRICT;
    CREATE INDEX purchase_by_cart ON purchase(cart, id);
    CREATE INDEX purchase_by_slot ON purchase(slot) WHERE status <> 'cancelled';
    CREATE TABLE purchase_line(
      purchase INTEGER NOT NULL REFERENCES purchase(id), product TEXT NOT NULL REFERENCES product(id),
      quantity INTEGER NOT NULL CHECK(quantity > 0), returned INTEGER NOT NULL DEFAULT 0 CHECK(returned BETWEEN 0 AND quantity),
      price INTEGER NOT NULL, amount INTEGER NOT NULL CHECK(amount >= 0), PRIMARY KEY(purchase, product)) STRICT, WITHOUT ROWID;
    CREATE TABLE request(
      key TEXT PRIMARY KEY, tool TEXT NOT NULL, digest TEXT NOT NULL, structured TEXT NOT NULL, text TEXT NOT NULL,
      at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE ledger(
      seq INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL REFERENCES request(key) DEFERRABLE INITIALLY DEFERRED,
      effect TEXT NOT NULL, purchase INTEGER NOT NULL, what TEXT NOT NULL, quantity INTEGER NOT NULL, amount INTEGER NOT NULL,
      at_ms INTEGER NOT NULL) STRICT;
    CREATE INDEX ledger_by_key ON ledger(key);
    CREATE TRIGGER ledger_stays BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is never changed'); END;
    CREATE TRIGGER ledger_keeps BEFORE DELETE ON ledger BEGIN SELECT RAISE(ABORT, 'the ledger is never changed'); END;
  )sql"};
  return schema;
}

}  // namespace tsukai::shop
