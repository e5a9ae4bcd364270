#include "infer/chat/jinja_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "infer/chat/jinja_callable.h"
#include "infer/chat/jinja_lexer.h"
#include "infer/tokenizer/unicode_class.h"

namespace tsukai::infer::jinja {

bool Text::any_data() const {
  return std::any_of(runs_.begin(), runs_.end(), [](const Run& run) { return run.from_data; });
}

void Text::append(std::string_view bytes, bool from_data) {
  if (bytes.empty()) return;
  bytes_ += bytes;
  if (!runs_.empty() && runs_.back().from_data == from_data)
    runs_.back().length += bytes.size();
  else
    runs_.push_back({bytes.size(), from_data});
}

void Text::append(const Text& other) {
  std::size_t at = 0;
  for (const Run& run : other.runs_) {
    append(std::string_view(other.bytes_).substr(at, run.length), run.from_data);
    at += run.length;
  }
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  Text out;
  std::size_t at = 0;
  for (const Run& run : runs_) {
    const std::size_t from = std::max(begin, at), to = std::min(end, at + run.length);
    if (from < to) out.append(std::string_view(bytes_).substr(from, to - from), run.from_data);
    at += run.length;
  }
  return out;
}

std::vector<RenderedPiece> Text::pieces() const {
  std::vector<RenderedPiece> out;
  std::size_t at = 0;
  for (const Run& run : runs_) {
    out.push_back({bytes_.substr(at, run.length), run.from_data});
    at += run.length;
  }
  return out;
}

namespace {

int checked_depth(int deepest) {
  if (deepest >= kValueDepthMax) {
    fail_at(kNowhere, fmt::format("values nested more than {} deep", kValueDepthMax), Code::kExhausted);
  }
  return deepest + 1;
}

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  std::string text = fmt::format("{}", value);
  // fmt and Python both print the shortest digits; Python always shows that it is a float.
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

void append_json_string(std::string_view text, bool ascii, std::string& out) {
  out += '"';
  for (std::size_t at = 0; at < text.size();) {
    const DecodedCharacter c = decode_character(text, at);
    switch (c.code_point) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (c.code_point < 0x20 || (ascii && c.code_point >= 0x7f && c.code_point < 0x10000)) {
          out += fmt::format("\\u{:04x}", c.code_point);
        } else if (ascii && c.code_point <= 0x10ffff && c.code_point >= 0x10000) {
          const std::uint32_t rest = c.code_point - 0x10000;
          out += fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff));
        } else {
          out += text.substr(at, c.length);
        }
    }
    at += c.length;
  }
  out += '"';
}

bool holds_data(const Value& value) {
  if (value.is_string()) return value.text().any_data();
  if (value.is_list()) return std::any_of(value.items().begin(), value.items().end(), holds_data);
  if (value.is_dict()) {
    return std::any_of(value.members().begin(), value.members().end(), [](const auto& member) {
      return holds_data(member.first) || holds_data(member.second);
    });
  }
  return false;
}

std::string json_key(const Value& key) {
  if (key.is_string()) return key.text().bytes();
  if (key.is_bool()) return key.boolean() ? "true" : "false";
  if (key.is_none()) return "null";
  if (key.is_number()) return to_text(key).bytes();
  fail_at(kNowhere, fmt::format("tojson: a key of type {}", key.type_name()));
}

