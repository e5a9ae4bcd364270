// The methods of strings and dicts, and the functions of chat templates.
#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "infer/chat/jinja_interpreter.h"
#include "infer/tokenizer/unicode_class.h"

namespace tsukai::infer::jinja {
namespace {

constexpr std::array kFunctions = {"range", "namespace", "raise_exception", "strftime_now", "dict"};
constexpr std::array kStringMethods = {
    "split", "rsplit",     "splitlines", "strip",   "lstrip",       "rstrip",       "upper",    "lower",
    "title", "capitalize", "find",       "rfind",   "replace",      "startswith",   "endswith", "join",
    "count", "isdigit",    "isalpha",    "isspace", "removeprefix", "removesuffix", "format"};
constexpr std::array kDictMethods = {"get", "items", "keys", "values"};

template <std::size_t n>
bool has(const std::array<const char*, n>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool white(std::string_view text, std::size_t at, std::size_t length) {
  const DecodedCharacter c = decode_character(text.substr(0, at + length), at);
  if (c.code_point == kMalformed) return false;
  if (c.code_point >= 0x1c && c.code_point <= 0x1f) return true;  // Python's, not Unicode's.
  const CharacterClass kind = CharacterClasses::get().of(c.code_point);
  return kind == CharacterClass::kSpace || kind == CharacterClass::kNewline;
}

// Where the character before `end` begins.
std::size_t character_before(std::string_view text, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && end - begin < 4 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) --begin;
  return begin;
}

template <typename Change>
std::string characters_changed(std::string_view text, Change change) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const DecodedCharacter c = decode_character(text, at);
    if (c.code_point == kMalformed)
      out += text[at];
    else
      append_utf8(out, static_cast<std::uint32_t>(change(static_cast<utf8proc_int32_t>(c.code_point))));
    at += c.length;
  }
  return out;
}

bool is_letter(std::uint32_t c) {
  return c != kMalformed && CharacterClasses::get().of(c) == CharacterClass::kLetter;
}

// str.split without a separator: at runs of white space, no empty parts.
std::vector<Value> split_at_spaces(const Text& text, std::int64_t splits_max, bool from_right) {
  struct Span {
    std::size_t begin, end;
  };
  std::vector<Span> words;
  const std::string& bytes = text.bytes();
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t length = decode_character(bytes, at).length;
    if (white(bytes, at, length)) {
      at += length;
      continue;
    }
    if (!words.empty() && words.back().end == at)
      words.back().end = at + length;
    else
      words.push_back({at, at + length});
    at += length;
  }
  if (splits_max >= 0 && words.size() > static_cast<std::size_t>(splits_max) + 1) {
    const auto kept = static_cast<std::size_t>(splits_max);
    if (from_right) {
      const std::size_t joined = words.size() - kept - 1;  // Leading white space stays, as in Python.
      words[joined].begin = 0;
      words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(joined));
    } else {
      words[kept].end = bytes.size();
      words.resize(kept + 1);
    }
  }
  std::vector<Value> out;
  for (const Span& word : words) out.push_back(Value(text.slice(word.begin, word.end)));
  return out;
}

std::vector<Value> split_at(const Text& text, const std::string& separator, std::int64_t splits_max,
                            bool from_right) {
  if (separator.empty()) fail_at(kNowhere, "split: an empty separator");
  std::vector<std::size_t> cuts;
  const std::string& bytes = text.bytes();
  auto enough = [&] { return splits_max >= 0 && cuts.size() >= static_cast<std::size_t>(splits_max); };
  if (from_right) {
    for (std::size_t end = bytes.size(); !enough() && end >= separator.size();) {
      const std::size_t found = bytes.rfind(separator, end - separator.size());
      if (found == std::string::npos) break;
      cuts.push_back(found);
      end = found;
    }
    std::reverse(cuts.begin(), cuts.end());
  } else {
    for (std::size_t at = 0; !enough();) {
      const std::size_t found = bytes.find(separator, at);
      if (found == std::string::npos) break;
      cuts.push_back(found);
      at = found + separator.size();
    }
  }
  std::vector<Value> out;
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    out.push_back(Value(text.slice(begin, cut)));
    begin = cut + separator.size();
  }
  out.push_back(Value(text.slice(begin, bytes.size())));
  return out;
}

std::vector<Value> split_lines(const Text& text) {
  std::vector<Value> out;
  const std::string& bytes = text.bytes();
  for (std::size_t begin = 0; begin < bytes.size();) {
    const std::size_t end = std::min(bytes.find_first_of("\n\r", begin), bytes.size());
    out.push_back(Value(text.slice(begin, end)));
    begin = end + (bytes.compare(end, 2, "\r\n") == 0 ? 2 : 1);
  }
  return out;
}

