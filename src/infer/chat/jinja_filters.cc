// The filters and tests of chat templates.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <numeric>

#include "infer/chat/jinja_interpreter.h"

namespace tsukai::infer::jinja {
namespace {

constexpr std::array kFilters = {
    "abs",        "batch",   "capitalize", "count",  "d",      "default",    "dictsort", "e",
    "escape",     "first",   "float",      "indent", "int",    "items",      "join",     "last",
    "length",     "list",    "lower",      "map",    "max",    "min",        "reject",   "replace",
    "rejectattr", "reverse", "round",      "safe",   "select", "selectattr", "sort",     "string",
    "sum",        "title",   "tojson",     "trim",   "unique", "upper",      "attr",     "wordcount"};
constexpr std::array kTests = {
    "defined",     "undefined", "none",     "string",   "mapping", "iterable", "number",      "boolean",
    "true",        "false",     "eq",       "equalto",  "==",      "ne",       "!=",          "lt",
    "lessthan",    "<",         "le",       "<=",       "gt",      ">",        "greaterthan", "ge",
    ">=",          "in",        "sequence", "callable", "odd",     "even",     "integer",     "float",
    "divisibleby", "lower",     "upper",    "sameas",   "test",    "filter",   "escaped"};

// A sort that keeps the order of equals.
template <typename Less>
void sort_stably(std::vector<Value>& values, Less&& before) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (before(values[a], values[b])) return true;
    return !before(values[b], values[a]) && a < b;
  });
  std::vector<Value> sorted;
  for (const std::size_t i : order) sorted.push_back(values[i]);
  values = std::move(sorted);
}

Value folded(const Value& value, bool case_sensitive) {
  return case_sensitive || !value.is_string() ? value : Value(mapped(value.text(), lower_case));
}

Text joined(Interpreter& run, const std::vector<Value>& items, const Text& separator,
            const Value* attribute) {
  Text out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out.append(separator);
    const Text text = to_text(attribute ? run.attribute_path(items[i], *attribute) : items[i]);
    run.charge_bytes(text.size() + separator.size());
    out.append(text);
  }
  return out;
}

Text indented(const Text& text, const Text& indent, bool first, bool blank) {
  Text out;
  const std::string& bytes = text.bytes();
  for (std::size_t begin = 0; begin <= bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
    if (begin > 0) out.append("\n", text.any_data());
    if (begin == 0 ? first : blank || end > begin) out.append(indent);
    out.append(text.slice(begin, end));
    begin = end + 1;
  }
  return out;
}

Text escaped(const Text& text) {
  return mapped(text, [](std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
      if (c == '&')
        out += "&amp;";
      else if (c == '<')
        out += "&lt;";
      else if (c == '>')
        out += "&gt;";
      else if (c == '"')
        out += "&#34;";
      else if (c == '\'')
        out += "&#39;";
      else
        out += c;
    }
    return out;
  });
}

std::int64_t to_integer(const Value& value, std::int64_t otherwise) {
  if (value.is_real()) {
    const double real = std::trunc(value.real());
    return std::abs(real) < 9e18 ? static_cast<std::int64_t>(real) : otherwise;
  }
  if (value.is_number()) return value.integer();
  if (!value.is_string()) return otherwise;
  const std::string text = stripped(value.text(), nullptr, true, true).bytes();
  std::int64_t number = 0;
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  double real = 0;
  const auto [real_end, real_error] = std::from_chars(begin, text.data() + text.size(), real);
  if (real_error == std::errc() && real_end == text.data() + text.size() && std::abs(real) < 9e18) {
    return static_cast<std::int64_t>(real);
  }
  return otherwise;
}

double to_real(const Value& value, double otherwise) {
  if (value.is_number()) return value.real();
  if (!value.is_string()) return otherwise;
  const std::string text = stripped(value.text(), nullptr, true, true).bytes();
  double real = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), real);
  return error == std::errc() && end == text.data() + text.size() ? real : otherwise;
}