void append_json(const Value& value, const JsonStyle& style, int level, std::string& out) {
  auto new_line = [&](int depth) {
    if (style.indent < 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(depth) * static_cast<std::size_t>(style.indent), ' ');
  };
  if (value.is_none()) {
    out += "null";
  } else if (value.is_bool()) {
    out += value.boolean() ? "true" : "false";
  } else if (value.is_real()) {
    const double real = value.real();
    out += std::isnan(real)   ? "NaN"
           : std::isinf(real) ? (real < 0 ? "-Infinity" : "Infinity")
                              : real_text(real);
  } else if (value.is_integer()) {
    out += std::to_string(value.integer());
  } else if (value.is_string()) {
    append_json_string(value.text().bytes(), style.ascii, out);
  } else if (value.is_list()) {
    out += '[';
    bool first = true;
    for (const Value& item : value.items()) {
      if (!first) out += style.item_separator;
      first = false;
      new_line(level + 1);
      append_json(item, style, level + 1, out);
    }
    if (!first) new_line(level);
    out += ']';
  } else if (value.is_dict()) {
    std::vector<std::pair<std::string, const Value*>> members;
    for (const auto& [key, member] : value.members()) members.emplace_back(json_key(key), &member);
    if (style.sorted) {
      std::sort(members.begin(), members.end(),
                [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    out += '{';
    bool first = true;
    for (const auto& [key, member] : members) {
      if (!first) out += style.item_separator;
      first = false;
      new_line(level + 1);
      append_json_string(key, style.ascii, out);
      out += style.key_separator;
      append_json(*member, style, level + 1, out);
    }
    if (!first) new_line(level);
    out += '}';
  } else {
    fail_at(kNowhere, fmt::format("tojson: a value of type {} has no JSON", value.type_name()));
  }
}

}  // namespace

Value::Value(std::vector<Value> items, bool tuple) {
  int deepest = 0;
  for (const Value& item : items) deepest = std::max(deepest, item.depth());
  auto list = std::make_shared<List>();
  list->depth = checked_depth(deepest);
  list->items = std::move(items);
  list->tuple = tuple;
  data_ = std::shared_ptr<const List>(std::move(list));
}

Value::Value(std::vector<std::pair<Value, Value>> members) {
  int deepest = 0;
  for (const auto& [key, member] : members) deepest = std::max({deepest, key.depth(), member.depth()});
  auto dict = std::make_shared<Dict>();
  dict->depth = checked_depth(deepest);
  dict->members = std::move(members);
  data_ = std::shared_ptr<const Dict>(std::move(dict));
}

std::int64_t Value::integer() const {
  return is_bool() ? (boolean() ? 1 : 0) : std::get<std::int64_t>(data_);
}
double Value::real() const { return is_real() ? std::get<double>(data_) : static_cast<double>(integer()); }
const std::vector<Value>& Value::items() const { return std::get<std::shared_ptr<const List>>(data_)->items; }
bool Value::is_tuple() const { return is_list() && std::get<std::shared_ptr<const List>>(data_)->tuple; }
const std::vector<std::pair<Value, Value>>& Value::members() const {
  return std::get<std::shared_ptr<const Dict>>(data_)->members;
}

int Value::depth() const {
  if (is_list()) return std::get<std::shared_ptr<const List>>(data_)->depth;
  if (is_dict()) return std::get<std::shared_ptr<const Dict>>(data_)->depth;
  if (is_callable()) return callable().depth;
  if (is_loop()) return loop().value_depth;
  return 0;
}

const Value* Value::find(const Value& key) const {
  for (const auto& [name, member] : members()) {
    if (equal(name, key)) return &member;
  }
  return nullptr;
}

const Value* Value::find(std::string_view key) const {
  for (const auto& [name, member] : members()) {
    if (name.is_string() && name.text().bytes() == key) return &member;
  }
  return nullptr;
}

bool Value::truthy() const {
  if (is_undefined() || is_none()) return false;
  if (is_bool()) return boolean();
  if (is_integer()) return integer() != 0;
  if (is_real()) return real() != 0;
  if (is_string()) return !text().empty();
  if (is_list()) return !items().empty();
  if (is_dict()) return !members().empty();
  return true;
}

std::string_view Value::type_name() const {
  if (is_undefined()) return "undefined";
  if (is_none()) return "none";
  if (is_bool()) return "bool";
  if (is_integer()) return "int";
  if (is_real()) return "float";
  if (is_string()) return "str";
  if (is_list()) return is_tuple() ? "tuple" : "list";
  if (is_dict()) return "dict";
  if (is_namespace()) return "namespace";
  if (is_loop()) return "loop";
  return "function";
}

Value literal(std::string_view text) { return Value(Text(std::string(text), false)); }
Value data(std::string text) { return Value(Text(std::move(text), true)); }

Value from_json(const Json& json) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return Value(json.get<bool>());
    case Json::value_t::number_integer:
      return Value(json.get<std::int64_t>());
    case Json::value_t::number_unsigned: {
      const auto number = json.get<std::uint64_t>();
      if (number > static_cast<std::uint64_t>(INT64_MAX)) return Value(static_cast<double>(number));
      return Value(static_cast<std::int64_t>(number));
    }
    case Json::value_t::number_float:
      return Value(json.get<double>());
    case Json::value_t::string:
      return data(json.get_ref<const std::string&>());
    case Json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(from_json(item));
      return Value(std::move(items));
    }
    case Json::value_t::object: {
      std::vector<std::pair<Value, Value>> members;
      members.reserve(json.size());
      for (const auto& [key, member] : json.items()) members.emplace_back(data(key), from_json(member));
      return Value(std::move(members));
    }
    default:
      return Value(None{});
  }
}