// str.format with {}, {0} and {name}; conversions and formats are not known.
Text formatted(const Text& pattern, const Arguments& arguments) {
  const std::string& bytes = pattern.bytes();
  Text out;
  std::size_t next = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
    out.append(pattern.slice(at, brace));
    if (brace == bytes.size()) break;
    if (brace + 1 < bytes.size() && bytes[brace + 1] == bytes[brace]) {
      out.append(pattern.slice(brace, brace + 1));
      at = brace + 2;
      continue;
    }
    const std::size_t end = bytes[brace] == '{' ? bytes.find('}', brace) : std::string::npos;
    if (end == std::string::npos) fail_at(kNowhere, "format: a brace without its partner");
    const std::string field = bytes.substr(brace + 1, end - brace - 1);
    const bool number = field.size() < 5 && field.find_first_not_of("0123456789") == std::string::npos;
    const Value* value = field.empty() ? arguments.get(next++, "")
                         : number      ? arguments.get(static_cast<std::size_t>(std::stoi(field)), "")
                                       : arguments.get(SIZE_MAX, field);
    if (!value) fail_at(kNowhere, fmt::format("format: there is no value for {{{}}}", field.substr(0, 40)));
    out.append(to_text(*value));
    if (out.size() > kOutputBytesMax) fail_at(kNowhere, "format makes too long a text", Code::kExhausted);
    at = end + 1;
  }
  return out;
}

// The date "YYYY-MM-DD" or "YYYY-MM-DDTHH:MM:SS" that the caller gave, in a format of strftime.
std::string formatted_date(const std::string& now, const std::string& format) {
  std::tm time{};
  const bool dated = strptime(now.c_str(), "%Y-%m-%d", &time) != nullptr;
  if (dated && now.size() > 11) strptime(now.c_str() + 11, "%H:%M:%S", &time);
  if (!dated) fail_at(kNowhere, "strftime_now: \"now\" is no date YYYY-MM-DD");
  if (format.size() > 256) fail_at(kNowhere, "strftime_now: a format of more than 256 bytes");
  std::mktime(&time);
  std::string out(format.size() * 16 + 64, '\0');
  out.resize(std::strftime(out.data(), out.size(), format.c_str(), &time));
  return out;
}

}  // namespace

bool is_function(std::string_view name) { return has(kFunctions, name); }
bool is_method(const Value& value, std::string_view name) {
  if (value.is_string()) return has(kStringMethods, name);
  if (value.is_dict()) return has(kDictMethods, name);
  if (value.is_loop()) return name == "cycle";
  return value.is_list() && (name == "index" || name == "count");
}

std::string string_argument(const Arguments& arguments, std::size_t position, std::string_view name,
                            std::string_view owner, const char* otherwise) {
  const Value* value = arguments.get(position, name);
  if (value && value->is_string()) return value->text().bytes();
  if (!value && otherwise) return otherwise;
  fail_at(kNowhere, fmt::format("{}: \"{}\" must be a string", owner, name));
}

std::int64_t integer_argument(const Arguments& arguments, std::size_t position, std::string_view name,
                              std::string_view owner, std::int64_t otherwise) {
  const Value* value = arguments.get(position, name);
  if (!value || value->is_none()) return otherwise;
  if (!value->is_number() || value->is_real())
    fail_at(kNowhere, fmt::format("{}: \"{}\" must be an integer", owner, name));
  return value->integer();
}

bool bool_argument(const Arguments& arguments, std::size_t position, std::string_view name, bool otherwise) {
  const Value* value = arguments.get(position, name);
  return value ? value->truthy() : otherwise;
}

Text stripped(const Text& text, const std::string* characters, bool left, bool right) {
  const std::string_view bytes = text.bytes();
  auto drops = [&](std::size_t at, std::size_t length) {
    return characters ? characters->find(bytes.substr(at, length)) != std::string::npos
                      : white(bytes, at, length);
  };
  std::size_t begin = 0, end = bytes.size();
  while (left && begin < end) {
    const std::size_t length = decode_character(bytes, begin).length;
    if (!drops(begin, length)) break;
    begin += length;
  }
  while (right && end > begin) {
    const std::size_t last = character_before(bytes, end);
    if (!drops(last, end - last)) break;
    end = last;
  }
  return text.slice(begin, end);
}

Text replaced(const Text& text, std::string_view from, const Text& to, std::int64_t count_max) {
  const std::string& bytes = text.bytes();
  Text out;
  std::size_t at = 0;
  std::int64_t count = 0;
  while (count_max < 0 || count < count_max) {
    if (out.size() > kOutputBytesMax) {
      fail_at(kNowhere, fmt::format("replace makes more than {} bytes", kOutputBytesMax), Code::kExhausted);
    }
    const std::size_t found = bytes.find(from, at);
    if (found == std::string::npos) break;
    ++count;
    if (from.empty()) {  // Before each character, and at the end.
      out.append(to);
      if (at >= bytes.size()) return out;
      const std::size_t length = decode_character(bytes, at).length;
      out.append(text.slice(at, at + length));
      at += length;
      continue;
    }
    out.append(text.slice(at, found));
    out.append(to);
    at = found + from.size();
  }
  out.append(text.slice(at, bytes.size()));
  return out;
}

