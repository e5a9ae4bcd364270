// The values of a template: Python's, as far as chat templates use them. Strings remember which of their
// bytes are data.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/json.h"
#include "infer/chat/template.h"

namespace tsukai::infer::jinja {

// A string whose bytes are marked: written in the template, or from data.
class Text {
 public:
  Text() = default;
  Text(std::string bytes, bool from_data) { append(bytes, from_data); }

  const std::string& bytes() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }
  std::size_t size() const { return bytes_.size(); }
  bool any_data() const;

  void append(std::string_view bytes, bool from_data);
  void append(const Text& other);
  Text slice(std::size_t begin, std::size_t end) const;  // In bytes, marks kept.
  std::vector<RenderedPiece> pieces() const;

 private:
  struct Run {
    std::size_t length;
    bool from_data;
  };
  std::string bytes_;
  std::vector<Run> runs_;  // Neighbours differ; the lengths add up to bytes_.size().
};

struct Undefined {
  std::string name;  // What was looked for, for messages.
};
struct None {};
struct List;
struct Dict;
struct Namespace;
struct Callable;
struct Loop;

// The deepest list of lists, and the deepest data.
inline constexpr int kValueDepthMax = 200;

class Value {
 public:
  Value() : data_(Undefined{}) {}
  Value(Undefined value) : data_(std::move(value)) {}
  Value(None value) : data_(value) {}
  Value(bool value) : data_(value) {}
  Value(std::int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(Text text) : data_(std::make_shared<const Text>(std::move(text))) {}
  Value(std::vector<Value> items, bool tuple = false);
  Value(std::vector<std::pair<Value, Value>> members);
  Value(Namespace* value) : data_(value) {}
  Value(std::shared_ptr<const Callable> value) : data_(std::move(value)) {}
  Value(std::shared_ptr<const Loop> value) : data_(std::move(value)) {}

  bool is_undefined() const { return std::holds_alternative<Undefined>(data_); }
  bool is_none() const { return std::holds_alternative<None>(data_); }
  bool is_bool() const { return std::holds_alternative<bool>(data_); }
  bool is_integer() const { return std::holds_alternative<std::int64_t>(data_); }
  bool is_real() const { return std::holds_alternative<double>(data_); }
  bool is_number() const { return is_bool() || is_integer() || is_real(); }
  bool is_string() const { return std::holds_alternative<std::shared_ptr<const Text>>(data_); }
  bool is_list() const { return std::holds_alternative<std::shared_ptr<const List>>(data_); }
  bool is_dict() const { return std::holds_alternative<std::shared_ptr<const Dict>>(data_); }
  bool is_namespace() const { return std::holds_alternative<Namespace*>(data_); }
  bool is_callable() const { return std::holds_alternative<std::shared_ptr<const Callable>>(data_); }
  bool is_loop() const { return std::holds_alternative<std::shared_ptr<const Loop>>(data_); }

  const Undefined& undefined() const { return std::get<Undefined>(data_); }
  bool boolean() const { return std::get<bool>(data_); }
  std::int64_t integer() const;  // Of a bool or an integer.
  double real() const;           // Of any number.
  const Text& text() const { return *std::get<std::shared_ptr<const Text>>(data_); }
  const std::vector<Value>& items() const;
  const std::vector<std::pair<Value, Value>>& members() const;
  bool is_tuple() const;
  Namespace* name_space() const { return std::get<Namespace*>(data_); }
  const Callable& callable() const { return *std::get<std::shared_ptr<const Callable>>(data_); }
  const Loop& loop() const { return *std::get<std::shared_ptr<const Loop>>(data_); }

  // A member of a dict by key; null when absent.
  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;

  bool truthy() const;
  std::string_view type_name() const;  // As Python calls it.
  int depth() const;

 private:
  std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const Text>,
               std::shared_ptr<const List>, std::shared_ptr<const Dict>, Namespace*,
               std::shared_ptr<const Callable>, std::shared_ptr<const Loop>>
      data_;
};

struct List {
  std::vector<Value> items;
  bool tuple = false;
  int depth = 1;
};
struct Dict {
  std::vector<std::pair<Value, Value>> members;  // In order.
  int depth = 1;
};
// Owned by the interpreter, because templates may store values in it that lead back to it.
struct Namespace {
  std::vector<std::pair<std::string, Value>> members;
};
struct Loop {
  std::shared_ptr<const std::vector<Value>> items;
  std::size_t index = 0;
  int value_depth = 0;  // Of the items.
};

Value literal(std::string_view text);  // A string of the template's own.
Value data(std::string text);
Value from_json(const Json& json);

// Python's ==. Never fails.
bool equal(const Value& a, const Value& b);
// Python's <, for numbers, strings and lists; Failure otherwise.
bool less(const Value& a, const Value& b);
// Python's str(); nested strings through repr().
Text to_text(const Value& value);
Text repr(const Value& value);
// json.dumps as Hugging Face calls it. indent < 0: one line. item and key separators as in json.dumps.
struct JsonStyle {
  int indent = -1;
  bool ascii = false;
  bool sorted = false;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
Text to_json(const Value& value, const JsonStyle& style);

// Code points of a string: count, and the byte offset of the nth (text.size() for n = count).
std::size_t length_in_characters(std::string_view text);
std::size_t offset_of_character(std::string_view text, std::size_t n);

}  // namespace tsukai::infer::jinja