Value rounded(const Value& value, const Arguments& arguments) {
  if (!value.is_number()) fail_at(kNowhere, "round needs a number");
  const std::int64_t digits =
      std::clamp<std::int64_t>(integer_argument(arguments, 0, "precision", "round", 0), -300, 300);
  const std::string method = string_argument(arguments, 1, "method", "round", "common");
  const double scale = std::pow(10.0, static_cast<double>(digits)), scaled = value.real() * scale;
  if (method == "ceil") return Value(std::ceil(scaled) / scale);
  if (method == "floor") return Value(std::floor(scaled) / scale);
  return Value(std::nearbyint(scaled) / scale);  // Python rounds halves to even.
}

Value json_filter(const Value& input, const Arguments& arguments) {
  JsonStyle style;
  const Value* indent = arguments.get(0, "indent");
  // Hugging Face's tojson(x, ensure_ascii, indent, separators, sort_keys) is called with names, or with
  // indent alone.
  if (indent && indent->is_number() && !indent->is_bool()) {
    style.indent = static_cast<int>(std::clamp<std::int64_t>(indent->integer(), 0, 64));
    style.item_separator = ",";
  }
  for (const auto& [name, value] : arguments.named) {
    if (name == "ensure_ascii") style.ascii = value.truthy();
    if (name == "sort_keys") style.sorted = value.truthy();
    if (name == "separators" && value.is_list() && value.items().size() == 2) {
      style.item_separator = to_text(value.items()[0]).bytes();
      style.key_separator = to_text(value.items()[1]).bytes();
    }
  }
  return Value(to_json(input, style));
}

Value sorted(Interpreter& run, const Value& input, const Arguments& arguments) {
  std::vector<Value> items = run.items_of(input);
  const bool reverse = bool_argument(arguments, 0, "reverse", false);
  const bool case_sensitive = bool_argument(arguments, 1, "case_sensitive", false);
  const Value* attribute = arguments.get(2, "attribute");
  auto key = [&](const Value& item) {
    return folded(attribute ? run.attribute_path(item, *attribute) : item, case_sensitive);
  };
  run.charge(items.size() * 16);
  if (reverse)
    sort_stably(items, [&](const Value& a, const Value& b) { return less(key(b), key(a)); });
  else
    sort_stably(items, [&](const Value& a, const Value& b) { return less(key(a), key(b)); });
  return Value(std::move(items));
}

Value dict_sorted(Interpreter& run, const Value& input, const Arguments& arguments) {
  if (!input.is_dict()) fail_at(kNowhere, fmt::format("dictsort needs a dict, not a {}", input.type_name()));
  const bool case_sensitive = bool_argument(arguments, 0, "case_sensitive", false);
  const bool by_value = string_argument(arguments, 1, "by", "dictsort", "key") == "value";
  const bool reverse = bool_argument(arguments, 2, "reverse", false);
  std::vector<Value> items;
  for (const auto& [key, member] : input.members())
    items.push_back(Value(std::vector<Value>{key, member}, true));
  run.charge(items.size() * 16);
  auto part = [&](const Value& item) { return folded(item.items()[by_value ? 1 : 0], case_sensitive); };
  sort_stably(items, [&](const Value& a, const Value& b) {
    return reverse ? less(part(b), part(a)) : less(part(a), part(b));
  });
  return Value(std::move(items));
}

// select, reject, selectattr, rejectattr.
Value selected(Interpreter& run, const Value& input, const Arguments& arguments, bool by_attribute,
               bool keep) {
  Arguments rest;
  std::size_t next = by_attribute ? 1 : 0;
  if (by_attribute && arguments.positional.empty()) fail_at(kNowhere, "an attribute's name is missing");
  std::string test_name;
  if (next < arguments.positional.size()) test_name = to_text(arguments.positional[next++]).bytes();
  rest.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(next),
                         arguments.positional.end());
  std::vector<Value> out;
  if (!input.truthy()) return Value(std::move(out));
  for (const Value& item : run.items_of(input)) {
    run.charge(1);
    const Value subject = by_attribute ? run.attribute_path(item, arguments.positional[0]) : item;
    const bool holds = test_name.empty() ? subject.truthy() : run.test(test_name, subject, rest);
    if (holds == keep) out.push_back(item);
  }
  return Value(std::move(out));
}