Text mapped(const Text& text, std::string (*change)(std::string_view)) {
  return {change(text.bytes()), text.any_data()};
}

std::string upper_case(std::string_view text) { return characters_changed(text, utf8proc_toupper); }
std::string lower_case(std::string_view text) { return characters_changed(text, utf8proc_tolower); }
std::string title_case(std::string_view text) {
  bool inside = false;
  return characters_changed(text, [&](utf8proc_int32_t c) {
    const bool letter = is_letter(static_cast<std::uint32_t>(c));
    const utf8proc_int32_t out = !letter ? c : inside ? utf8proc_tolower(c) : utf8proc_totitle(c);
    inside = letter;
    return out;
  });
}
std::string capitalized(std::string_view text) {
  bool first = true;
  return characters_changed(text, [&](utf8proc_int32_t c) {
    const utf8proc_int32_t out = first ? utf8proc_totitle(c) : utf8proc_tolower(c);
    first = false;
    return out;
  });
}

Value Interpreter::call_function(const std::string& name, const Arguments& arguments) {
  if (name == "range") {
    std::int64_t begin = 0, end = 0;
    if (arguments.positional.size() == 1) {
      end = integer_argument(arguments, 0, "stop", name, 0);
    } else {
      begin = integer_argument(arguments, 0, "start", name, 0);
      end = integer_argument(arguments, 1, "stop", name, 0);
    }
    const std::int64_t step = integer_argument(arguments, 2, "step", name, 1);
    if (step == 0) fail_at(kNowhere, "range can't step by 0");
    std::vector<Value> items;
    for (std::int64_t at = begin; step > 0 ? at < end : at > end;) {
      charge(1);
      items.push_back(Value(at));
      if (__builtin_add_overflow(at, step, &at)) break;
    }
    return Value(std::move(items));
  }
  if (name == "namespace" || name == "dict") {
    std::vector<std::pair<std::string, Value>> members;
    if (!arguments.positional.empty() && arguments.positional[0].is_dict()) {
      for (const auto& [key, member] : arguments.positional[0].members())
        members.emplace_back(to_text(key).bytes(), member);
    }
    for (const auto& [key, member] : arguments.named) members.emplace_back(key, member);
    if (name == "namespace") {
      charge(16);
      namespaces_.push_back({std::move(members)});
      return Value(&namespaces_.back());
    }
    std::vector<std::pair<Value, Value>> out;
    for (auto& [key, member] : members) out.emplace_back(literal(key), std::move(member));
    return Value(std::move(out));
  }
  if (name == "raise_exception") {
    fail_at(kNowhere, fmt::format("the template refuses: {}",
                                  string_argument(arguments, 0, "message", name, "no reason given")));
  }
  const Value* now = globals_->find("now");
  if (!now || !now->is_string()) fail_at(kNowhere, "strftime_now: no date \"now\" was given");
  return literal(formatted_date(now->text().bytes(), string_argument(arguments, 0, "format", name)));
}

Value Interpreter::call_method(const std::string& name, const Value& self, const Arguments& arguments) {
  if (self.is_string()) {
    charge_bytes(self.text().size());
    return string_method(name, self.text(), arguments);
  }
  if (self.is_loop()) {
    if (arguments.positional.empty()) fail_at(kNowhere, "cycle needs at least one value");
    return arguments.positional[self.loop().index % arguments.positional.size()];
  }
  if (self.is_list()) {
    const Value* wanted = arguments.get(0, "value");
    if (!wanted) fail_at(kNowhere, fmt::format("{} needs a value", name));
    charge(self.items().size());
    if (name == "count") {
      return Value(
          static_cast<std::int64_t>(std::count_if(self.items().begin(), self.items().end(),
                                                  [&](const Value& item) { return equal(item, *wanted); })));
    }
    for (std::size_t i = 0; i < self.items().size(); ++i) {
      if (equal(self.items()[i], *wanted)) return Value(static_cast<std::int64_t>(i));
    }
    fail_at(kNowhere, "index: the value is not in the list");
  }
  if (name == "get") {
    const Value* key = arguments.get(0, "key");
    if (!key) fail_at(kNowhere, "get needs a key");
    charge(self.members().size() / 8 + 1);
    if (const Value* member = self.find(*key)) return *member;
    const Value* otherwise = arguments.get(1, "default");
    return otherwise ? *otherwise : Value(None{});
  }
  std::vector<Value> out;
  charge(self.members().size());
  for (const auto& [key, member] : self.members()) {
    if (name == "keys")
      out.push_back(key);
    else if (name == "values")
      out.push_back(member);
    else
      out.push_back(Value(std::vector<Value>{key, member}, true));
  }
  return Value(std::move(out));
}

