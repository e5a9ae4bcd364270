#include "tools/maps/map_schema.h"

namespace tsukai::maps {

const std::vector<std::string>& map_schema() {
  static const std::vector<std::string> schema = {R"sql(
    CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE district(id INTEGER PRIMARY KEY, en TEXT NOT NULL, zh TEXT NOT NULL, ja TEXT NOT NULL, adcode TEXT NOT NULL) STRICT;
    CREATE TABLE street(id INTEGER PRIMARY KEY, en TEXT NOT NULL, zh TEXT NOT NULL, ja TEXT NOT NULL) STRICT;
    CREATE TABLE place(
      id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, en TEXT NOT NULL, zh TEXT NOT NULL, ja TEXT NOT NULL,
      alias TEXT NOT NULL, category TEXT NOT NULL, lng REAL NOT NULL, lat REAL NOT NULL,
      district INTEGER NOT NULL, street INTEGER NOT NULL, number INTEGER NOT NULL, address TEXT NOT NULL, tel TEXT NOT NULL,
      hours TEXT NOT NULL, rating REAL NOT NULL, cost REAL NOT NULL, price_level INTEGER NOT NULL, tags TEXT NOT NULL,
      area_en TEXT NOT NULL, area_zh TEXT NOT NULL, area_ja TEXT NOT NULL) STRICT;
    CREATE INDEX place_by_street ON place(street, number);
    CREATE VIRTUAL TABLE place_box USING rtree(id, lng0, lng1, lat0, lat1);
    CREATE VIRTUAL TABLE place_text USING fts5(name, kind, address, content='', tokenize='porter unicode61 remove_diacritics 2');
    CREATE VIRTUAL TABLE street_text USING fts5(name, content='', tokenize='porter unicode61 remove_diacritics 2');
    CREATE TABLE node(id INTEGER PRIMARY KEY, lng REAL NOT NULL, lat REAL NOT NULL) STRICT;
    CREATE TABLE edge(
      id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER NOT NULL, street INTEGER NOT NULL, length_m REAL NOT NULL,
      access INTEGER NOT NULL, speed_kmh INTEGER NOT NULL) STRICT;
    CREATE TABLE landmark(mode INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
    CREATE TABLE metro_line(id INTEGER PRIMARY KEY, en TEXT NOT NULL, zh TEXT NOT NULL, ja TEXT NOT NULL, headway_s INTEGER NOT NULL) STRICT;
    CREATE TABLE metro_stop(
      line INTEGER NOT NULL, position INTEGER NOT NULL, place INTEGER NOT NULL, ride_s INTEGER NOT NULL, ride_m INTEGER NOT NULL,
      PRIMARY KEY(line, position)) STRICT, WITHOUT ROWID;
  )sql",
                                                  R"sql(
    DROP TABLE landmark;
    CREATE TABLE hierarchy(mode INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;
  )sql",
                                                  // Hierarchies have a core since.
                                                  R"sql(
    DELETE FROM hierarchy;
  )sql"};
  return schema;
}

}  // namespace tsukai::maps
