#include "tools/maps/vocabulary.h"

#include <array>
#include <utility>

namespace tsukai::maps {
namespace {

constexpr auto kStreets = std::to_array<Word>({
    {"Cedar", "雪松", "杉"},       {"Maple", "枫叶", "楓"},        {"Willow", "杨柳", "柳"},
    {"Plum", "梅花", "梅"},        {"Peach", "桃花", "桃"},        {"Bamboo", "竹林", "竹"},
    {"Pine", "青松", "松"},        {"Camphor", "香樟", "楠"},      {"Ginkgo", "银杏", "銀杏"},
    {"Lotus", "莲花", "蓮"},       {"Orchid", "兰花", "蘭"},       {"Osmanthus", "桂花", "金木犀"},
    {"Mulberry", "桑园", "桑"},    {"Chestnut", "栗树", "栗"},     {"Persimmon", "柿子", "柿"},
    {"Magnolia", "玉兰", "木蓮"},  {"Camellia", "茶花", "椿"},     {"Wisteria", "紫藤", "藤"},
    {"Jasmine", "茉莉", "茉莉"},   {"Reed", "芦苇", "葦"},         {"Rice", "稻香", "稲"},
    {"Wheat", "麦田", "麦"},       {"Indigo", "靛青", "藍"},       {"Silk", "丝绸", "絹"},
    {"Porcelain", "瓷器", "磁器"}, {"Paper", "纸坊", "紙屋"},      {"Ink", "墨香", "墨"},
    {"Lantern", "灯笼", "提灯"},   {"Salt", "盐场", "塩"},         {"Rope", "绳匠", "縄"},
    {"Cooper", "桶匠", "桶屋"},    {"Smith", "铁匠", "鍛冶"},      {"Weaver", "织布", "機織"},
    {"Potter", "陶匠", "陶器"},    {"Miller", "磨坊", "水車"},     {"Fisher", "渔人", "漁師"},
    {"Ferryman", "渡船", "渡し"},  {"Sailmaker", "帆匠", "帆"},    {"Anchor", "船锚", "錨"},
    {"Compass", "罗盘", "羅針"},   {"Harbour", "港湾", "港"},      {"Lighthouse", "灯塔", "灯台"},
    {"Pearl", "珍珠", "真珠"},     {"Coral", "珊瑚", "珊瑚"},      {"Dolphin", "海豚", "海豚"},
    {"Whale", "鲸鱼", "鯨"},       {"Gull", "海鸥", "鴎"},         {"Heron", "白鹭", "鷺"},
    {"Crane", "仙鹤", "鶴"},       {"Swallow", "飞燕", "燕"},      {"Sparrow", "麻雀", "雀"},
    {"Magpie", "喜鹊", "鵲"},      {"Kingfisher", "翠鸟", "翡翠"}, {"Deer", "白鹿", "鹿"},
    {"Fox", "赤狐", "狐"},         {"Otter", "水獭", "川獺"},      {"Tortoise", "神龟", "亀"},
    {"Carp", "锦鲤", "鯉"},        {"Spring", "清泉", "泉"},       {"Well", "古井", "井戸"},
    {"Brook", "小溪", "小川"},     {"Lake", "湖畔", "湖"},         {"Mist", "晨雾", "霧"},
    {"Cloud", "白云", "雲"},       {"Rain", "春雨", "雨"},         {"Snow", "瑞雪", "雪"},
    {"Dawn", "朝阳", "曙"},        {"Evening", "晚霞", "夕焼"},    {"Moon", "明月", "月"},
    {"Star", "星光", "星"},        {"Hill", "山坡", "坂"},         {"Stone", "青石", "石"},
    {"Granite", "花岗", "御影"},   {"Jade", "碧玉", "碧玉"},       {"Copper", "铜山", "銅"},
    {"Silver", "白银", "銀"},      {"Amber", "琥珀", "琥珀"},      {"Bell", "钟楼", "鐘"},
    {"Drum", "鼓楼", "太鼓"},      {"Library", "书院", "書院"},    {"Scholar", "学士", "学者"},
    {"Poet", "诗人", "歌人"},      {"Painter", "画师", "絵師"},    {"Teahouse", "茶亭", "茶屋"},
    {"Orchard", "果园", "果樹園"}, {"Meadow", "草地", "草原"},     {"Windmill", "风车", "風車"},
    {"Bridge", "石桥", "石橋"},    {"Canal", "运河", "運河"},      {"Quay", "码头", "埠頭"},
    {"Market", "集市", "市"},      {"Temple", "寺前", "寺前"},     {"Academy", "学府", "学園"},
    {"Unity", "同心", "一心"},     {"Peace", "和平", "平和"},      {"Harmony", "和谐", "和"},
    {"Longevity", "长寿", "長寿"}, {"Fortune", "福运", "福"},      {"Victory", "凯旋", "凱旋"},
    {"Liberty", "自由", "自由"},
});

constexpr auto kBrands = std::to_array<Word>({
    {"Blue Heron", "蓝鹭", "青鷺"},
    {"Copper Kettle", "铜壶", "銅やかん"},
    {"Paper Crane", "纸鹤", "折鶴"},
    {"Quiet Harbour", "静港", "静かな港"},
    {"Red Lantern", "红灯笼", "赤提灯"},
    {"White Deer", "白鹿", "白鹿"},
    {"Morning Mist", "晨雾", "朝霧"},
    {"Seven Stars", "七星", "七つ星"},
    {"Green Bamboo", "绿竹", "青竹"},
    {"Little Otter", "小水獭", "小さな川獺"},
    {"Golden Carp", "金鲤", "金の鯉"},
    {"Old Oak", "老橡树", "樫の木"},
    {"Moonrise", "月升", "月の出"},
    {"Salt Wind", "海风", "潮風"},
    {"Stone Bridge", "石桥", "石橋"},
    {"Lucky Cat", "招财猫", "招き猫"},
    {"Night Ferry", "夜渡", "夜の渡し"},
    {"Silver Pine", "银松", "銀松"},
    {"First Snow", "初雪", "初雪"},
    {"Cloud Nine", "九云", "九雲"},
    {"Three Rivers", "三江", "三川"},
    {"Wild Goose", "大雁", "雁"},
    {"Sun Terrace", "日台", "日向テラス"},
    {"Peach Grove", "桃林", "桃林"},
    {"Tide", "潮汐", "潮"},
    {"Amber", "琥珀", "琥珀"},
    {"Kingfisher", "翠鸟", "かわせみ"},
    {"Driftwood", "浮木", "流木"},
    {"Sea Glass", "海玻璃", "シーグラス"},
    {"Half Moon", "半月", "半月"},
    {"Firefly", "萤火", "蛍"},
    {"Sparrow", "麻雀", "すずめ"},
    {"North Light", "北光", "北の光"},
    {"Clover", "三叶草", "クローバー"},
    {"Dragonfly", "蜻蜓", "とんぼ"},
    {"Orange Cat", "橘猫", "茶トラ猫"},
    {"Slow Turtle", "慢龟", "のんびり亀"},
    {"Plum Rain", "梅雨", "梅雨"},
    {"Long Table", "长桌", "長テーブル"},
    {"Corner", "街角", "街角"},
    {"Blossom", "花开", "花咲く"},
    {"Indigo", "靛蓝", "藍色"},
    {"Anchor", "船锚", "いかり"},
    {"Pelican", "鹈鹕", "ペリカン"},
    {"Evergreen", "常青", "常緑"},
    {"Rainbow", "彩虹", "虹"},
    {"Windmill", "风车", "風車"},
    {"Jade Spring", "玉泉", "玉泉"},
    {"Snow Fox", "雪狐", "雪狐"},
    {"Grandma Lin's", "林奶奶", "林おばあちゃん"},
    {"Uncle Chen's", "陈叔", "陳おじさん"},
    {"Sister Mei's", "梅姐", "梅姉さん"},
    {"Hana's", "花子", "花ちゃん"},
    {"Kenji's", "健二", "健二"},
    {"Mariner's", "水手", "船乗り"},
    {"Scholar's", "书生", "書生"},
    {"Weaver's", "织女", "織姫"},
    {"Fisherman's", "渔夫", "漁師"},
    {"Gardener's", "园丁", "庭師"},
    {"Cartographer's", "制图师", "地図屋"},
});

using Endings = std::span<const Word>;
constexpr auto kCafe = std::to_array<Word>({{"Coffee", "咖啡", "コーヒー"},
                                            {"Coffee House", "咖啡馆", "珈琲館"},
                                            {"Cafe", "咖啡厅", "カフェ"},
                                            {"Espresso Bar", "意式咖啡吧", "エスプレッソバー"}});
constexpr auto kTea = std::to_array<Word>({{"Tea House", "茶馆", "茶屋"}, {"Tea Room", "茶室", "茶室"}});
constexpr auto kBakery =
    std::to_array<Word>({{"Bakery", "面包房", "ベーカリー"}, {"Cake Shop", "蛋糕店", "ケーキ店"}});
constexpr auto kChinese = std::to_array<Word>({{"Kitchen", "小厨", "キッチン"},
                                               {"Dumplings", "饺子馆", "餃子店"},
                                               {"Restaurant", "饭店", "飯店"},
                                               {"Family Table", "家常菜", "家庭料理"}});
constexpr auto kNoodles = std::to_array<Word>({{"Noodles", "面馆", "麺屋"}, {"Ramen", "拉面", "ラーメン"}});
constexpr auto kJapanese = std::to_array<Word>(
    {{"Sushi", "寿司", "寿司"}, {"Izakaya", "居酒屋", "居酒屋"}, {"Japanese Kitchen", "日本料理", "和食処"}});
constexpr auto kSeafood =
    std::to_array<Word>({{"Seafood", "海鲜", "海鮮"}, {"Fish House", "鱼馆", "魚料理"}});
constexpr auto kHotpot = std::to_array<Word>({{"Hotpot", "火锅", "火鍋"}});
constexpr auto kWestern = std::to_array<Word>(
    {{"Bistro", "小酒馆", "ビストロ"}, {"Pizza", "披萨", "ピザ"}, {"Grill", "烤肉西餐", "グリル"}});
constexpr auto kVegetarian =
    std::to_array<Word>({{"Vegetarian", "素食", "菜食"}, {"Green Kitchen", "绿色厨房", "グリーンキッチン"}});
constexpr auto kBar = std::to_array<Word>({{"Bar", "酒吧", "バー"}, {"Taproom", "精酿啤酒", "ビアバー"}});
constexpr auto kGallery = std::to_array<Word>({{"Gallery", "画廊", "ギャラリー"}});
constexpr auto kCinema = std::to_array<Word>({{"Cinema", "电影院", "シネマ"}});
constexpr auto kHotel = std::to_array<Word>({{"Hotel", "酒店", "ホテル"},
                                             {"Inn", "客栈", "旅館"},
                                             {"Hostel", "青年旅舍", "ホステル"},
                                             {"Guesthouse", "民宿", "民宿"}});
constexpr auto kSupermarket =
    std::to_array<Word>({{"Supermarket", "超市", "スーパー"}, {"Grocery", "杂货", "食料品店"}});
constexpr auto kConvenience =
    std::to_array<Word>({{"24", "二十四小时便利", "24時間ストア"}, {"Corner Store", "便利店", "コンビニ"}});
constexpr auto kMall = std::to_array<Word>(
    {{"Plaza", "广场", "プラザ"}, {"Shopping Centre", "购物中心", "ショッピングセンター"}});
constexpr auto kBooks =
    std::to_array<Word>({{"Books", "书店", "書店"}, {"Second-hand Books", "旧书店", "古本屋"}});
constexpr auto kClothes =
    std::to_array<Word>({{"Tailor", "裁缝店", "仕立屋"}, {"Clothing", "服饰", "洋服店"}});
constexpr auto kGifts = std::to_array<Word>({{"Gifts", "礼品店", "ギフト"}, {"Crafts", "手工艺", "工芸店"}});
constexpr auto kBikes =
    std::to_array<Word>({{"Bicycles", "自行车行", "自転車店"}, {"Bike Hire", "租车行", "レンタサイクル"}});
constexpr auto kPharmacy = std::to_array<Word>({{"Pharmacy", "药店", "薬局"}});
constexpr auto kGym = std::to_array<Word>({{"Gym", "健身房", "ジム"}, {"Swimming Pool", "游泳馆", "プール"}});

constexpr auto kEndings = std::to_array<std::pair<std::string_view, Endings>>({{"cafe", kCafe},
                                                                               {"teahouse", kTea},
                                                                               {"bakery", kBakery},
                                                                               {"chinese", kChinese},
                                                                               {"noodles", kNoodles},
                                                                               {"japanese", kJapanese},
                                                                               {"seafood", kSeafood},
                                                                               {"hotpot", kHotpot},
                                                                               {"western", kWestern},
                                                                               {"vegetarian", kVegetarian},
                                                                               {"bar", kBar},
                                                                               {"gallery", kGallery},
                                                                               {"cinema", kCinema},
                                                                               {"hotel", kHotel},
                                                                               {"supermarket", kSupermarket},
                                                                               {"convenience", kConvenience},
                                                                               {"mall", kMall},
                                                                               {"books", kBooks},
                                                                               {"clothes", kClothes},
                                                                               {"gifts", kGifts},
                                                                               {"bikes", kBikes},
                                                                               {"pharmacy", kPharmacy},
                                                                               {"gym", kGym}});

}  // namespace

std::span<const Word> street_words() { return kStreets; }
std::span<const Word> brand_words() { return kBrands; }
std::span<const Word> brand_endings(std::string_view category) {
  for (const auto& [key, endings] : kEndings) {
    if (key == category) return endings;
  }
  return {};
}

}  // namespace tsukai::maps
