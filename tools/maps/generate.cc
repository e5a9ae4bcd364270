#include "tools/maps/generate.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "base/random.h"
#include "tools/maps/category.h"
#include "tools/maps/metro_plan.h"
#include "tools/maps/street_grid.h"
#include "tools/maps/vocabulary.h"

namespace tsukai::maps {
namespace {

constexpr int kPlaceCount = 3600;

struct DistrictPlan {
  Name name;
  Spot centre;
  double density;  // How much likelier a place is here than elsewhere.
};
const std::array<DistrictPlan, 9>& district_plans() {
  static const std::array<DistrictPlan, 9> plans = {{
      {{"Old Town", "老城区", "旧市街区"}, {5950, 5250}, 5},
      {{"Harbour", "海港区", "港区"}, {8600, 4900}, 3},
      {{"Riverside", "江畔区", "川端区"}, {6400, 3300}, 3},
      {{"Lakeside", "湖滨区", "湖畔区"}, {2800, 6300}, 2},
      {{"University", "大学区", "学園区"}, {1400, 2500}, 2},
      {{"Hillside", "山麓区", "山手区"}, {1000, 7600}, 1},
      {{"Garden", "花园区", "花園区"}, {4100, 1300}, 2},
      {{"New Bay", "新湾区", "新湾区"}, {7800, 1200}, 3},
      {{"North Gate", "北门区", "北門区"}, {6000, 7600}, 2},
  }};
  return plans;
}

// Places that stand whatever the seed.
struct Landmark {
  const char *en, *zh, *ja, *category;
  Spot spot;
  const char* hours;
  double rating, cost;
  int price_level;
  const char* tags;
  const char* alias;
  bool on_gate_street = false;
};
const Landmark kLandmarks[] = {
    {"Old Gate", "老城门", "旧門", "sight", kOldGate, "00:00-24:00", 4.7, 0, 0, "city wall;history",
     "South Gate|The Gate|老门|古城门", true},
    {"Gatehouse Coffee Roasters",
     "门楼咖啡烘焙坊",
     "門楼コーヒー焙煎所",
     "cafe",
     {5990, 4790},
     "08:00-18:00",
     4.8,
     32,
     2,
     "coffee beans;roastery;wifi;咖啡豆;コーヒー豆",
     "Gatehouse",
     true},
    {"Wall Street Beans",
     "城墙豆子",
     "城壁豆店",
     "cafe",
     {5780, 4800},
     "09:00-19:00",
     4.5,
     28,
     2,
     "coffee beans;take away;咖啡豆;コーヒー豆",
     ""},
    {"Seven Steps Coffee",
     "七步咖啡",
     "七歩珈琲",
     "cafe",
     {6080, 4850},
     "07:30-17:30",
     4.6,
     30,
     2,
     "coffee beans;terrace;咖啡豆;コーヒー豆",
     ""},
    {"Moat Cafe",
     "护城河咖啡馆",
     "お堀カフェ",
     "cafe",
     {5860, 4640},
     "10:00-22:00",
     4.2,
     35,
     2,
     "cake;terrace",
     ""},
    {"Ticket Window Espresso",
     "售票窗意式咖啡",
     "切符窓エスプレッソ",
     "cafe",
     {5935, 4700},
     "06:30-15:00",
     4.4,
     18,
     1,
     "take away",
     "",
     true},
    {"City Museum",
     "岚湾博物馆",
     "嵐湾市博物館",
     "museum",
     {5650, 5150},
     "09:00-17:00",
     4.6,
     40,
     2,
     "history;ships",
     "Lanwan Museum|市博物馆"},
    {"Museum of Tea",
     "茶博物馆",
     "茶の博物館",
     "museum",
     {6350, 5650},
     "09:30-17:30",
     4.4,
     25,
     1,
     "tea;tasting",
     "Tea Museum"},
    {"Maritime Museum",
     "航海博物馆",
     "海事博物館",
     "museum",
     {8750, 5050},
     "10:00-18:00",
     4.5,
     35,
     2,
     "ships;history",
     ""},
    {"Drum Tower", "鼓楼", "太鼓楼", "sight", {5950, 5330}, "08:30-17:00", 4.5, 15, 1, "history;view", ""},
    {"White Heron Lighthouse",
     "白鹭灯塔",
     "白鷺灯台",
     "sight",
     {9050, 3500},
     "09:00-18:00",
     4.6,
     10,
     1,
     "view;sea",
     "Lighthouse|灯塔"},
    {"Harbour Market",
     "海港市场",
     "港市場",
     "market",
     {8500, 4700},
     "05:00-14:00",
     4.4,
     0,
     1,
     "fish;fruit;food stalls",
     "Fish Market"},
    {"Night Market",
     "夜市",
     "夜市",
     "market",
     {6150, 5050},
     "17:00-24:00",
     4.3,
     30,
     1,
     "food stalls;snacks",
     ""},
    {"Central Station",
     "岚湾火车站",
     "嵐湾中央駅",
     "train",
     {4700, 5400},
     "05:00-24:00",
     4.0,
     0,
     0,
     "",
     "Lanwan Station|中央车站"},
    {"Harbour Ferry Pier",
     "海港码头",
     "港フェリーターミナル",
     "ferry",
     {8850, 4500},
     "06:00-22:00",
     4.1,
     0,
     0,
     "",
     ""},
    {"Lanwan University", "岚湾大学", "嵐湾大学", "university", {1400, 2450}, "", 4.6, 0, 0, "", ""},
    {"City Library",
     "岚湾图书馆",
     "嵐湾市立図書館",
     "library",
     {5300, 5600},
     "09:00-21:00",
     4.7,
     0,
     0,
     "wifi;reading room",
     ""},
    {"Opera House",
     "岚湾大剧院",
     "嵐湾オペラハウス",
     "theatre",
     {7900, 1300},
     "10:00-22:00",
     4.7,
     180,
     4,
     "opera;concerts",
     "Grand Theatre"},
    {"Lake Park", "湖滨公园", "湖畔公園", "park", {2900, 6400}, "06:00-22:00", 4.6, 0, 0, "lake;boats", ""},
    {"Botanic Garden",
     "植物园",
     "植物園",
     "park",
     {1450, 2600},
     "08:00-18:00",
     4.7,
     20,
     1,
     "flowers;greenhouse",
     ""},
    {"Moat Park", "护城河公园", "お堀公園", "park", {7050, 5250}, "00:00-24:00", 4.3, 0, 0, "playground", ""},
    {"Bay Park", "海湾公园", "湾岸公園", "park", {7350, 1500}, "06:00-23:00", 4.4, 0, 0, "sea;view", ""},
    {"Temple of the Calm Sea",
     "静海寺",
     "静海寺",
     "temple",
     {6500, 5500},
     "07:00-17:00",
     4.5,
     0,
     0,
     "",
     "Calm Sea Temple"},
    {"First People's Hospital",
     "第一人民医院",
     "第一市民病院",
     "hospital",
     {5000, 6300},
     "00:00-24:00",
     4.0,
     0,
     0,
     "emergency",
     ""},
    {"Grand Bay Hotel",
     "海湾大酒店",
     "グランドベイホテル",
     "hotel",
     {7700, 1050},
     "00:00-24:00",
     4.6,
     780,
     4,
     "sea view;pool",
     ""},
    {"Old Gate Inn",
     "老城门客栈",
     "旧門旅館",
     "hotel",
     {5820, 4900},
     "00:00-24:00",
     4.4,
     260,
     2,
     "breakfast;courtyard",
     ""},
};

struct Share {
  const char* category;
  int weight;
  const char* hours;
  double cost_min, cost_max;
};
const Share kShares[] = {
    {"cafe", 90, "08:00-20:00", 15, 45},
    {"teahouse", 25, "10:00-22:00", 20, 80},
    {"bakery", 45, "07:00-19:00", 8, 35},
    {"chinese", 110, "10:30-21:30", 30, 120},
    {"noodles", 70, "06:30-21:00", 15, 40},
    {"japanese", 45, "11:00-22:00", 50, 220},
    {"seafood", 35, "11:00-22:00", 60, 260},
    {"hotpot", 25, "11:00-24:00", 60, 140},
    {"western", 40, "11:00-23:00", 50, 200},
    {"vegetarian", 15, "10:30-20:30", 25, 70},
    {"bar", 40, "18:00-02:00", 40, 120},
    {"gallery", 12, "10:00-18:00", 0, 40},
    {"cinema", 8, "10:00-24:00", 35, 80},
    {"park", 25, "06:00-22:00", 0, 0},
    {"temple", 8, "07:00-17:00", 0, 0},
    {"hotel", 55, "00:00-24:00", 120, 900},
    {"bus", 120, "", 0, 0},
    {"parking", 40, "00:00-24:00", 5, 20},
    {"fuel", 18, "00:00-24:00", 0, 0},
    {"supermarket", 40, "08:00-22:00", 0, 0},
    {"convenience", 90, "00:00-24:00", 0, 0},
    {"mall", 10, "10:00-22:00", 0, 0},
    {"market", 12, "06:00-18:00", 0, 0},
    {"books", 22, "10:00-20:00", 0, 0},
    {"clothes", 60, "10:00-21:00", 80, 600},
    {"gifts", 30, "09:30-20:00", 20, 150},
    {"bikes", 18, "09:00-19:00", 10, 60},
    {"pharmacy", 40, "08:30-21:30", 0, 0},
    {"hospital", 8, "00:00-24:00", 0, 0},
    {"school", 35, "", 0, 0},
    {"library", 6, "09:00-20:00", 0, 0},
    {"bank", 40, "09:00-17:00", 0, 0},
    {"post", 16, "09:00-17:30", 0, 0},
    {"gym", 22, "06:00-23:00", 30, 90},
    {"theatre", 5, "14:00-22:30", 60, 280},
    {"museum", 8, "09:00-17:00", 0, 40},
};

std::int32_t district_of(Spot spot) {
  std::int32_t best = 0;
  double least = 1e18;
  for (std::size_t i = 0; i < district_plans().size(); ++i) {
    const Spot centre = district_plans()[i].centre;
    const double metres =
        std::hypot(centre.x - spot.x, centre.y - spot.y) * (in_old_town(spot) == (i == 0) ? 1 : 4);
    if (metres < least) least = metres, best = static_cast<std::int32_t>(i);
  }
  return best;
}

class Settler {
 public:
  Settler(City& city, const StreetGrid& grid, Random& random) : city_(city), grid_(grid), random_(random) {
    for (std::size_t i = 0; i < city.edges.size(); ++i) {
      if (city.edges[i].street < 0) continue;
      const Spot from = grid.spots[static_cast<std::size_t>(city.edges[i].from)];
      const DistrictPlan& plan = district_plans()[static_cast<std::size_t>(district_of(from))];
      const double metres = std::hypot(plan.centre.x - from.x, plan.centre.y - from.y);
      total_ += 0.25 + plan.density * std::exp(-metres / 900);
      weights_.push_back(total_);
      edges_.push_back(i);
    }
  }

