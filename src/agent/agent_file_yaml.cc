#include "agent/agent_file_yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <tuple>
#include <vector>

#include "base/text.h"

namespace tsukai::agent {
namespace {

Place place_of(const YAML::Mark& mark, Place otherwise) {
  if (mark.line < 0 || mark.column < 0) return otherwise;
  return {mark.line + 1, mark.column + 1};
}

// Copies yaml-cpp's graph into a tree. Aliases may make the graph exponentially larger than the file, or
// endless.
class Copier {
 public:
  explicit Copier(Mistakes& mistakes) : mistakes_(mistakes) {}

  bool stopped() const { return stopped_; }

  YamlNode copy(const YAML::Node& from, Place around, int depth) {
    YamlNode node;
    node.place = place_of(from.Mark(), around);
    if (stopped_) return node;
    if (++nodes_ > kYamlNodesMax) {
      return stop(
          node, fmt::format("the file has more than {} values once its aliases are expanded", kYamlNodesMax));
    }
    if (depth > kYamlDepthMax) return stop(node, fmt::format("nested deeper than {} levels", kYamlDepthMax));
    switch (from.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        node.place = around;
        break;
      case YAML::NodeType::Scalar:
        node.kind = YamlNode::Kind::kScalar;
        text_bytes_ += from.Scalar().size();
        if (text_bytes_ > kYamlTextBytesMax) {
          return stop(node,
                      fmt::format("the file has more than {} bytes of text once its aliases are expanded",
                                  kYamlTextBytesMax));
        }
        node.scalar = from.Scalar();
        node.plain = from.Tag() == "?" || from.Tag().empty();
        if (!valid_utf8(node.scalar)) mistakes_.add(node.place, "this text is not UTF-8");
        break;
      case YAML::NodeType::Sequence:
        node.kind = YamlNode::Kind::kSequence;
        for (const auto& item : from) {
          node.items.push_back(copy(item, node.place, depth + 1));
          if (stopped_) return node;
        }
        break;
      case YAML::NodeType::Map: {
        node.kind = YamlNode::Kind::kMapping;
        std::set<std::string> seen;
        for (const auto& member : from) {
          YamlNode key = copy(member.first, node.place, depth + 1);
          YamlNode value = copy(member.second, key.place, depth + 1);
          if (stopped_) return node;
          if (key.kind != YamlNode::Kind::kScalar) {
            mistakes_.add(key.place, fmt::format("a key must be text, not {}", kind_of(key)));
          } else if (!seen.insert(key.scalar).second) {
            mistakes_.add(key.place, fmt::format("the key \"{}\" stands here twice", key.scalar));
          } else {
            node.members.push_back({std::move(key), std::move(value)});
          }
        }
        break;
      }
    }
    return node;
  }

 private:
  YamlNode stop(YamlNode& node, const std::string& why) {
    stopped_ = true;
    mistakes_.add(node.place, why);
    return std::move(node);
  }

  Mistakes& mistakes_;
  std::size_t nodes_ = 0, text_bytes_ = 0;
  bool stopped_ = false;
};

// Where documents begin. yaml-cpp 0.7 takes a comma that nothing can begin with for one empty document after
// another without end, so documents are looked at one by one before any is kept.
class DocumentStarts : public YAML::EventHandler {
 public:
  std::vector<YAML::Mark> marks;

  void OnDocumentStart(const YAML::Mark& mark) override { marks.push_back(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
  }
  void OnMapEnd() override {}
};

bool all_of(std::string_view text, std::string_view set) {
  return !text.empty() && text.find_first_not_of(set) == std::string_view::npos;
}

constexpr std::string_view kDigits = "0123456789";

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool looks_like_number(std::string_view text) {
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
  if (const auto e = text.find_first_of("eE"); e != std::string_view::npos) {
    std::string_view exponent = text.substr(e + 1);
    if (!exponent.empty() && (exponent[0] == '-' || exponent[0] == '+')) exponent.remove_prefix(1);
    if (!all_of(exponent, kDigits)) return false;
    text = text.substr(0, e);
  }
  const auto dot = text.find('.');
  if (dot == std::string_view::npos) return all_of(text, kDigits);
  const auto whole = text.substr(0, dot), fraction = text.substr(dot + 1);
  if (whole.empty()) return all_of(fraction, kDigits);
  return all_of(whole, kDigits) && (fraction.empty() || all_of(fraction, kDigits));
}

template <typename T>
bool read_number(std::string_view text, T& value, int base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size();
}

// Nothing when the text is no number of the core schema.
std::optional<Json> core_number(std::string_view text) {
  if (text.starts_with("0o") || text.starts_with("0x")) {
    std::uint64_t value = 0;
    if (read_number(text.substr(2), value, text[1] == 'o' ? 8 : 16)) return Json(value);
    return std::nullopt;
  }
  if (!looks_like_number(text)) return std::nullopt;
  if (text[0] == '+') text.remove_prefix(1);
  if (text.find_first_of(".eE") == std::string_view::npos) {
    std::int64_t value = 0;
    if (read_number(text, value, 10)) return Json(value);
    std::uint64_t large = 0;
    if (read_number(text, large, 10)) return Json(large);
  }
  double real = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), real);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(real)) return std::nullopt;
  return Json(real);
}

}  // namespace

