// The words from which the generated city gets its names, in English, Chinese and Japanese.
#pragma once

#include <span>
#include <string_view>

namespace tsukai::maps {

struct Word {
  std::string_view en, zh, ja;
};

// Street names are made of these: "Cedar" -> Cedar Street, 雪松街, 杉通り.
std::span<const Word> street_words();
// Names of shops, cafes, hotels: "Blue Heron" -> Blue Heron Coffee, 蓝鹭咖啡, 青鷺珈琲.
std::span<const Word> brand_words();
// What follows a brand for a category ("Coffee", "Coffee House", ...); empty when places of the category are
// named after their street or district instead.
std::span<const Word> brand_endings(std::string_view category);

}  // namespace tsukai::maps
