#include "tools/shop/catalogue.h"

#include <fmt/format.h>

#include <array>

#include "base/random.h"

namespace tsukai::shop {
namespace {

constexpr int kGeneratorVersion = 1;

constexpr auto kCategories =
    std::to_array<Category>({{"coffee", "Coffee", "咖啡", "コーヒー"},
                             {"tea", "Tea", "茶叶", "お茶"},
                             {"sweets", "Sweets", "点心", "お菓子"},
                             {"pantry", "Pantry", "食品", "食料品"},
                             {"ceramics", "Ceramics", "陶瓷", "陶磁器"},
                             {"stationery", "Stationery", "文具", "文房具"},
                             {"textiles", "Textiles", "织物", "織物"},
                             {"books", "Books and maps", "书与地图", "本と地図"},
                             {"toys", "Toys", "玩具", "おもちゃ"},
                             {"household", "Household", "家居", "生活用品"},
                             {"outdoors", "Rain and cycling", "雨具与骑行", "雨具と自転車"},
                             {"souvenirs", "Souvenirs", "纪念品", "おみやげ"}});

struct Word {
  std::string_view en, zh, ja;
};

// A thing that several makers sell in several sizes. `price` is that of the first size.
struct Item {
  std::string_view category;
  Word name;
  std::int64_t price;
  std::array<Word, 3> sizes;  // Empty ones are left out.
  std::string_view words;
};

constexpr Word kNone{"", "", ""};
constexpr std::array<Word, 3> kOne = {kNone, kNone, kNone};
constexpr std::array<Word, 3> kGrams = {
    {{"100 g", "100克", "100g"}, {"250 g", "250克", "250g"}, {"500 g", "500克", "500g"}}};
constexpr std::array<Word, 3> kPieces = {
    {{"box of 6", "6只装", "6個入り"}, {"box of 12", "12只装", "12個入り"}, kNone}};
constexpr std::array<Word, 3> kSizes = {
    {{"small", "小号", "小"}, {"medium", "中号", "中"}, {"large", "大号", "大"}}};

constexpr auto kItems = std::to_array<Item>({
    {"coffee",
     {"house blend coffee beans", "招牌拼配咖啡豆", "ハウスブレンドコーヒー豆"},
     2600,
     kGrams,
     "whole bean blend 咖啡豆 コーヒー豆"},
    {"coffee",
     {"dark roast coffee beans", "深烘咖啡豆", "深煎りコーヒー豆"},
     2800,
     kGrams,
     "strong espresso 意式 エスプレッソ"},
    {"coffee",
     {"light roast coffee beans", "浅烘咖啡豆", "浅煎りコーヒー豆"},
     3200,
     kGrams,
     "filter fruity 手冲 ドリップ"},
    {"coffee",
     {"decaf ground coffee", "低因咖啡粉", "カフェインレスコーヒー粉"},
     3000,
     kGrams,
     "decaffeinated 无咖啡因 デカフェ"},
    {"coffee", {"drip bags", "挂耳咖啡", "ドリップバッグ"}, 4200, kPieces, "single serve filter 便携"},
    {"tea", {"osmanthus oolong", "桂花乌龙", "金木犀烏龍茶"}, 3800, kGrams, "loose leaf 茶叶 茶葉"},
    {"tea", {"jasmine green tea", "茉莉绿茶", "ジャスミン緑茶"}, 2400, kGrams, "loose leaf 茶叶 茶葉"},
    {"tea", {"roasted hojicha", "焙茶", "ほうじ茶"}, 2200, kGrams, "loose leaf low caffeine 茶叶 茶葉"},
    {"tea",
     {"matcha powder", "抹茶粉", "抹茶"},
     6800,
     {{{"40 g", "40克", "40g"}, {"100 g", "100克", "100g"}, kNone}},
     "whisk latte 拿铁 ラテ"},
    {"sweets", {"egg rolls", "蛋卷", "エッグロール"}, 3600, kPieces, "biscuit cookie 饼干 クッキー"},
    {"sweets", {"mooncakes", "月饼", "月餅"}, 5800, kPieces, "lotus seed gift 礼盒 贈り物"},
    {"sweets", {"sea salt caramels", "海盐焦糖", "塩キャラメル"}, 2800, kPieces, "candy 糖果 飴"},
    {"sweets", {"red bean buns", "豆沙包", "あんパン"}, 1800, kPieces, "bread 面包 パン"},
    {"pantry", {"dried ramen noodles", "拉面", "乾燥ラーメン"}, 1600, kPieces, "noodle 面条 麺"},
    {"pantry",
     {"chilli oil", "辣椒油", "ラー油"},
     2200,
     {{{"150 ml", "150毫升", "150ml"}, {"300 ml", "300毫升", "300ml"}, kNone}},
     "hot spicy sauce 酱 ソース"},
    {"pantry", {"wild honey", "野生蜂蜜", "天然はちみつ"}, 4800, kGrams, "sweet bee 蜜"},
    {"pantry", {"sea salt", "海盐", "海塩"}, 1200, kGrams, "cooking 调料 調味料"},
    {"ceramics", {"celadon tea cup", "青瓷茶杯", "青磁の湯呑み"}, 5600, kOne, "mug cup 杯子 カップ"},
    {"ceramics", {"coffee mug", "咖啡马克杯", "マグカップ"}, 4900, kSizes, "cup 杯子 カップ"},
    {"ceramics", {"teapot", "茶壶", "急須"}, 16800, kSizes, "pot 壶"},
    {"ceramics", {"noodle bowl", "面碗", "どんぶり"}, 6200, kSizes, "bowl 碗 鉢"},
    {"stationery",
     {"mulberry paper notebook", "桑皮纸笔记本", "桑紙のノート"},
     3200,
     kSizes,
     "journal diary 本子 手帳"},
    {"stationery", {"ink stick", "墨条", "墨"}, 4500, kOne, "calligraphy brush 书法 書道"},
    {"stationery", {"fountain pen", "钢笔", "万年筆"}, 12800, kOne, "writing 书写 筆記"},
    {"textiles", {"indigo scarf", "靛蓝围巾", "藍染めのスカーフ"}, 9800, kOne, "wool warm 保暖 防寒"},
    {"textiles", {"silk handkerchief", "丝绸手帕", "絹のハンカチ"}, 5200, kOne, "gift 礼物 贈り物"},
    {"textiles", {"canvas tote bag", "帆布袋", "帆布トート"}, 6900, kSizes, "shopping bag 购物袋 エコバッグ"},
    {"books",
     {"walking guide to Lanwan", "岚湾步行指南", "嵐湾散歩案内"},
     4200,
     kOne,
     "guidebook travel 旅游 旅行"},
    {"books",
     {"folding map of Lanwan", "岚湾折叠地图", "嵐湾の折りたたみ地図"},
     1800,
     kOne,
     "city plan 城市 街"},
    {"books",
     {"cookbook of the nine districts", "九区食谱", "九区の料理本"},
     7800,
     kOne,
     "recipes 菜谱 レシピ"},
    {"toys", {"wooden ferry", "木制渡船", "木の渡し船"}, 5900, kSizes, "boat children 儿童 子供"},
    {"toys", {"paper kite", "纸风筝", "紙の凧"}, 3400, kSizes, "fly children 儿童 子供"},
    {"toys",
     {"Old Gate puzzle", "老城门拼图", "旧門のパズル"},
     6600,
     {{{"500 pieces", "500片", "500ピース"}, {"1000 pieces", "1000片", "1000ピース"}, kNone}},
     "jigsaw 益智 ジグソー"},
    {"household", {"beeswax candle", "蜂蜡蜡烛", "蜜蝋キャンドル"}, 3900, kSizes, "light 灯 灯り"},
    {"household", {"bamboo basket", "竹篮", "竹かご"}, 7400, kSizes, "storage 收纳 収納"},
    {"household", {"camphor soap", "樟木香皂", "樟の石鹸"}, 1500, kPieces, "bath 沐浴 お風呂"},
    {"outdoors", {"rain cape", "雨披", "レインケープ"}, 13800, kSizes, "waterproof coat 防水 雨具"},
    {"outdoors", {"folding umbrella", "折叠伞", "折りたたみ傘"}, 8800, kOne, "rain 雨伞 雨傘"},
    {"outdoors", {"bicycle bell", "自行车铃", "自転車のベル"}, 2600, kOne, "bike ring 单车 自転車"},
    {"souvenirs", {"lighthouse magnet", "灯塔冰箱贴", "灯台のマグネット"}, 1200, kOne, "gift 礼物 贈り物"},
    {"souvenirs", {"red lantern", "红灯笼", "赤提灯"}, 3800, kSizes, "lamp decoration 装饰 飾り"},
    {"souvenirs",
     {"set of postcards", "明信片套装", "絵はがきセット"},
     2000,
     kPieces,
     "card picture 卡片 カード"},
});

// Names that tsukai-maps knows too, so that an errand can lead from the map to the shop.
constexpr auto kRoasters =
    std::to_array<Word>({{"Gatehouse Coffee Roasters", "门楼咖啡烘焙坊", "門楼コーヒー焙煎所"},
                         {"Quiet Harbour", "静港", "静かな港"},
                         {"Copper Kettle", "铜壶", "銅やかん"}});
constexpr auto kMakers = std::to_array<Word>({{"Blue Heron", "蓝鹭", "青鷺"},
                                              {"Paper Crane", "纸鹤", "折鶴"},
                                              {"Red Lantern", "红灯笼", "赤提灯"},
                                              {"Seven Stars", "七星", "七つ星"},
                                              {"Little Otter", "小水獭", "小さな川獺"},
                                              {"Stone Bridge", "石桥", "石橋"},
                                              {"Grandma Lin's", "林奶奶", "林おばあちゃん"},
                                              {"Night Ferry", "夜渡", "夜の渡し"}});

std::string joined(std::string_view maker, std::string_view item, std::string_view size,
                   std::string_view between, std::string_view before_size) {
  std::string name = fmt::format("{}{}{}", maker, between, item);
  if (!size.empty()) name += fmt::format("{}{}", before_size, size);
  return name;
}

}  // namespace

const std::string& Name::in(Language language) const {
  return language == Language::kEnglish ? en : language == Language::kChinese ? zh : ja;
}

Language language_of(std::string_view text, Language otherwise) {
  Language language = otherwise;
  for (std::size_t i = 0; i + 2 < text.size(); ++i) {
    const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
    if ((byte(i) & 0xf0) != 0xe0) continue;
    const int letter = (byte(i) & 0x0f) << 12 | (byte(i + 1) & 0x3f) << 6 | (byte(i + 2) & 0x3f);
    if (letter >= 0x3040 && letter <= 0x30ff) return Language::kJapanese;
    if (letter >= 0x4e00 && letter <= 0x9fff) language = Language::kChinese;
  }
  return language;
}

std::span<const Category> categories() { return kCategories; }

const Category* find_category(std::string_view key) {
  for (const Category& category : kCategories) {
    if (category.key == key) return &category;
  }
  return nullptr;
}

Catalogue generate_catalogue(std::uint64_t seed) {
  Random random(seed);
  Catalogue catalogue;
  catalogue.origin = fmt::format("generated catalogue, seed {}, version {}", seed, kGeneratorVersion);
  for (const Item& item : kItems) {
    const std::span<const Word> makers =
        item.category == "coffee" ? std::span<const Word>(kRoasters) : kMakers;
    const std::size_t first = item.category == "coffee" ? 0 : random.below(makers.size());
    for (std::size_t m = 0; m < 2; ++m) {
      const Word& maker = makers[(first + m * (1 + random.below(2))) % makers.size()];
      // Makers differ by up to a fifth; every price ends in a round ten.
      const double dearness = 0.9 + 0.2 * random.unit();
      for (std::size_t size = 0; size < item.sizes.size(); ++size) {
        const Word& measure = item.sizes[size];
        if (size > 0 && measure.en.empty()) continue;
        Product product;
        product.id = fmt::format("P{:03}", catalogue.products.size() + 1);
        product.name = {joined(maker.en, item.name.en, measure.en, " ", ", "),
                        joined(maker.zh, item.name.zh, measure.zh, "", " "),
                        joined(maker.ja, item.name.ja, measure.ja, " ", " ")};
        product.category = item.category;
        product.words = item.words;
        constexpr std::array<double, 3> kDearer = {1.0, 1.9, 3.4};
        product.price =
            static_cast<std::int64_t>(static_cast<double>(item.price) * dearness * kDearer[size] / 10) * 10;
        // One product in twelve is nearly or wholly sold out.
        product.stock =
            static_cast<std::int64_t>(random.below(12) == 0 ? random.below(3) : 8 + random.below(53));
        catalogue.products.push_back(std::move(product));
      }
    }
  }
  catalogue.coupons = {{.code = "WELCOME10", .percent = 10},
                       {.code = "OLDGATE500", .amount = 500, .goods_min = 5000},
                       {.code = "BEANS20", .percent = 20, .category = "coffee"},
                       {.code = "LANTERN", .percent = 50, .uses_max = 3}};
  return catalogue;
}

}  // namespace tsukai::shop