Value mapped_items(Interpreter& run, const Value& input, const Arguments& arguments) {
  std::vector<Value> out;
  const Value* attribute = nullptr;
  for (const auto& [name, value] : arguments.named) {
    if (name == "attribute") attribute = &value;
  }
  const Value* otherwise = arguments.get(SIZE_MAX, "default");
  if (!attribute && arguments.positional.empty())
    fail_at(kNowhere, "map needs a filter's name or an attribute");
  Arguments rest;
  if (!attribute) {
    rest.positional.assign(arguments.positional.begin() + 1, arguments.positional.end());
    rest.named = arguments.named;
  }
  if (!input.truthy()) return Value(std::move(out));
  for (const Value& item : run.items_of(input)) {
    run.charge(1);
    if (attribute) {
      Value value = run.attribute_path(item, *attribute);
      out.push_back(value.is_undefined() && otherwise ? *otherwise : std::move(value));
    } else {
      out.push_back(run.filter(to_text(arguments.positional[0]).bytes(), item, rest));
    }
  }
  return Value(std::move(out));
}

Value unique(Interpreter& run, const Value& input, const Arguments& arguments) {
  const bool case_sensitive = bool_argument(arguments, 0, "case_sensitive", false);
  const Value* attribute = arguments.get(1, "attribute");
  std::vector<Value> out, seen;
  for (const Value& item : run.items_of(input)) {
    const Value key = folded(attribute ? run.attribute_path(item, *attribute) : item, case_sensitive);
    run.charge(seen.size() / 4 + 1);
    if (std::any_of(seen.begin(), seen.end(), [&](const Value& other) { return equal(other, key); }))
      continue;
    seen.push_back(key);
    out.push_back(item);
  }
  return Value(std::move(out));
}

Value batched(Interpreter& run, const Value& input, const Arguments& arguments) {
  const std::int64_t size = integer_argument(arguments, 0, "linecount", "batch", 0);
  const Value* fill = arguments.get(1, "fill_with");
  if (size < 1) fail_at(kNowhere, "batch needs a size of at least 1");
  std::vector<Value> rows, row;
  for (const Value& item : run.items_of(input)) {
    if (static_cast<std::int64_t>(row.size()) == size) rows.push_back(Value(std::exchange(row, {})));
    row.push_back(item);
  }
  if (!row.empty()) {
    if (fill && !fill->is_none()) {
      run.charge(static_cast<std::size_t>(size));
      while (static_cast<std::int64_t>(row.size()) < size) row.push_back(*fill);
    }
    rows.push_back(Value(std::move(row)));
  }
  return Value(std::move(rows));
}

Value extreme(Interpreter& run, const Value& input, const Arguments& arguments, bool greatest) {
  const bool case_sensitive = bool_argument(arguments, 0, "case_sensitive", false);
  const Value* attribute = arguments.get(1, "attribute");
  const std::vector<Value> items = run.items_of(input);
  auto key = [&](const Value& item) {
    return folded(attribute ? run.attribute_path(item, *attribute) : item, case_sensitive);
  };
  if (items.empty()) return Value(Undefined{"the extreme of nothing"});
  std::size_t best = 0;
  for (std::size_t i = 1; i < items.size(); ++i) {
    if (greatest ? less(key(items[best]), key(items[i])) : less(key(items[i]), key(items[best]))) best = i;
  }
  return items[best];
}

Value sum_of(Interpreter& run, const Value& input, const Arguments& arguments) {
  const Value* attribute = arguments.get(0, "attribute");
  const Value* start = arguments.get(1, "start");
  bool real = start && start->is_real();
  double real_sum = start ? start->real() : 0;
  std::int64_t sum = start && !real ? start->integer() : 0;
  for (const Value& item : run.items_of(input)) {
    const Value value = attribute ? run.attribute_path(item, *attribute) : item;
    if (!value.is_number()) fail_at(kNowhere, fmt::format("sum: a {} is no number", value.type_name()));
    real = real || value.is_real();
    real_sum += value.real();
    if (!value.is_real() && __builtin_add_overflow(sum, value.integer(), &sum))
      fail_at(kNowhere, "a number beyond 64 bits");
  }
  return real ? Value(real_sum) : Value(sum);
}

}  // namespace

bool is_filter(std::string_view name) {
  return std::find(kFilters.begin(), kFilters.end(), name) != kFilters.end();
}
bool is_test(std::string_view name) { return std::find(kTests.begin(), kTests.end(), name) != kTests.end(); }

