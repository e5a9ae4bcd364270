#include "infer/chat/jinja_interpreter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace tsukai::infer::jinja {

void Scope::set(const std::string& name, Value value) {
  for (auto& [known, old] : names) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  names.emplace_back(name, std::move(value));
}

const Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope; scope = scope->parent.get()) {
    for (const auto& [known, value] : scope->names) {
      if (known == name) return &value;
    }
  }
  return nullptr;
}

Interpreter::Interpreter(const std::vector<std::pair<std::string, Value>>& variables)
    : globals_(std::make_shared<Scope>()), scope_(globals_) {
  for (const auto& [name, value] : variables) globals_->set(name, value);
}

void Interpreter::exhausted() {
  fail_at(kNowhere, fmt::format("the template takes more than {} steps", kStepsMax), Code::kExhausted);
}

Text Interpreter::run(const Body& body) {
  Text out;
  run_body(body, out);
  return out;
}

void Interpreter::print(const Text& text, Text& out) {
  charge_bytes(text.size());
  output_bytes_ += text.size();
  if (output_bytes_ > kOutputBytesMax) {
    fail_at(kNowhere, fmt::format("the template prints more than {} bytes", kOutputBytesMax),
            Code::kExhausted);
  }
  out.append(text);
}

Interpreter::Flow Interpreter::run_body(const Body& body, Text& out) {
  for (const auto& statement : body) {
    charge(1);
    try {
      const Flow flow = run_statement(*statement, out);
      if (flow != Flow::kNext) return flow;
    } catch (Failure& failure) {
      if (failure.offset == kNowhere) failure.offset = statement->offset;
      throw;
    }
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_statement(const Statement& statement, Text& out) {
  switch (statement.kind) {
    case StatementKind::kText:
      print(statement.text, out);
      break;
    case StatementKind::kPrint:
      print(to_text(evaluate(*statement.expressions[0])), out);
      break;
    case StatementKind::kIf:
      for (const Branch& branch : statement.branches) {
        if (!branch.condition || evaluate(*branch.condition).truthy()) return run_body(branch.body, out);
      }
      break;
    case StatementKind::kFor:
      return run_for(statement, out);
    case StatementKind::kSet:
      assign_all(statement.targets, evaluate(*statement.expressions[0]));
      break;
    case StatementKind::kSetBlock:
      run_set(statement);
      break;
    case StatementKind::kMacro:
      scope_->set(statement.text.bytes(), define(statement));
      break;
    case StatementKind::kCall: {
      const Expr& expr = *statement.expressions[0];
      const Value callee = evaluate(*expr.children[0]);
      Arguments given = arguments(expr);
      given.named.emplace_back("caller", define(*statement.body[0]));
      print(to_text(call(callee, given)), out);
      break;
    }
    case StatementKind::kFilter: {
      Text inside;
      const Flow flow = run_body(statement.body, inside);
      const Expr& expr = *statement.expressions[0];
      scope_ = std::make_shared<Scope>(Scope{{{" ", Value(std::move(inside))}}, scope_});
      const Value value = evaluate(expr);
      scope_ = scope_->parent;
      print(to_text(value), out);
      return flow;
    }
    case StatementKind::kScope: {
      auto inner = std::make_shared<Scope>();
      inner->parent = scope_;
      for (std::size_t i = 0; i < statement.targets.size(); ++i) {
        inner->set(statement.targets[i].name, evaluate(*statement.expressions[i]));
      }
      const auto outer = std::exchange(scope_, inner);
      const Flow flow = run_body(statement.body, out);
      scope_ = outer;
      return flow;
    }
    case StatementKind::kGroup:
      return run_body(statement.body, out);
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

void Interpreter::run_set(const Statement& statement) {
  Text inside;
  auto inner = std::make_shared<Scope>();
  inner->parent = scope_;
  const auto outer = std::exchange(scope_, inner);
  run_body(statement.body, inside);
  Value value(std::move(inside));
  if (statement.expressions[0]) {
    scope_->set(" ", std::move(value));
    value = evaluate(*statement.expressions[0]);
  }
  scope_ = outer;
  assign(statement.targets[0], std::move(value));
}

Interpreter::Flow Interpreter::run_for(const Statement& statement, Text& out) {
  const Value over = evaluate(*statement.expressions[0]);
  auto items = std::make_shared<std::vector<Value>>(items_of(over));
  const auto outer = scope_;
  if (const Expr* condition = statement.expressions[1].get()) {
    std::vector<Value> kept;
    for (const Value& item : *items) {
      scope_ = std::make_shared<Scope>();
      scope_->parent = outer;
      assign_all(statement.targets, item);
      if (evaluate(*condition).truthy()) kept.push_back(item);
    }
    scope_ = outer;
    *items = std::move(kept);
  }
  if (items->empty()) {
    scope_ = std::make_shared<Scope>();
    scope_->parent = outer;
    const Flow flow = run_body(statement.otherwise, out);
    scope_ = outer;
    return flow;
  }
  for (std::size_t i = 0; i < items->size(); ++i) {
    charge(1);
    scope_ = std::make_shared<Scope>();
    scope_->parent = outer;
    auto loop = std::make_shared<Loop>();
    loop->items = items;
    loop->index = i;
    loop->value_depth = over.depth();
    scope_->set("loop", Value(std::shared_ptr<const Loop>(std::move(loop))));
    assign_all(statement.targets, (*items)[i]);
    if (run_body(statement.body, out) == Flow::kBreak) break;
  }
  scope_ = outer;
  return Flow::kNext;
}

void Interpreter::assign_all(const std::vector<Target>& targets, const Value& value) {
  if (targets.size() == 1) {
    assign(targets[0], value);
    return;
  }
  const std::vector<Value> items = items_of(value);
  if (items.size() != targets.size()) {
    fail_at(kNowhere, fmt::format("{} values for {} names", items.size(), targets.size()));
  }
  for (std::size_t i = 0; i < targets.size(); ++i) assign(targets[i], items[i]);
}

void Interpreter::assign(const Target& target, Value value) {
  if (target.attribute.empty()) {
    scope_->set(target.name, std::move(value));
    return;
  }
  const Value* found = scope_->find(target.name);
  if (!found || !found->is_namespace()) {
    fail_at(kNowhere, fmt::format("\"{}\" is no namespace, so its members can't be set", target.name));
  }
  for (auto& [name, old] : found->name_space()->members) {
    if (name == target.attribute) {
      old = std::move(value);
      return;
    }
  }
  found->name_space()->members.emplace_back(target.attribute, std::move(value));
}

Value Interpreter::define(const Statement& macro) {
  auto callable = std::make_shared<Callable>();
  callable->name = macro.text.bytes();
  callable->macro = &macro;
  callable->scope = scope_;
  return Value(std::shared_ptr<const Callable>(std::move(callable)));
}

Value Interpreter::evaluate(const Expr& expr) {
  charge(1);
  try {
    return evaluate_kind(expr);
  } catch (Failure& failure) {
    if (failure.offset == kNowhere) failure.offset = expr.offset;
    throw;
  }
}

Value Interpreter::evaluate_kind(const Expr& expr) {
  switch (expr.kind) {
    case ExprKind::kLiteral:
      return expr.literal;
    case ExprKind::kName:
      return name(expr);
    case ExprKind::kAttribute:
      return attribute(evaluate(*expr.children[0]), expr.text);
    case ExprKind::kItem: {
      const Value value = evaluate(*expr.children[0]);
      return item(value, evaluate(*expr.children[1]));
    }
    case ExprKind::kSlice:
      return slice(expr);
    case ExprKind::kCall: {
      const Value callee = evaluate(*expr.children[0]);
      return call(callee, arguments(expr));
    }
    case ExprKind::kFilter: {
      const Value* block = scope_->find(" ");
      const Value input = expr.children[0] ? evaluate(*expr.children[0]) : block ? *block : Value();
      return filter(expr.text, input, arguments(expr));
    }
    case ExprKind::kTest: {
      const Value input = evaluate(*expr.children[0]);
      return Value(test(expr.text, input, arguments(expr)));
    }
    case ExprKind::kNot:
      return Value(!evaluate(*expr.children[0]).truthy());
    case ExprKind::kNegate:
    case ExprKind::kPlus: {
      const Value value = evaluate(*expr.children[0]);
      if (!value.is_number()) fail_at(kNowhere, fmt::format("a {} has no sign", value.type_name()));
      if (expr.kind == ExprKind::kPlus) return value;
      if (value.is_real()) return Value(-value.real());
      if (value.integer() == INT64_MIN) fail_at(kNowhere, "a number beyond 64 bits");
      return Value(-value.integer());
    }
    case ExprKind::kBinary:
      return binary(expr);
    case ExprKind::kAnd: {
      Value left = evaluate(*expr.children[0]);
      return left.truthy() ? evaluate(*expr.children[1]) : left;
    }
    case ExprKind::kOr: {
      Value left = evaluate(*expr.children[0]);
      return left.truthy() ? left : evaluate(*expr.children[1]);
    }
    case ExprKind::kCompare:
      return compare(expr);
    case ExprKind::kConditional:
      if (evaluate(*expr.children[0]).truthy()) return evaluate(*expr.children[1]);
      return expr.children[2] ? evaluate(*expr.children[2]) : Value(Undefined{});
    case ExprKind::kList: {
      std::vector<Value> items;
      for (const auto& child : expr.children) items.push_back(evaluate(*child));
      return Value(std::move(items), expr.text == "tuple");
    }
    case ExprKind::kDict: {
      std::vector<std::pair<Value, Value>> members;
      for (std::size_t i = 0; i + 1 < expr.children.size(); i += 2) {
        Value key = evaluate(*expr.children[i]);
        Value value = evaluate(*expr.children[i + 1]);
        const auto same = std::find_if(members.begin(), members.end(),
                                       [&](const auto& member) { return equal(member.first, key); });
        if (same != members.end())
          same->second = std::move(value);
        else
          members.emplace_back(std::move(key), std::move(value));
      }
      return Value(std::move(members));
    }
  }
  return Value();
}

Value Interpreter::name(const Expr& expr) {
  if (const Value* found = scope_->find(expr.text)) return *found;
  // Without a date from the caller there is no strftime_now: templates then take their own fixed date.
  const bool offered = expr.text != "strftime_now" || globals_->find("now");
  if (offered && is_function(expr.text)) {
    auto function = std::make_shared<Callable>();
    function->name = expr.text;
    return Value(std::shared_ptr<const Callable>(std::move(function)));
  }
  return Value(Undefined{expr.text});
}

Value Interpreter::attribute(const Value& value, const std::string& name) {
  if (value.is_undefined()) {
    fail_at(kNowhere, fmt::format("\"{}\" is undefined, so it has no \"{}\"", value.undefined().name, name));
  }
  if (value.is_namespace()) {
    for (const auto& [known, member] : value.name_space()->members) {
      if (known == name) return member;
    }
    return Value(Undefined{name});
  }
  if (value.is_loop()) {
    const Loop& loop = value.loop();
    const auto size = static_cast<std::int64_t>(loop.items->size());
    const auto index = static_cast<std::int64_t>(loop.index);
    if (name == "index") return Value(index + 1);
    if (name == "index0") return Value(index);
    if (name == "revindex") return Value(size - index);
    if (name == "revindex0") return Value(size - index - 1);
    if (name == "first") return Value(index == 0);
    if (name == "last") return Value(index + 1 == size);
    if (name == "length") return Value(size);
    if (name == "depth") return Value(std::int64_t{1});  // Jinja counts recursive loops only.
    if (name == "depth0") return Value(std::int64_t{0});
    if (name == "previtem") return index > 0 ? (*loop.items)[loop.index - 1] : Value(Undefined{name});
    if (name == "nextitem") return index + 1 < size ? (*loop.items)[loop.index + 1] : Value(Undefined{name});
  }
  // As Python's: a method comes before a key of the same name.
  if (is_method(value, name)) {
    auto method = std::make_shared<Callable>();
    method->name = name;
    method->method = true;
    method->self = value;
    method->depth = value.depth();
    return Value(std::shared_ptr<const Callable>(std::move(method)));
  }
  if (value.is_dict()) {
    charge(value.members().size() / 8 + 1);
    if (const Value* member = value.find(name)) return *member;
  }
  return Value(Undefined{name});
}

Value Interpreter::attribute_path(const Value& value, const Value& path) {
  if (path.is_integer()) return item(value, path);
  if (!path.is_string()) fail_at(kNowhere, "an attribute is named by a string or a number");
  Value at = value;
  std::size_t begin = 0;
  const std::string& text = path.text().bytes();
  for (;;) {
    const std::size_t end = std::min(text.find('.', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const bool number =
        !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    at = number ? item(at, Value(static_cast<std::int64_t>(std::stoll(part)))) : item(at, literal(part));
    if (end == text.size()) return at;
    begin = end + 1;
  }
}

Value Interpreter::item(const Value& value, const Value& key) {
  if (value.is_undefined()) {
    fail_at(kNowhere, fmt::format("\"{}\" is undefined, so it has no members", value.undefined().name));
  }
  if (value.is_dict()) {
    charge(value.members().size() / 8 + 1);
    if (const Value* member = value.find(key)) return *member;
  } else if ((value.is_list() || value.is_string()) && key.is_number() && !key.is_real()) {
    const bool list = value.is_list();
    if (!list) charge_bytes(value.text().size());
    const auto size =
        static_cast<std::int64_t>(list ? value.items().size() : length_in_characters(value.text().bytes()));
    std::int64_t index = key.integer();
    if (index < 0) index += size;
    if (index < 0 || index >= size) return Value(Undefined{"an item beyond the end"});
    if (list) return value.items()[static_cast<std::size_t>(index)];
    const std::string& bytes = value.text().bytes();
    const std::size_t begin = offset_of_character(bytes, static_cast<std::size_t>(index));
    return Value(value.text().slice(begin, offset_of_character(bytes, static_cast<std::size_t>(index) + 1)));
  }
  if (key.is_string()) {
    if (value.is_dict() && !is_method(value, key.text().bytes())) return Value(Undefined{key.text().bytes()});
    return attribute(value, key.text().bytes());
  }
  return Value(Undefined{to_text(key).bytes()});
}

Value Interpreter::slice(const Expr& expr) {
  const Value value = evaluate(*expr.children[0]);
  std::int64_t parts[3] = {0, 0, 1};
  bool given[3] = {};
  for (std::size_t i = 0; i < 3; ++i) {
    if (!expr.children[i + 1]) continue;
    const Value part = evaluate(*expr.children[i + 1]);
    if (part.is_none()) continue;
    if (!part.is_number() || part.is_real()) fail_at(kNowhere, "a slice needs integers");
    parts[i] = part.integer();
    given[i] = true;
  }
  const std::int64_t step = parts[2];
  if (step == 0) fail_at(kNowhere, "a slice can't step by 0");
  if (!value.is_list() && !value.is_string())
    fail_at(kNowhere, fmt::format("a {} has no slices", value.type_name()));
  const std::vector<Value> items = items_of(value);
  const auto size = static_cast<std::int64_t>(items.size());
  auto bound = [&](std::size_t i, std::int64_t otherwise) {
    if (!given[i]) return otherwise;
    std::int64_t at = parts[i] < 0 ? (parts[i] < -size ? -1 : parts[i] + size) : std::min(parts[i], size);
    if (step > 0) return std::max<std::int64_t>(at, 0);
    return std::min(at, size - 1);
  };
  const std::int64_t begin = bound(0, step > 0 ? 0 : size - 1), end = bound(1, step > 0 ? size : -1);
  std::vector<Value> kept;
  for (std::int64_t at = begin; step > 0 ? at < end : at > end;) {
    kept.push_back(items[static_cast<std::size_t>(at)]);
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  if (value.is_list()) return Value(std::move(kept), value.is_tuple());
  Text out;
  for (const Value& character : kept) out.append(character.text());
  return Value(std::move(out));
}

std::vector<Value> Interpreter::items_of(const Value& value) {
  if (value.is_list()) {
    charge(value.items().size() / 4 + 1);
    return value.items();
  }
  std::vector<Value> out;
  if (value.is_undefined()) return out;
  if (value.is_dict()) {
    charge(value.members().size() / 4 + 1);
    for (const auto& [key, member] : value.members()) out.push_back(key);
    return out;
  }
  if (value.is_string()) {
    const std::string& bytes = value.text().bytes();
    charge(bytes.size());
    for (std::size_t at = 0; at < bytes.size();) {
      std::size_t end = at + 1;
      while (end < bytes.size() && (static_cast<unsigned char>(bytes[end]) & 0xc0) == 0x80) ++end;
      out.push_back(Value(Text(bytes.substr(at, end - at), value.text().any_data())));
      at = end;
    }
    return out;
  }
  if (value.is_loop()) return *value.loop().items;
  fail_at(kNowhere, fmt::format("a {} can't be iterated over", value.type_name()));
}

Value Interpreter::add(const Value& left, const Value& right) {
  if (left.is_number() && right.is_number()) {
    if (left.is_real() || right.is_real()) return Value(left.real() + right.real());
    std::int64_t sum = 0;
    if (__builtin_add_overflow(left.integer(), right.integer(), &sum))
      fail_at(kNowhere, "a number beyond 64 bits");
    return Value(sum);
  }
  if (left.is_string() && right.is_string()) {
    charge_bytes(left.text().size() + right.text().size());
    Text out = left.text();
    out.append(right.text());
    return Value(std::move(out));
  }
  if (left.is_list() && right.is_list() && left.is_tuple() == right.is_tuple()) {
    charge(left.items().size() + right.items().size());
    std::vector<Value> items = left.items();
    items.insert(items.end(), right.items().begin(), right.items().end());
    return Value(std::move(items), left.is_tuple());
  }
  if (left.is_undefined() || right.is_undefined()) {
    fail_at(kNowhere, fmt::format("\"{}\" is undefined, so nothing can be added",
                                  (left.is_undefined() ? left : right).undefined().name));
  }
  fail_at(kNowhere, fmt::format("a {} and a {} can't be added", left.type_name(), right.type_name()));
}

Value Interpreter::multiply(const Value& left, const Value& right) {
  if (left.is_number() && right.is_number()) {
    if (left.is_real() || right.is_real()) return Value(left.real() * right.real());
    std::int64_t product = 0;
    if (__builtin_mul_overflow(left.integer(), right.integer(), &product))
      fail_at(kNowhere, "a number beyond 64 bits");
    return Value(product);
  }
  const Value &many = left.is_string() || left.is_list() ? left : right,
              &times = &many == &left ? right : left;
  if ((!many.is_string() && !many.is_list()) || !times.is_number() || times.is_real()) {
    fail_at(kNowhere, fmt::format("a {} and a {} can't be multiplied", left.type_name(), right.type_name()));
  }
  const std::int64_t count = std::clamp<std::int64_t>(times.integer(), 0, kOutputBytesMax);
  if (many.is_string()) {
    charge_bytes(many.text().size() * static_cast<std::size_t>(count));
    Text out;
    for (std::int64_t i = 0; i < count && !many.text().empty(); ++i) out.append(many.text());
    return Value(std::move(out));
  }
  charge(many.items().size() * static_cast<std::size_t>(count));
  std::vector<Value> items;
  for (std::int64_t i = 0; i < count && !many.items().empty(); ++i) {
    items.insert(items.end(), many.items().begin(), many.items().end());
  }
  return Value(std::move(items), many.is_tuple());
}

Value Interpreter::binary(const Expr& expr) {
  const Value left = evaluate(*expr.children[0]);
  const Value right = evaluate(*expr.children[1]);
  const std::string& op = expr.text;
  if (op == "~") return add(Value(to_text(left)), Value(to_text(right)));
  if (op == "+") return add(left, right);
  if (op == "*") return multiply(left, right);
  if (!left.is_number() || !right.is_number()) {
    fail_at(kNowhere,
            fmt::format("\"{}\" needs numbers, not a {} and a {}", op, left.type_name(), right.type_name()));
  }
  const bool real = left.is_real() || right.is_real();
  if (op == "-") {
    std::int64_t difference = 0;
    if (real) return Value(left.real() - right.real());
    if (__builtin_sub_overflow(left.integer(), right.integer(), &difference))
      fail_at(kNowhere, "a number beyond 64 bits");
    return Value(difference);
  }
  if (op == "**") {
    if (real || right.integer() < 0) return Value(std::pow(left.real(), right.real()));
    std::int64_t product = 1;
    for (std::int64_t i = 0; i < right.integer(); ++i) {
      if (i > 64 && product * product == product) break;  // 0 or 1
      charge(1);
      if (__builtin_mul_overflow(product, left.integer(), &product))
        fail_at(kNowhere, "a number beyond 64 bits");
    }
    return Value(product);
  }
  if (right.real() == 0) fail_at(kNowhere, "division by zero");
  if (op == "/") return Value(left.real() / right.real());
  if (real) {
    const double quotient = std::floor(left.real() / right.real());
    return Value(op == "//" ? quotient : left.real() - quotient * right.real());
  }
  const std::int64_t a = left.integer(), b = right.integer();
  if (b == -1) {  // INT64_MIN / -1 does not fit
    if (op == "%") return Value(std::int64_t{0});
    if (a == INT64_MIN) fail_at(kNowhere, "a number beyond 64 bits");
    return Value(-a);
  }
  const bool down = a % b != 0 && (a < 0) != (b < 0);
  return Value(op == "//" ? a / b - (down ? 1 : 0) : a % b + (down ? b : 0));
}

Value Interpreter::compare(const Expr& expr) {
  Value left = evaluate(*expr.children[0]);
  for (std::size_t i = 0; i < expr.operators.size(); ++i) {
    Value right = evaluate(*expr.children[i + 1]);
    const std::string& op = expr.operators[i];
    bool holds = false;
    if (op == "==")
      holds = equal(left, right);
    else if (op == "!=")
      holds = !equal(left, right);
    else if (op == "<")
      holds = less(left, right);
    else if (op == ">")
      holds = less(right, left);
    else if (op == "<=")
      holds = equal(left, right) || less(left, right);
    else if (op == ">=")
      holds = equal(left, right) || less(right, left);
    else
      holds = contains(right, left) == (op == "in");
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

bool Interpreter::contains(const Value& container, const Value& item) {
  if (container.is_undefined()) return false;
  if (container.is_string()) {
    if (!item.is_string()) fail_at(kNowhere, fmt::format("a {} can't stand in a string", item.type_name()));
    charge_bytes(container.text().size());
    return container.text().bytes().find(item.text().bytes()) != std::string::npos;
  }
  if (container.is_dict()) {
    charge(container.members().size() / 8 + 1);
    return container.find(item) != nullptr;
  }
  const std::vector<Value> items = items_of(container);
  return std::any_of(items.begin(), items.end(), [&](const Value& value) { return equal(value, item); });
}

Arguments Interpreter::arguments(const Expr& expr) {
  Arguments out;
  for (const auto& argument : expr.arguments) out.positional.push_back(evaluate(*argument));
  for (const auto& [name, argument] : expr.keywords) out.named.emplace_back(name, evaluate(*argument));
  return out;
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  if (callee.is_undefined())
    fail_at(kNowhere, fmt::format("\"{}\" is undefined, so it can't be called", callee.undefined().name));
  if (!callee.is_callable()) fail_at(kNowhere, fmt::format("a {} can't be called", callee.type_name()));
  const Callable& callable = callee.callable();
  if (callable.macro) return call_macro(callable, arguments);
  if (callable.method) return call_method(callable.name, callable.self, arguments);
  return call_function(callable.name, arguments);
}

Value Interpreter::call_macro(const Callable& callable, const Arguments& arguments) {
  const Statement& macro = *callable.macro;
  const auto defined_in = callable.scope.lock();
  if (!defined_in)
    fail_at(kNowhere, fmt::format("macro \"{}\" is called outside of where it was defined", callable.name));
  if (++call_depth_ > kCallDepthMax) {
    fail_at(kNowhere, fmt::format("macros call each other more than {} deep", kCallDepthMax),
            Code::kExhausted);
  }
  auto inner = std::make_shared<Scope>();
  inner->parent = defined_in;
  const auto& parameters = macro.targets;
  const auto& defaults = macro.expressions;
  if (arguments.positional.size() > parameters.size()) {
    fail_at(kNowhere, fmt::format("macro \"{}\" takes {} arguments", callable.name, parameters.size()));
  }
  for (const auto& [name, value] : arguments.named) {
    const bool known =
        std::any_of(parameters.begin(), parameters.end(),
                    [&, &wanted = name](const Target& target) { return target.name == wanted; });
    if (!known && name != "caller") {
      fail_at(kNowhere, fmt::format("macro \"{}\" has no argument \"{}\"", callable.name, name));
    }
    if (name == "caller") inner->set("caller", value);
  }
  const auto outer = std::exchange(scope_, inner);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::size_t first_default = parameters.size() - defaults.size();
    if (const Value* given = arguments.get(i, parameters[i].name))
      inner->set(parameters[i].name, *given);
    else if (i >= first_default)
      inner->set(parameters[i].name, evaluate(*defaults[i - first_default]));
    else
      inner->set(parameters[i].name, Value(Undefined{parameters[i].name}));
  }
  Text out;
  const std::size_t printed = output_bytes_;
  run_body(macro.body, out);
  output_bytes_ = printed;  // Counted where the result is printed.
  scope_ = outer;
  --call_depth_;
  return Value(std::move(out));
}

}  // namespace tsukai::infer::jinja
