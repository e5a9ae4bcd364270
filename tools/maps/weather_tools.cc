// Weather from a table and a hash of the date, and where addresses of the network lie.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "base/text.h"
#include "tools/maps/service.h"

namespace tsukai::maps {
namespace {

constexpr int kDays = 4;  // Today and three more, as Amap's.
constexpr std::int64_t kDayMs = 86'400'000;

struct Month {
  int high, low;     // Degrees Celsius, in the mean.
  int rain_percent;  // Of days.
};
// A mild coast: wet early summers, dry winters.
constexpr std::array<Month, 12> kClimate = {{{9, 3, 20},
                                             {11, 4, 25},
                                             {15, 8, 35},
                                             {20, 13, 35},
                                             {25, 18, 40},
                                             {28, 22, 55},
                                             {32, 26, 35},
                                             {32, 26, 30},
                                             {28, 22, 30},
                                             {23, 17, 20},
                                             {18, 11, 20},
                                             {12, 5, 15}}};

struct Sky {
  std::string_view en, zh, ja;
};
constexpr std::array<Sky, 4> kDry = {{{"sunny", "晴", "晴れ"},
                                      {"sunny", "晴", "晴れ"},
                                      {"partly cloudy", "多云", "曇り時々晴れ"},
                                      {"overcast", "阴", "曇り"}}};
constexpr std::array<Sky, 4> kWet = {{{"light rain", "小雨", "小雨"},
                                      {"showers", "阵雨", "にわか雨"},
                                      {"moderate rain", "中雨", "雨"},
                                      {"thunderstorm", "雷阵雨", "雷雨"}}};
constexpr std::array<Sky, 8> kWinds = {{{"north", "北", "北"},
                                        {"northeast", "东北", "北東"},
                                        {"east", "东", "東"},
                                        {"southeast", "东南", "南東"},
                                        {"south", "南", "南"},
                                        {"southwest", "西南", "南西"},
                                        {"west", "西", "西"},
                                        {"northwest", "西北", "北西"}}};

std::string_view in(const Sky& sky, Language language) {
  return language == Language::kEnglish ? sky.en : language == Language::kChinese ? sky.zh : sky.ja;
}

Json cast(std::int64_t day, Language language, std::string& text) {
  const std::time_t seconds = static_cast<std::time_t>(day * 86'400);
  std::tm date{};
  gmtime_r(&seconds, &date);
  const Month& month = kClimate[static_cast<std::size_t>(date.tm_mon)];
  Random random(static_cast<std::uint64_t>(day) * 0x9e3779b97f4a7c15u + 17);
  const bool wet = random.below(100) < static_cast<std::uint64_t>(month.rain_percent);
  const auto draw_sky = [&]() -> const Sky& { return (wet ? kWet : kDry)[random.below(4)]; };
  const Sky& by_day = draw_sky();
  const Sky& by_night = draw_sky();
  const int swing = static_cast<int>(random.below(7)) - 3 - (wet ? 2 : 0);
  const int high = month.high + swing, low = month.low + swing / 2;
  const Sky& wind = kWinds[random.below(8)];
  const std::uint64_t force = 1 + random.below(4);
  const std::string power = fmt::format("{}-{}", force, force + 1);
  const std::string when =
      fmt::format("{:04}-{:02}-{:02}", date.tm_year + 1900, date.tm_mon + 1, date.tm_mday);
  text +=
      fmt::format("{}{}: {} by day, {} by night, {} to {} C, wind {} force {}", text.empty() ? "" : "\n",
                  when, in(by_day, language), in(by_night, language), low, high, in(wind, language), power);
  // Amap counts weekdays from Monday = 1 and gives every figure as a string.
  return {{"date", when},
          {"week", std::to_string(date.tm_wday == 0 ? 7 : date.tm_wday)},
          {"dayweather", in(by_day, language)},
          {"nightweather", in(by_night, language)},
          {"daytemp", std::to_string(high)},
          {"nighttemp", std::to_string(low)},
          {"daywind", in(wind, language)},
          {"nightwind", in(wind, language)},
          {"daypower", power},
          {"nightpower", power},
          {"daytemp_float", fmt::format("{:.1f}", static_cast<double>(high))},
          {"nighttemp_float", fmt::format("{:.1f}", static_cast<double>(low))}};
}

bool starts_with_bytes(const std::array<unsigned char, 16>& address, std::initializer_list<int> bytes) {
  std::size_t i = 0;
  for (const int byte : bytes) {
    if (address[i++] != byte) return false;
  }
  return true;
}

// Addresses that belong to no public network: loopback, private, link-local.
bool is_private(int family, const std::array<unsigned char, 16>& a) {
  if (family == AF_INET6)
    return (a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) ||
           starts_with_bytes(a, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  return a[0] == 10 || a[0] == 127 || (a[0] == 172 && (a[1] & 0xf0) == 16) || (a[0] == 192 && a[1] == 168) ||
         (a[0] == 169 && a[1] == 254);
}

}  // namespace

Result<Answer> weather(Service& service, const Json& arguments) {
  const std::string asked(trimmed(string_at(arguments, "city")));
  const Region& region = service.map().region();
  const Language language = language_of(asked, service.language());
  // One map, one climate: any of its names, its code or a district's will do; another city is refused, not
  // invented.
  TSUKAI_TRY(auto districts, service.map().database().prepare("SELECT en, zh, ja, adcode FROM district"));
  std::vector<std::string> names = {region.city.en, region.city.zh, region.city.ja, region.adcode};
  for (;;) {
    TSUKAI_TRY(const bool row, districts.step());
    if (!row) break;
    for (int column = 0; column < 4; ++column) names.push_back(districts.text(column));
  }
  bool known = false;
  for (const std::string& name : names) {
    if (name.empty()) continue;
    known = known || nearest_name(asked, {name}) == name || asked.find(name) != std::string::npos ||
            (name.find(asked) != std::string::npos && asked.size() >= 6);
  }
  if (!known) {
    return fail(Code::kNotFound,
                fmt::format("city: no weather for \"{}\": this map covers {}", shortened(asked, 40),
                            region.city.in(language)),
                fmt::format("send city {}", region.city.in(language)));
  }
  const std::int64_t today = service.clock().wall_ms() / kDayMs;
  Json casts = Json::array();
  std::string text;
  for (int i = 0; i < kDays; ++i) casts.push_back(cast(today + i, language, text));
  return Answer{Json{{"city", region.city.in(language)}, {"forecasts", casts}},
                fmt::format("Weather in {}\n{}", region.city.in(language), text)};
}

Result<Answer> ip_location(Service& service, const Json& arguments) {
  const std::string ip(trimmed(string_at(arguments, "ip")));
  std::array<unsigned char, 16> address{};
  const int family = ip.find(':') == std::string::npos ? AF_INET : AF_INET6;
  if (inet_pton(family, ip.c_str(), address.data()) != 1) {
    return fail(Code::kInvalidArgument,
                fmt::format("ip is \"{}\", which is no IP address", shortened(ip, 40)),
                "give one like 192.168.1.20");
  }
  if (!is_private(family, address)) {
    return fail(Code::kNotFound,
                fmt::format("ip {} is a public address, which a map on this machine cannot locate", ip),
                "ask for a private address, or name the city");
  }
  const Region& region = service.map().region();
  TSUKAI_TRY(auto box,
             service.map().database().prepare("SELECT min(lng), min(lat), max(lng), max(lat) FROM place"));
  TSUKAI_TRY_VOID([&]() -> Result<void> {
    TSUKAI_TRY(const bool row, box.step());
    (void)row;
    return {};
  }());
  const std::string rectangle =
      to_text({box.real(0), box.real(1)}) + ";" + to_text({box.real(2), box.real(3)});
  const Language language = service.language();
  return Answer{Json{{"province", region.province.in(language)},
                     {"city", region.city.in(language)},
                     {"adcode", region.adcode},
                     {"rectangle", rectangle}},
                fmt::format("{} is on the local network: taken to be in {}, {}.", ip,
                            region.city.in(language), region.province.in(language))};
}

}  // namespace tsukai::maps