Value Interpreter::filter(const std::string& name, const Value& input, const Arguments& arguments) {
  if (!is_filter(name)) fail_at(kNowhere, fmt::format("a filter \"{}\" is not known here", name));
  auto text = [&] {
    Text out = to_text(input);
    charge_bytes(out.size());
    return out;
  };
  if (name == "tojson") {
    Value out = json_filter(input, arguments);
    charge_bytes(out.text().size());
    return out;
  }
  if (name == "length" || name == "count") {
    if (input.is_string())
      return Value(static_cast<std::int64_t>(length_in_characters(input.text().bytes())));
    if (input.is_none() || input.is_number())
      fail_at(kNowhere, fmt::format("a {} has no length", input.type_name()));
    return Value(static_cast<std::int64_t>(items_of(input).size()));
  }
  if (name == "default" || name == "d") {
    const bool also_false = bool_argument(arguments, 1, "boolean", false);
    if (!input.is_undefined() && (!also_false || input.truthy())) return input;
    const Value* otherwise = arguments.get(0, "default_value");
    return otherwise ? *otherwise : literal("");
  }
  if (name == "trim") {
    const Value* characters = arguments.get(0, "chars");
    if (!characters || characters->is_none()) return Value(stripped(text(), nullptr, true, true));
    const std::string set = to_text(*characters).bytes();
    return Value(stripped(text(), &set, true, true));
  }
  if (name == "string" || name == "safe") return Value(text());
  if (name == "upper") return Value(mapped(text(), upper_case));
  if (name == "lower") return Value(mapped(text(), lower_case));
  if (name == "title") return Value(mapped(text(), title_case));
  if (name == "capitalize") return Value(mapped(text(), capitalized));
  if (name == "escape" || name == "e") return Value(escaped(text()));
  if (name == "wordcount") {
    std::int64_t words = 0;
    bool inside = false;
    const auto plain = text();
    for (const char c : plain.bytes()) {
      const bool space = c == ' ' || (c >= '\t' && c <= '\r');
      words += !space && !inside;
      inside = !space;
    }
    return Value(words);
  }
  if (name == "join") {
    const Value* separator = arguments.get(0, "d");
    return Value(joined(*this, items_of(input), separator ? to_text(*separator) : Text(),
                        arguments.get(1, "attribute")));
  }
  if (name == "replace") {
    const std::string from = string_argument(arguments, 0, "old", name);
    const Value* to = arguments.get(1, "new");
    if (!to) fail_at(kNowhere, "replace needs two strings");
    Text out = replaced(text(), from, to_text(*to), integer_argument(arguments, 2, "count", name, -1));
    charge_bytes(out.size());
    return Value(std::move(out));
  }
  if (name == "indent") {
    const Value* width = arguments.get(0, "width");
    Text indent = width && width->is_string()
                      ? width->text()
                      : Text(std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(
                                             integer_argument(arguments, 0, "width", name, 4), 0, 1000)),
                                         ' '),
                             false);
    const Text whole = text();
    charge(whole.size() * (indent.size() / 64 + 1));
    return Value(indented(whole, indent, bool_argument(arguments, 1, "first", false),
                          bool_argument(arguments, 2, "blank", false)));
  }
  if (name == "items") {
    if (input.is_undefined()) return Value(std::vector<Value>{});
    if (!input.is_dict()) fail_at(kNowhere, fmt::format("items needs a dict, not a {}", input.type_name()));
    return call_method("items", input, {});
  }
  if (name == "list") return Value(items_of(input));
  if (name == "first") {
    const std::vector<Value> items = items_of(input);
    return items.empty() ? Value(Undefined{"the first of nothing"}) : items.front();
  }
  if (name == "last") {
    const std::vector<Value> items = items_of(input);
    return items.empty() ? Value(Undefined{"the last of nothing"}) : items.back();
  }
  if (name == "reverse") {
    std::vector<Value> items = items_of(input);
    std::reverse(items.begin(), items.end());
    if (!input.is_string()) return Value(std::move(items));
    return Value(joined(*this, items, {}, nullptr));
  }
  if (name == "int") {
    const Value* otherwise = arguments.get(0, "default");
    return Value(to_integer(input, otherwise && otherwise->is_number() ? otherwise->integer() : 0));
  }
  if (name == "float") {
    const Value* otherwise = arguments.get(0, "default");
    return Value(to_real(input, otherwise && otherwise->is_number() ? otherwise->real() : 0.0));
  }
  if (name == "abs") {
    if (!input.is_number()) fail_at(kNowhere, fmt::format("abs: a {} is no number", input.type_name()));
    if (input.is_real()) return Value(std::abs(input.real()));
    if (input.integer() == INT64_MIN) fail_at(kNowhere, "a number beyond 64 bits");
    return Value(std::abs(input.integer()));
  }
  if (name == "round") return rounded(input, arguments);
  if (name == "attr") return attribute(input, string_argument(arguments, 0, "name", name));
  if (name == "sort") return sorted(*this, input, arguments);
  if (name == "dictsort") return dict_sorted(*this, input, arguments);
  if (name == "unique") return unique(*this, input, arguments);
  if (name == "batch") return batched(*this, input, arguments);
  if (name == "map") return mapped_items(*this, input, arguments);
  if (name == "min" || name == "max") return extreme(*this, input, arguments, name == "max");
  if (name == "sum") return sum_of(*this, input, arguments);
  const bool keep = name.starts_with("select");
  if (keep || name.starts_with("reject"))
    return selected(*this, input, arguments, name.ends_with("attr"), keep);
  fail_at(kNowhere, fmt::format("a filter \"{}\" is not known here", name));
}

