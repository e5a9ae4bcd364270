// What a place is: the kinds this map knows, with Amap's type codes and the words people search them by.
#pragma once

#include <span>
#include <string_view>

namespace tsukai::maps {

struct Category {
  std::string_view key;       // As stored in map files: "cafe".
  std::string_view typecode;  // Amap's POI type code: "050500".
  std::string_view en, zh, ja;
  std::string_view words;  // More search words, all three languages.
};

std::span<const Category> categories();

// nullptr when the key is unknown.
const Category* find_category(std::string_view key);

// The category whose key, code or name in any language is `word` (singular, any case), else nullptr.
const Category* category_named(std::string_view word);

}  // namespace tsukai::maps