  void settle(const Landmark& mark) {
    Place place;
    place.name = {mark.en, mark.zh, mark.ja};
    place.alias = mark.alias;
    place.category = mark.category;
    place.hours = mark.hours;
    place.rating = mark.rating;
    place.cost = mark.cost;
    place.price_level = mark.price_level;
    place.tags = mark.tags;
    place.at = to_point(mark.spot);
    std::size_t nearest = 0;
    double least = 1e18;
    for (const std::size_t i : edges_) {
      if (mark.on_gate_street &&
          city_.streets[static_cast<std::size_t>(city_.edges[i].street)].name.en != kGateStreet)
        continue;
      const Spot middle = middle_of(city_.edges[i]);
      const double metres = std::hypot(middle.x - mark.spot.x, middle.y - mark.spot.y);
      if (metres < least) least = metres, nearest = i;
    }
    address(place, city_.edges[nearest], mark.spot);
    add(std::move(place), mark.spot);
  }

  void settle_one(const Share& share) {
    const Edge& edge = draw_edge();
    const Spot a = grid_.spots[static_cast<std::size_t>(edge.from)],
               b = grid_.spots[static_cast<std::size_t>(edge.to)];
    const double along = 0.1 + 0.8 * random_.unit(), side = random_.below(2) == 0 ? 1 : -1;
    const double length = std::hypot(b.x - a.x, b.y - a.y), off = side * (7 + 6 * random_.unit()) / length;
    const Spot spot{a.x + (b.x - a.x) * along - (b.y - a.y) * off,
                    a.y + (b.y - a.y) * along + (b.x - a.x) * off};
    if (in_water(spot)) return;
    Place place;
    place.category = share.category;
    place.at = to_point(spot);
    address(place, edge, spot);
    name(place);
    place.hours = share.hours;
    if (!place.hours.empty() && place.hours != "00:00-24:00") place.hours = shifted(place.hours);
    if (share.category != std::string_view("bus") && share.category != std::string_view("school")) {
      place.rating = std::round((3.1 + 1.8 * std::sqrt(random_.unit())) * 10) / 10;
    }
    if (share.cost_max > 0) {
      const double draw = random_.unit();
      place.cost = std::round(share.cost_min + (share.cost_max - share.cost_min) * draw * draw);
      place.price_level = 1 + static_cast<int>(3.99 * draw);
    }
    tag(place);
    add(std::move(place), spot);
  }

