// What a template can call: macros, methods of values, functions.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "infer/chat/jinja_value.h"

namespace tsukai::infer::jinja {

struct Scope;
struct Statement;

struct Callable {
  std::string name;
  // A macro: its statement, and the scope it was defined in (weak: a scope holds its macros).
  const Statement* macro = nullptr;
  std::weak_ptr<Scope> scope;
  // A method: the value it belongs to. A function has neither.
  bool method = false;
  Value self;
  int depth = 0;  // Of self.
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  // The argument at `position` or called `name`; null when not given.
  const Value* get(std::size_t position, std::string_view name) const {
    if (position < positional.size()) return &positional[position];
    for (const auto& [given, value] : named) {
      if (given == name) return &value;
    }
    return nullptr;
  }
};

}  // namespace tsukai::infer::jinja