void Mistakes::add(Place place, std::string_view text) {
  // One more than is told, so that text() knows that there are more.
  if (list_.size() <= kMistakesMax) list_.emplace_back(place, text);
}

std::string Mistakes::text() const {
  // By place, then as noted. (std::stable_sort is deprecated inside libstdc++ 12.)
  std::vector<std::tuple<int, int, std::size_t>> order;
  for (std::size_t i = 0; i < list_.size(); ++i)
    order.emplace_back(list_[i].first.line, list_[i].first.column, i);
  std::sort(order.begin(), order.end());
  std::string lines;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto& [place, text] = list_[std::get<2>(order[i])];
    if (i > 0) lines += '\n';
    if (i == kMistakesMax) return lines + fmt::format("{}: and more", file_);
    if (place.line == 0)
      lines += fmt::format("{}: {}", file_, text);
    else
      lines += fmt::format("{}:{}:{}: {}", file_, place.line, place.column, text);
  }
  return lines;
}

std::optional<YamlNode> parse_yaml(std::string_view yaml, Mistakes& mistakes) {
  if (yaml.size() > kAgentFileBytesMax) {
    mistakes.add({}, fmt::format("{} bytes are over the limit of {} for an agent file", yaml.size(),
                                 kAgentFileBytesMax));
    return std::nullopt;
  }
  if (yaml.find('\0') != std::string_view::npos) {
    mistakes.add({}, "a zero byte: this is no YAML text");
    return std::nullopt;
  }
  try {
    std::istringstream text{std::string(yaml)};
    YAML::Parser parser(text);
    DocumentStarts starts;
    while (starts.marks.size() < 2 && parser.HandleNextDocument(starts)) {
    }
    if (starts.marks.size() == 2) {
      const bool stuck = starts.marks[0].pos == starts.marks[1].pos;
      mistakes.add(place_of(starts.marks[1], {}),
                   stuck ? "not YAML: no value can begin so"
                         : "a second YAML document begins here; an agent file is one");
      return std::nullopt;
    }
    const YAML::Node document = YAML::Load(std::string(yaml));
    if (document.IsNull()) {
      mistakes.add({}, "the file is empty; it needs at least `model:`");
      return std::nullopt;
    }
    Copier copier(mistakes);
    YamlNode root = copier.copy(document, {1, 1}, 0);
    if (copier.stopped()) return std::nullopt;
    return root;
  } catch (const YAML::Exception& error) {
    mistakes.add(place_of(error.mark, {}), fmt::format("not YAML: {}", error.msg));
  } catch (const std::exception& error) {  // yaml-cpp lets a few of the library's own through.
    mistakes.add({}, fmt::format("not YAML: {}", error.what()));
  }
  return std::nullopt;
}

Json to_json(const YamlNode& node, Mistakes& mistakes) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return nullptr;
    case YamlNode::Kind::kSequence: {
      Json array = Json::array();
      for (const auto& item : node.items) array.push_back(to_json(item, mistakes));
      return array;
    }
    case YamlNode::Kind::kMapping: {
      Json object = Json::object();
      for (const auto& [key, value] : node.members) object[key.scalar] = to_json(value, mistakes);
      return object;
    }
    case YamlNode::Kind::kScalar:
      break;
  }
  const std::string& text = node.scalar;
  if (!node.plain) return text;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return nullptr;
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  if (auto number = core_number(text)) return *number;
  static const std::set<std::string_view> kBeyondJson = {".inf",  ".Inf",  ".INF",  "-.inf", "-.Inf", "-.INF",
                                                         "+.inf", "+.Inf", "+.INF", ".nan",  ".NaN",  ".NAN"};
  if (kBeyondJson.contains(text))
    mistakes.add(node.place, fmt::format("{} can't be written in JSON; quote it if it is text", text));
  return text;
}

YamlNode from_json(const Json& value) {
  YamlNode node;
  if (value.is_null()) return node;
  if (value.is_array()) {
    node.kind = YamlNode::Kind::kSequence;
    for (const auto& item : value) node.items.push_back(from_json(item));
  } else if (value.is_object()) {
    node.kind = YamlNode::Kind::kMapping;
    for (const auto& [key, member] : value.items())
      node.members.push_back({from_json(key), from_json(member)});
  } else {
    node.kind = YamlNode::Kind::kScalar;
    node.plain = !value.is_string();
    node.scalar = value.is_string() ? value.get<std::string>() : value.dump();
  }
  return node;
}

std::string kind_of(const YamlNode& node) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      return "nothing";
    case YamlNode::Kind::kSequence:
      return "a list";
    case YamlNode::Kind::kMapping:
      return "a mapping";
    case YamlNode::Kind::kScalar:
      break;
  }
  Mistakes unused("");
  const Json value = to_json(node, unused);
  if (value.is_null()) return "nothing";
  if (value.is_boolean()) return value.get<bool>() ? "true" : "false";
  if (value.is_number_integer()) return "a whole number";
  if (value.is_number()) return "a number";
  return "text";
}

}  // namespace tsukai::agent
