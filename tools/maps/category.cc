#include "tools/maps/category.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

namespace tsukai::maps {
namespace {

constexpr auto kCategories = std::to_array<Category>({
    {"cafe", "050500", "cafe", "咖啡馆", "カフェ", "coffee coffeehouse espresso 咖啡 咖啡厅 コーヒー 喫茶店"},
    {"teahouse", "050600", "teahouse", "茶馆", "茶屋", "tea 茶 喝茶 茶室 お茶"},
    {"bakery", "050800", "bakery", "面包店", "パン屋", "bread cake pastry 面包 蛋糕 甜品 パン ケーキ"},
    {"restaurant", "050000", "restaurant", "餐厅", "レストラン", "food dinner lunch eat 饭店 吃饭 食事"},
    {"chinese", "050100", "chinese restaurant", "中餐厅", "中華料理店",
     "restaurant food dinner lunch 餐厅 饭店 中餐 レストラン 中華"},
    {"noodles", "050118", "noodle shop", "面馆", "麺屋",
     "restaurant noodles ramen food lunch 餐厅 面条 拉面 レストラン ラーメン"},
    {"japanese", "050202", "japanese restaurant", "日本料理", "和食店",
     "restaurant sushi food dinner 餐厅 寿司 日料 レストラン 寿司 和食"},
    {"seafood", "050119", "seafood restaurant", "海鲜餐厅", "海鮮料理店",
     "restaurant fish food dinner 餐厅 海鲜 鱼 レストラン 魚 海鮮"},
    {"hotpot", "050117", "hotpot restaurant", "火锅店", "火鍋店",
     "restaurant hot pot food dinner 餐厅 火锅 レストラン 鍋"},
    {"western", "050201", "bistro", "西餐厅", "洋食店",
     "restaurant western food dinner pizza pasta 餐厅 西餐 レストラン 洋食"},
    {"vegetarian", "050122", "vegetarian restaurant", "素食餐厅", "菜食料理店",
     "restaurant vegan food lunch 餐厅 素食 レストラン ベジタリアン"},
    {"bar", "080304", "bar", "酒吧", "バー", "pub beer wine drinks 啤酒 夜生活 居酒屋 ビール"},
    {"museum", "140100", "museum", "博物馆", "博物館", "exhibition history art 展览 历史 展示 歴史"},
    {"gallery", "140400", "gallery", "美术馆", "美術館", "art exhibition 艺术 画廊 展览 アート ギャラリー"},
    {"library", "140500", "library", "图书馆", "図書館", "books reading 阅读 读书 本"},
    {"theatre", "080602", "theatre", "剧院", "劇場", "show concert opera play 演出 音乐会 コンサート"},
    {"cinema", "080601", "cinema", "电影院", "映画館", "film movie 电影 映画"},
    {"park", "110101", "park", "公园", "公園", "garden green playground 花园 绿地 庭園"},
    {"sight", "110200", "sight", "景点", "観光名所", "landmark attraction sightseeing 风景 名胜 古迹 名所"},
    {"temple", "110205", "temple", "寺庙", "寺院", "shrine 寺 庙 お寺 神社"},
    {"hotel", "100100", "hotel", "酒店", "ホテル", "inn guesthouse hostel stay 宾馆 旅馆 住宿 旅館 宿"},
    {"metro", "150500", "metro station", "地铁站", "地下鉄駅", "subway underground 地铁 车站 地下鉄 駅"},
    {"bus", "150700", "bus stop", "公交站", "バス停", "bus 公交 公交车 バス"},
    {"train", "150200", "railway station", "火车站", "鉄道駅", "train rail 火车 高铁 电车 電車 駅"},
    {"ferry", "150300", "ferry pier", "码头", "フェリー乗り場", "boat ship harbour 渡轮 船 港"},
    {"parking", "150900", "car park", "停车场", "駐車場", "parking garage 停车 パーキング"},
    {"fuel", "010100", "petrol station", "加油站", "ガソリンスタンド",
     "gas fuel petrol charging 加油 充电 給油"},
    {"supermarket", "060400", "supermarket", "超市", "スーパー", "grocery shop food 购物 杂货 商店 買い物"},
    {"convenience", "060200", "convenience store", "便利店", "コンビニ", "shop snacks 商店 小卖部"},
    {"mall", "060100", "shopping mall", "购物中心", "ショッピングモール",
     "shop shopping department store 商场 购物 百货 デパート"},
    {"market", "060700", "market", "市场", "市場", "shop fresh food stalls 菜市场 集市 いちば"},
    {"books", "061205", "bookshop", "书店", "書店", "shop books bookstore 书 商店 本屋 本"},
    {"clothes", "061100", "clothes shop", "服装店", "洋服店", "shop fashion clothing 衣服 商店 ファッション"},
    {"gifts", "061210", "gift shop", "礼品店", "土産物店", "shop souvenir crafts 纪念品 商店 お土産"},
    {"bikes", "060900", "bicycle shop", "自行车店", "自転車店", "shop bicycle rental 单车 租车 サイクル"},
    {"pharmacy", "090601", "pharmacy", "药店", "薬局", "medicine chemist drugstore 药 药房 薬"},
    {"hospital", "090100", "hospital", "医院", "病院", "clinic doctor emergency 诊所 急诊 医者"},
    {"school", "141200", "school", "学校", "学校", "education 教育 小学 中学"},
    {"university", "141201", "university", "大学", "大学", "campus college education 校园 キャンパス"},
    {"bank", "160100", "bank", "银行", "銀行", "atm money cash 取款机 现金 現金"},
    {"post", "070400", "post office", "邮局", "郵便局", "post mail parcel 邮政 快递 郵便"},
    {"gym", "080100", "gym", "健身房", "ジム",
     "sport fitness swimming pool 运动 游泳 体育馆 スポーツ プール"},
    {"other", "990000", "place", "地点", "場所", ""},
});

}  // namespace

std::span<const Category> categories() { return kCategories; }

const Category* find_category(std::string_view key) {
  for (const Category& category : kCategories) {
    if (category.key == key) return &category;
  }
  return nullptr;
}

const Category* category_named(std::string_view word) {
  std::string plain(word);
  std::transform(plain.begin(), plain.end(), plain.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const std::string& form :
       {plain, !plain.empty() && plain.back() == 's' ? plain.substr(0, plain.size() - 1) : plain}) {
    for (const Category& category : kCategories) {
      if (form == category.key || form == category.typecode || form == category.en || form == category.zh ||
          form == category.ja) {
        return &category;
      }
    }
  }
  return nullptr;
}

}  // namespace tsukai::maps