bool equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_real() || b.is_real()) return a.real() == b.real();
    return a.integer() == b.integer();
  }
  if (a.is_string() && b.is_string()) return a.text().bytes() == b.text().bytes();
  if (a.is_none() || a.is_undefined())
    return (a.is_none() && b.is_none()) || (a.is_undefined() && b.is_undefined());
  if (a.is_list() && b.is_list()) {
    return a.is_tuple() == b.is_tuple() &&
           std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(), equal);
  }
  if (a.is_dict() && b.is_dict()) {
    if (a.members().size() != b.members().size()) return false;
    return std::all_of(a.members().begin(), a.members().end(), [&](const auto& member) {
      const Value* other = b.find(member.first);
      return other && equal(member.second, *other);
    });
  }
  if (a.is_namespace() && b.is_namespace()) return a.name_space() == b.name_space();
  return false;
}

bool less(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_real() || b.is_real()) return a.real() < b.real();
    return a.integer() < b.integer();
  }
  if (a.is_string() && b.is_string())
    return a.text().bytes() < b.text().bytes();  // UTF-8 sorts as code points do.
  if (a.is_list() && b.is_list() && a.is_tuple() == b.is_tuple()) {
    const auto &left = a.items(), &right = b.items();
    for (std::size_t i = 0; i < left.size() && i < right.size(); ++i) {
      if (!equal(left[i], right[i])) return less(left[i], right[i]);
    }
    return left.size() < right.size();
  }
  fail_at(kNowhere, fmt::format("a {} and a {} have no order", a.type_name(), b.type_name()));
}

Text to_text(const Value& value) {
  if (value.is_string()) return value.text();
  if (value.is_undefined()) return {};
  return repr(value);
}

Text repr(const Value& value) {
  if (value.is_none()) return {"None", false};
  if (value.is_bool()) return {value.boolean() ? "True" : "False", false};
  if (value.is_integer()) return {std::to_string(value.integer()), false};
  if (value.is_real()) return {real_text(value.real()), false};
  if (value.is_undefined()) return {"Undefined", false};
  Text out;
  if (value.is_string()) {
    const std::string& bytes = value.text().bytes();
    const bool from_data = value.text().any_data();
    const char quote =
        bytes.find('\'') != std::string::npos && bytes.find('"') == std::string::npos ? '"' : '\'';
    std::string inside;
    for (const char c : bytes) {
      if (c == quote || c == '\\')
        (inside += '\\') += c;
      else if (c == '\n')
        inside += "\\n";
      else if (c == '\r')
        inside += "\\r";
      else if (c == '\t')
        inside += "\\t";
      else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
        inside += fmt::format("\\x{:02x}", c);
      else
        inside += c;
    }
    out.append(quote + inside + quote, from_data);
  } else if (value.is_list()) {
    out.append(value.is_tuple() ? "(" : "[", false);
    for (std::size_t i = 0; i < value.items().size(); ++i) {
      if (i > 0) out.append(", ", false);
      out.append(repr(value.items()[i]));
    }
    if (value.is_tuple() && value.items().size() == 1) out.append(",", false);
    out.append(value.is_tuple() ? ")" : "]", false);
  } else if (value.is_dict()) {
    out.append("{", false);
    bool first = true;
    for (const auto& [key, member] : value.members()) {
      if (!first) out.append(", ", false);
      first = false;
      out.append(repr(key));
      out.append(": ", false);
      out.append(repr(member));
    }
    out.append("}", false);
  } else {
    fail_at(kNowhere, fmt::format("a {} can't be printed", value.type_name()));
  }
  return out;
}

Text to_json(const Value& value, const JsonStyle& style) {
  std::string out;
  append_json(value, style, 0, out);
  return {std::move(out), holds_data(value)};
}

std::size_t length_in_characters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

std::size_t offset_of_character(std::string_view text, std::size_t n) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80 && n-- == 0) return i;
  }
  return text.size();
}

}  // namespace tsukai::infer::jinja
