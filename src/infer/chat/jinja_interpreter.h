// Running a parsed template. One Interpreter per render; it throws Failure, also when a limit is reached.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "infer/chat/jinja_ast.h"
#include "infer/chat/jinja_callable.h"
#include "infer/chat/jinja_lexer.h"

namespace tsukai::infer::jinja {

// Steps: statements run, expressions evaluated, items visited, and 64 bytes of any string made count one
// each.
inline constexpr std::size_t kStepsMax = 4'000'000;
inline constexpr std::size_t kOutputBytesMax = 16u << 20;
inline constexpr int kCallDepthMax = 64;  // Macros calling macros.

// Names of one level: the template, a loop's pass, a macro's call.
struct Scope {
  std::vector<std::pair<std::string, Value>> names;
  std::shared_ptr<Scope> parent;

  void set(const std::string& name, Value value);
  const Value* find(std::string_view name) const;  // Here or further out.
};

class Interpreter {
 public:
  explicit Interpreter(const std::vector<std::pair<std::string, Value>>& variables);

  Text run(const Body& body);

  // For filters, tests and methods.
  void charge(std::size_t steps) {
    if ((steps_ += steps) > kStepsMax) exhausted();
  }
  void charge_bytes(std::size_t bytes) { charge(bytes / 64 + 1); }
  std::vector<Value> items_of(const Value& value);  // What a loop over the value visits.
  Value attribute(const Value& value, const std::string& name);
  Value attribute_path(const Value& value, const Value& path);  // "function.name", or an index
  Value filter(const std::string& name, const Value& input, const Arguments& arguments);
  bool test(const std::string& name, const Value& input, const Arguments& arguments);

 private:
  enum class Flow { kNext, kBreak, kContinue };

  [[noreturn]] static void exhausted();

  Flow run_body(const Body& body, Text& out);
  Flow run_statement(const Statement& statement, Text& out);
  Flow run_for(const Statement& statement, Text& out);
  void run_set(const Statement& statement);
  void assign(const Target& target, Value value);
  void assign_all(const std::vector<Target>& targets, const Value& value);
  void print(const Text& text, Text& out);
  Value define(const Statement& macro);

  Value evaluate(const Expr& expr);
  Value evaluate_kind(const Expr& expr);
  Value name(const Expr& expr);
  Value binary(const Expr& expr);
  Value compare(const Expr& expr);
  Value item(const Value& value, const Value& key);
  Value slice(const Expr& expr);
  Value add(const Value& left, const Value& right);
  Value multiply(const Value& left, const Value& right);
  bool contains(const Value& container, const Value& item);
  Arguments arguments(const Expr& expr);
  Value call(const Value& callee, const Arguments& arguments);
  Value call_macro(const Callable& macro, const Arguments& arguments);
  Value call_function(const std::string& name, const Arguments& arguments);  // jinja_methods.cc
  Value call_method(const std::string& name, const Value& self, const Arguments& arguments);
  Value string_method(const std::string& name, const Text& self, const Arguments& arguments);

  std::shared_ptr<Scope> globals_;
  std::shared_ptr<Scope> scope_;
  std::deque<Namespace> namespaces_;
  std::size_t steps_ = 0;
  std::size_t output_bytes_ = 0;
  int call_depth_ = 0;
};

// The parts of the engine that are plain tables of names.
bool is_function(std::string_view name);                    // range, namespace, raise_exception, ...
bool is_method(const Value& value, std::string_view name);  // "strip" of a string
bool is_filter(std::string_view name);
bool is_test(std::string_view name);
// Typed access to arguments, with a Failure that names the filter or method.
std::string string_argument(const Arguments& arguments, std::size_t position, std::string_view name,
                            std::string_view owner, const char* otherwise = nullptr);
std::int64_t integer_argument(const Arguments& arguments, std::size_t position, std::string_view name,
                              std::string_view owner, std::int64_t otherwise);
bool bool_argument(const Arguments& arguments, std::size_t position, std::string_view name, bool otherwise);

// String work that keeps marks, shared by filters and methods.
Text stripped(const Text& text, const std::string* characters, bool left, bool right);  // null: white space
Text replaced(const Text& text, std::string_view from, const Text& to, std::int64_t count_max);
Text mapped(const Text& text, std::string (*change)(std::string_view));  // A rewritten data string is data.
std::string upper_case(std::string_view text);
std::string lower_case(std::string_view text);
std::string title_case(std::string_view text);
std::string capitalized(std::string_view text);

}  // namespace tsukai::infer::jinja