 private:
  Spot middle_of(const Edge& edge) const {
    const Spot a = grid_.spots[static_cast<std::size_t>(edge.from)],
               b = grid_.spots[static_cast<std::size_t>(edge.to)];
    return {(a.x + b.x) / 2, (a.y + b.y) / 2};
  }

  const Edge& draw_edge() {
    const auto at = std::upper_bound(weights_.begin(), weights_.end(), random_.unit() * total_);
    return city_.edges[edges_[std::min(static_cast<std::size_t>(at - weights_.begin()), edges_.size() - 1)]];
  }

  // House numbers grow along a street, odd on one side and even on the other.
  static void address(Place& place, const Edge& edge, Spot spot) {
    place.street = edge.street;
    place.number = 1 + 2 * static_cast<int>((spot.x + spot.y) / 14) % 998 +
                   (static_cast<int>(spot.x * 3 + spot.y * 5) & 1);
  }

  void name(Place& place) {
    const auto endings = brand_endings(place.category);
    const Category& category = *find_category(place.category);
    for (int attempt = 0; attempt < 6; ++attempt) {
      if (endings.empty() || attempt == 5) {
        // Named after its street: "East Cedar Street Bank".
        const Name& street = city_.streets[static_cast<std::size_t>(place.street)].name;
        std::string kind(category.en);
        bool start = true;
        for (char& c : kind) {
          if (start && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
          start = c == ' ';
        }
        place.name = {street.en + " " + kind, street.zh + std::string(category.zh),
                      street.ja + std::string(category.ja)};
      } else {
        const Word& brand = brand_words()[random_.below(brand_words().size())];
        const Word& ending = endings[random_.below(endings.size())];
        place.name = {fmt::format("{} {}", brand.en, ending.en), fmt::format("{}{}", brand.zh, ending.zh),
                      fmt::format("{}{}", brand.ja, ending.ja)};
      }
      if (names_.insert(place.name.en).second) return;
    }
    // A second one in the same street, or a branch of a chain: told apart by the house number.
    place.name.en += fmt::format(" (No. {})", place.number);
    place.name.zh += fmt::format("({}号店)", place.number);
    place.name.ja += fmt::format("({}番地店)", place.number);
    names_.insert(place.name.en);
  }

  std::string shifted(const std::string& hours) {
    const int shift = static_cast<int>(random_.below(3)) - 1;  // In hours, of the opening.
    const int open = std::max(0, (hours[0] - '0') * 10 + (hours[1] - '0') + shift);
    return fmt::format("{:02}{}", open, hours.substr(2));
  }

  void tag(Place& place) {
    static constexpr std::array<const char*, 6> kCafeTags = {"wifi",   "terrace",   "cake",
                                                             "brunch", "take away", "quiet"};
    static constexpr std::array<const char*, 5> kFoodTags = {"take away", "delivery", "set lunch",
                                                             "vegetarian dishes", "reservations"};
    const Category& category = *find_category(place.category);
    if (place.category == "cafe") {
      place.tags = kCafeTags[random_.below(kCafeTags.size())];
      if (random_.below(8) == 0) place.tags += ";coffee beans;咖啡豆;コーヒー豆";
    } else if (category.typecode.starts_with("0501") || category.typecode.starts_with("0502")) {
      place.tags = kFoodTags[random_.below(kFoodTags.size())];
    } else if (place.category == "hotel" && random_.below(2) == 0) {
      place.tags = "breakfast";
    }
  }

  void add(Place place, Spot spot) {
    place.id = fmt::format("B0LW{:05}", city_.places.size() + 1);
    place.district = district_of(spot);
    if (place.category != "bus" && place.category != "park" && place.tel.empty()) {
      place.tel = fmt::format("0999-555{:05}", random_.below(100000));
    }
    names_.insert(place.name.en);
    city_.places.push_back(std::move(place));
  }

  City& city_;
  const StreetGrid& grid_;
  Random& random_;
  std::vector<std::size_t> edges_;
  std::vector<double> weights_;
  double total_ = 0;
  std::set<std::string> names_;
};

}  // namespace

City generate_city(std::uint64_t seed) {
  Random random(seed);
  City city;
  city.origin = fmt::format("generated city, seed {}, version {}", seed, kGeneratorVersion);
  city.region.country = {"Nanyu", "南屿", "南嶼"};
  city.region.province = {"East Sea Province", "东海省", "東海省"};
  city.region.city = {"Lanwan", "岚湾市", "嵐湾市"};
  city.region.citycode = "0999";
  city.region.adcode = "990100";
  int code = 0;
  for (const DistrictPlan& plan : district_plans()) {
    city.districts.push_back({plan.name, fmt::format("9901{:02}", ++code)});
  }
  const StreetGrid grid = lay_streets(city, random);
  Settler settler(city, grid, random);
  for (const Landmark& mark : kLandmarks) settler.settle(mark);
  lay_metro(city, grid, district_of);
  std::vector<const Share*> urn;
  for (const Share& share : kShares) urn.insert(urn.end(), static_cast<std::size_t>(share.weight), &share);
  while (city.places.size() < kPlaceCount) settler.settle_one(*urn[random.below(urn.size())]);
  return city;
}

}  // namespace tsukai::maps