bool Interpreter::test(const std::string& name, const Value& input, const Arguments& arguments) {
  if (!is_test(name)) fail_at(kNowhere, fmt::format("a test \"{}\" is not known here", name));
  auto other = [&]() -> const Value& {
    const Value* value = arguments.get(0, "other");
    if (!value) fail_at(kNowhere, fmt::format("the test \"{}\" needs a value to compare with", name));
    return *value;
  };
  if (name == "defined") return !input.is_undefined();
  if (name == "undefined") return input.is_undefined();
  if (name == "none") return input.is_none();
  if (name == "string") return input.is_string();
  if (name == "mapping") return input.is_dict();
  if (name == "iterable") {
    return input.is_list() || input.is_dict() || input.is_string() || input.is_undefined() || input.is_loop();
  }
  if (name == "sequence")
    return input.is_list() || input.is_dict() || input.is_string() || input.is_undefined();
  if (name == "number") return input.is_number();
  if (name == "integer") return input.is_integer();
  if (name == "float") return input.is_real();
  if (name == "boolean") return input.is_bool();
  if (name == "true") return input.is_bool() && input.boolean();
  if (name == "false") return input.is_bool() && !input.boolean();
  if (name == "callable") return input.is_callable() || input.is_undefined();  // As in Jinja.
  if (name == "escaped") return false;
  if (name == "test") return input.is_string() && is_test(input.text().bytes());
  if (name == "filter") return input.is_string() && is_filter(input.text().bytes());
  if (name == "lower" || name == "upper") {
    const std::string text = to_text(input).bytes();
    return text == (name == "lower" ? lower_case(text) : upper_case(text)) &&
           lower_case(text) != upper_case(text);
  }
  if (name == "odd" || name == "even" || name == "divisibleby") {
    const std::int64_t by = name == "divisibleby" ? integer_argument(arguments, 0, "num", name, 0) : 2;
    if (!input.is_number() || input.is_real() || by == 0)
      fail_at(kNowhere, fmt::format("the test \"{}\" needs integers", name));
    const bool divides = by == -1 || input.integer() % by == 0;
    return name == "odd" ? !divides : divides;
  }
  if (name == "in") return contains(other(), input);
  if (name == "sameas" || name == "eq" || name == "equalto" || name == "==") return equal(input, other());
  if (name == "ne" || name == "!=") return !equal(input, other());
  if (name == "lt" || name == "lessthan" || name == "<") return less(input, other());
  if (name == "gt" || name == "greaterthan" || name == ">") return less(other(), input);
  if (name == "le" || name == "<=") return equal(input, other()) || less(input, other());
  return equal(input, other()) || less(other(), input);
}

}  // namespace tsukai::infer::jinja