Value Interpreter::string_method(const std::string& name, const Text& self, const Arguments& arguments) {
  const std::string& bytes = self.bytes();
  auto every = [&](auto&& holds) {
    for (std::size_t at = 0; at < bytes.size();) {
      const DecodedCharacter c = decode_character(bytes, at);
      if (c.code_point == kMalformed || !holds(c.code_point, at, c.length)) return Value(false);
      at += c.length;
    }
    return Value(!bytes.empty());
  };
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    const Value* given = arguments.get(0, "chars");
    std::string characters;
    if (given && !given->is_none()) characters = string_argument(arguments, 0, "chars", name);
    return Value(stripped(self, given && !given->is_none() ? &characters : nullptr, name != "rstrip",
                          name != "lstrip"));
  }
  if (name == "split" || name == "rsplit") {
    charge(bytes.size() / 8 + 1);
    const std::int64_t splits_max = integer_argument(arguments, 1, "maxsplit", name, -1);
    const Value* separator = arguments.get(0, "sep");
    if (!separator || separator->is_none()) return Value(split_at_spaces(self, splits_max, name == "rsplit"));
    return Value(split_at(self, string_argument(arguments, 0, "sep", name), splits_max, name == "rsplit"));
  }
  if (name == "splitlines") return Value(split_lines(self));
  if (name == "upper") return Value(mapped(self, upper_case));
  if (name == "lower") return Value(mapped(self, lower_case));
  if (name == "title") return Value(mapped(self, title_case));
  if (name == "capitalize") return Value(mapped(self, capitalized));
  if (name == "replace") {
    const std::string from = string_argument(arguments, 0, "old", name);
    const Value* to = arguments.get(1, "new");
    if (!to || !to->is_string()) fail_at(kNowhere, "replace needs two strings");
    Text out = replaced(self, from, to->text(), integer_argument(arguments, 2, "count", name, -1));
    charge_bytes(out.size());
    return Value(std::move(out));
  }
  if (name == "startswith" || name == "endswith") {
    const Value* given = arguments.get(0, "prefix");
    auto matches = [&](const Value& value) {
      if (!value.is_string()) fail_at(kNowhere, fmt::format("{} needs a string", name));
      return name == "startswith" ? bytes.starts_with(value.text().bytes())
                                  : bytes.ends_with(value.text().bytes());
    };
    if (!given) fail_at(kNowhere, fmt::format("{} needs a string", name));
    if (given->is_list()) return Value(std::any_of(given->items().begin(), given->items().end(), matches));
    return Value(matches(*given));
  }
  if (name == "removeprefix" || name == "removesuffix") {
    const std::string part = string_argument(arguments, 0, "prefix", name);
    if (name == "removeprefix")
      return Value(self.slice(bytes.starts_with(part) ? part.size() : 0, bytes.size()));
    return Value(self.slice(0, bytes.size() - (bytes.ends_with(part) ? part.size() : 0)));
  }
  if (name == "find" || name == "rfind") {
    const std::string part = string_argument(arguments, 0, "sub", name);
    const std::size_t found = name == "find" ? bytes.find(part) : bytes.rfind(part);
    if (found == std::string::npos) return Value(std::int64_t{-1});
    return Value(static_cast<std::int64_t>(length_in_characters(std::string_view(bytes).substr(0, found))));
  }
  if (name == "count") {
    const std::string part = string_argument(arguments, 0, "sub", name);
    if (part.empty()) return Value(static_cast<std::int64_t>(length_in_characters(bytes) + 1));
    std::int64_t count = 0;
    for (std::size_t at = bytes.find(part); at != std::string::npos; at = bytes.find(part, at + part.size()))
      ++count;
    return Value(count);
  }
  if (name == "join") {
    const Value* items = arguments.get(0, "iterable");
    if (!items) fail_at(kNowhere, "join needs a list");
    return filter("join", *items, {{Value(self)}, {}});
  }
  if (name == "format") {
    Text out = formatted(self, arguments);
    charge_bytes(out.size());
    return Value(std::move(out));
  }
  if (name == "isdigit")
    return every([](std::uint32_t c, std::size_t, std::size_t) { return c >= '0' && c <= '9'; });
  if (name == "isalpha") return every([](std::uint32_t c, std::size_t, std::size_t) { return is_letter(c); });
  return every([&](std::uint32_t, std::size_t at, std::size_t length) { return white(bytes, at, length); });
}

}  // namespace tsukai::infer::jinja
