#include "infer/chat/jinja_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "infer/chat/jinja_lexer.h"

namespace tsukai::infer::jinja {
namespace {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Program run() {
    Program program;
    program.body = body({});
    if (peek().type != TokenType::kEnd) fail_here("nothing more");
    program.mentions_tools = mentions_tools_;
    return program;
  }

 private:
  // Statements.

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  Token take() { return at_ + 1 < tokens_.size() ? std::move(tokens_[at_++]) : tokens_.back(); }
  bool is_operator(std::string_view op, std::size_t ahead = 0) const {
    return peek(ahead).type == TokenType::kOperator && peek(ahead).text == op;
  }
  bool is_name(std::string_view name, std::size_t ahead = 0) const {
    return peek(ahead).type == TokenType::kName && peek(ahead).text == name;
  }
  bool skip_operator(std::string_view op) { return is_operator(op) && (take(), true); }
  bool skip_name(std::string_view name) { return is_name(name) && (take(), true); }
  [[noreturn]] void fail_here(std::string_view expected) const {
    const Token& token = peek();
    std::string what;
    switch (token.type) {
      case TokenType::kEnd:
        what = "the end of the template";
        break;
      case TokenType::kBlockEnd:
        what = "%}";
        break;
      case TokenType::kVariableEnd:
        what = "}}";
        break;
      case TokenType::kText:
        what = "text";
        break;
      case TokenType::kString:
        what = "a string";
        break;
      default:
        what = fmt::format("\"{}\"", token.text.substr(0, 40));
    }
    fail_at(token.offset, fmt::format("expected {}, found {}", expected, what));
  }
  void expect_operator(std::string_view op) {
    if (!skip_operator(op)) fail_here(fmt::format("\"{}\"", op));
  }
  std::string expect_name() {
    if (peek().type != TokenType::kName) fail_here("a name");
    return take().text;
  }
  void expect_block_end() {
    if (peek().type != TokenType::kBlockEnd) fail_here("%}");
    take();
  }

  // Everything up to a block whose name is one of `ends`; that block's name is taken, its rest not yet.
  Body body(std::initializer_list<std::string_view> ends) {
    if (++block_depth_ > kBlockDepthMax) {
      fail_at(peek().offset, fmt::format("blocks nested more than {} deep", kBlockDepthMax));
    }
    Body out;
    for (;;) {
      const Token& token = peek();
      if (token.type == TokenType::kEnd) {
        if (ends.size() != 0) fail_here(fmt::format("{{% {} %}}", *(ends.end() - 1)));
        break;
      }
      if (token.type == TokenType::kText) {
        auto statement = make(StatementKind::kText);
        statement->text = Text(take().text, false);
        out.push_back(std::move(statement));
      } else if (token.type == TokenType::kVariableBegin) {
        take();
        auto statement = make(StatementKind::kPrint);
        statement->expressions.push_back(tuple_or_expression());
        if (peek().type != TokenType::kVariableEnd) fail_here("}}");
        take();
        out.push_back(std::move(statement));
      } else {
        take();  // {%
        if (peek().type != TokenType::kName) fail_here("the name of a block");
        if (std::find(ends.begin(), ends.end(), peek().text) != ends.end()) break;
        out.push_back(block());
      }
    }
    --block_depth_;
    return out;
  }

  std::unique_ptr<Statement> make(StatementKind kind) {
    auto statement = std::make_unique<Statement>();
    statement->kind = kind;
    statement->offset = peek().offset;
    return statement;
  }

  std::unique_ptr<Statement> block() {
    const Token token = peek();
    const std::string& name = token.text;
    if (name == "if") return if_block();
    if (name == "for") return for_block();
    if (name == "set") return set_block();
    if (name == "macro") return macro_block();
    if (name == "call") return call_block();
    if (name == "filter") return filter_block();
    if (name == "with") return with_block();
    if (name == "generation") {
      auto statement = make(StatementKind::kGroup);
      take();
      expect_block_end();
      statement->body = body({"endgeneration"});
      take();
      expect_block_end();
      return statement;
    }
    if (name == "break" || name == "continue") {
      if (loop_depth_ == 0) fail_at(token.offset, fmt::format("\"{}\" outside of a loop", name));
      auto statement = make(name == "break" ? StatementKind::kBreak : StatementKind::kContinue);
      take();
      expect_block_end();
      return statement;
    }
    fail_at(token.offset, fmt::format("a block \"{}\" is not known here", name.substr(0, 40)));
  }

  std::unique_ptr<Statement> if_block() {
    auto statement = make(StatementKind::kIf);
    take();
    for (;;) {
      Branch branch;
      branch.condition = tuple_or_expression();
      expect_block_end();
      branch.body = body({"elif", "else", "endif"});
      statement->branches.push_back(std::move(branch));
      const std::string end = take().text;
      if (end == "elif") continue;
      if (end == "else") {
        expect_block_end();
        statement->branches.push_back({nullptr, body({"endif"})});
        take();
      }
      expect_block_end();
      return statement;
    }
  }

  std::vector<Target> targets(bool attributes) {
    std::vector<Target> out;
    const bool bracket = skip_operator("(");
    do {
      if (!out.empty() && peek().type != TokenType::kName) break;
      Target target;
      target.name = expect_name();
      if (attributes && skip_operator(".")) target.attribute = expect_name();
      out.push_back(std::move(target));
    } while (skip_operator(","));
    if (bracket) expect_operator(")");
    return out;
  }

  std::unique_ptr<Statement> for_block() {
    auto statement = make(StatementKind::kFor);
    take();
    statement->targets = targets(false);
    if (!skip_name("in")) fail_here("\"in\"");
    statement->expressions.push_back(tuple_or_expression(false));
    statement->expressions.push_back(skip_name("if") ? expression() : nullptr);
    if (is_name("recursive")) fail_at(peek().offset, "recursive loops are not known here");
    expect_block_end();
    ++loop_depth_;
    statement->body = body({"else", "endfor"});
    --loop_depth_;
    if (take().text == "else") {
      expect_block_end();
      statement->otherwise = body({"endfor"});
      take();
    }
    expect_block_end();
    return statement;
  }

  std::unique_ptr<Statement> set_block() {
    auto statement = make(StatementKind::kSet);
    take();
    statement->targets = targets(true);
    if (skip_operator("=")) {
      statement->expressions.push_back(tuple_or_expression());
      expect_block_end();
      return statement;
    }
    statement->kind = StatementKind::kSetBlock;
    if (statement->targets.size() != 1) fail_here("\"=\"");
    statement->expressions.push_back(is_operator("|") ? filters(nullptr) : nullptr);
    expect_block_end();
    statement->body = body({"endset"});
    take();
    expect_block_end();
    return statement;
  }

  void signature(Statement& statement) {
    expect_operator("(");
    while (!is_operator(")")) {
      statement.targets.push_back({expect_name(), ""});
      if (skip_operator("="))
        statement.expressions.push_back(expression());
      else if (!statement.expressions.empty())
        fail_here("a default, as the parameter before has one");
      if (!skip_operator(",")) break;
    }
    expect_operator(")");
  }

  // Loops around a macro are not the macro's own: break can't leave it.
  Body closed_body(std::string_view end) {
    const int loops = std::exchange(loop_depth_, 0);
    expect_block_end();
    Body out = body({end});
    take();
    expect_block_end();
    loop_depth_ = loops;
    return out;
  }

  std::unique_ptr<Statement> macro_block() {
    auto statement = make(StatementKind::kMacro);
    take();
    statement->text = Text(expect_name(), false);
    signature(*statement);
    statement->body = closed_body("endmacro");
    return statement;
  }

  std::unique_ptr<Statement> call_block() {
    auto statement = make(StatementKind::kCall);
    take();
    auto caller = make(StatementKind::kMacro);
    caller->text = Text("caller", false);
    if (is_operator("(")) signature(*caller);
    statement->expressions.push_back(expression());
    if (statement->expressions[0]->kind != ExprKind::kCall)
      fail_at(statement->offset, "expected a call after \"call\"");
    caller->body = closed_body("endcall");
    statement->body.push_back(std::move(caller));
    return statement;
  }

  std::unique_ptr<Statement> filter_block() {
    auto statement = make(StatementKind::kFilter);
    take();
    statement->expressions.push_back(filters(nullptr, true));
    expect_block_end();
    statement->body = body({"endfilter"});
    take();
    expect_block_end();
    return statement;
  }

  std::unique_ptr<Statement> with_block() {
    auto statement = make(StatementKind::kScope);
    take();
    while (peek().type == TokenType::kName) {
      statement->targets.push_back({take().text, ""});
      expect_operator("=");
      statement->expressions.push_back(expression());
      if (!skip_operator(",")) break;
    }
    expect_block_end();
    statement->body = body({"endwith"});
    take();
    expect_block_end();
    return statement;
  }

  // Expressions, loosest binding first, in the order of Jinja's own parser.

  ExprPtr node(ExprKind kind, std::size_t offset, std::string text = {}) {
    auto out = std::make_unique<Expr>();
    out->kind = kind;
    out->offset = offset;
    out->text = std::move(text);
    return out;
  }
  void adopt(Expr& parent, const ExprPtr& child) {
    if (!child) return;
    parent.depth = std::max(parent.depth, child->depth + 1);
    if (parent.depth > kExprDepthMax) {
      fail_at(parent.offset, fmt::format("an expression nested more than {} deep", kExprDepthMax));
    }
  }
  void add(Expr& parent, ExprPtr child) {
    adopt(parent, child);
    parent.children.push_back(std::move(child));
  }
  ExprPtr binary(ExprKind kind, Token op, ExprPtr left, ExprPtr right) {
    auto out = node(kind, op.offset, std::move(op.text));
    add(*out, std::move(left));
    add(*out, std::move(right));
    return out;
  }

  // "a, b" is a tuple where one may stand without brackets.
  ExprPtr tuple_or_expression(bool conditional = true) {
    const std::size_t offset = peek().offset;
    ExprPtr first = conditional ? expression() : either();
    if (!is_operator(",")) return first;
    auto out = node(ExprKind::kList, offset, "tuple");
    add(*out, std::move(first));
    while (skip_operator(",")) {
      if (peek().type == TokenType::kBlockEnd || peek().type == TokenType::kVariableEnd) break;
      add(*out, conditional ? expression() : either());
    }
    return out;
  }

  ExprPtr expression() {
    if (++recursion_ > kExprDepthMax) {
      fail_at(peek().offset, fmt::format("an expression nested more than {} deep", kExprDepthMax));
    }
    ExprPtr value = either();
    while (is_name("if")) {
      auto out = node(ExprKind::kConditional, take().offset);
      ExprPtr condition = either();
      ExprPtr otherwise = skip_name("else") ? expression() : nullptr;
      add(*out, std::move(condition));
      add(*out, std::move(value));
      add(*out, std::move(otherwise));
      value = std::move(out);
    }
    --recursion_;
    return value;
  }

  ExprPtr either() {
    ExprPtr left = both();
    while (is_name("or")) {
      Token op = take();
      left = binary(ExprKind::kOr, std::move(op), std::move(left), both());
    }
    return left;
  }

  ExprPtr both() {
    ExprPtr left = negation();
    while (is_name("and")) {
      Token op = take();
      left = binary(ExprKind::kAnd, std::move(op), std::move(left), negation());
    }
    return left;
  }

  ExprPtr negation() {
    std::vector<std::size_t> offsets;
    while (is_name("not")) offsets.push_back(take().offset);
    ExprPtr value = comparison();
    for (; !offsets.empty(); offsets.pop_back()) {
      auto out = node(ExprKind::kNot, offsets.back());
      add(*out, std::move(value));
      value = std::move(out);
    }
    return value;
  }

  ExprPtr comparison() {
    ExprPtr left = sum();
    ExprPtr out;
    for (;;) {
      std::string op;
      if (peek().type == TokenType::kOperator) {
        for (const char* known : {"==", "!=", "<", "<=", ">", ">="}) {
          if (peek().text == known) op = known;
        }
      } else if (is_name("in")) {
        op = "in";
      } else if (is_name("not") && is_name("in", 1)) {
        take();
        op = "not in";
      }
      if (op.empty()) break;
      const std::size_t offset = take().offset;
      if (!out) {
        out = node(ExprKind::kCompare, offset);
        add(*out, std::move(left));
      }
      out->operators.push_back(std::move(op));
      add(*out, sum());
    }
    return out ? std::move(out) : std::move(left);
  }

  ExprPtr sum() {
    ExprPtr left = concatenation();
    while (is_operator("+") || is_operator("-")) {
      Token op = take();
      left = binary(ExprKind::kBinary, std::move(op), std::move(left), concatenation());
    }
    return left;
  }

  ExprPtr concatenation() {
    ExprPtr left = product();
    while (is_operator("~")) {
      Token op = take();
      left = binary(ExprKind::kBinary, std::move(op), std::move(left), product());
    }
    return left;
  }

  ExprPtr product() {
    ExprPtr left = power();
    while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
      Token op = take();
      left = binary(ExprKind::kBinary, std::move(op), std::move(left), power());
    }
    return left;
  }

  ExprPtr power() {
    ExprPtr left = unary(true);
    while (is_operator("**")) {
      Token op = take();
      left = binary(ExprKind::kBinary, std::move(op), std::move(left), unary(true));
    }
    return left;
  }

  ExprPtr unary(bool with_filters) {
    if (++recursion_ > kExprDepthMax) {
      fail_at(peek().offset, fmt::format("an expression nested more than {} deep", kExprDepthMax));
    }
    ExprPtr out;
    if (is_operator("-") || is_operator("+")) {
      const Token op = take();
      out = node(op.text == "-" ? ExprKind::kNegate : ExprKind::kPlus, op.offset);
      add(*out, unary(false));
    } else {
      out = postfix(primary());
    }
    --recursion_;
    return with_filters ? filters(std::move(out)) : std::move(out);
  }

  ExprPtr constant(std::size_t offset, Value value) {
    auto out = node(ExprKind::kLiteral, offset);
    out->literal = std::move(value);
    return out;
  }

  ExprPtr primary() {
    const Token token = take();
    switch (token.type) {
      case TokenType::kName:
        if (token.text == "true" || token.text == "True") return constant(token.offset, Value(true));
        if (token.text == "false" || token.text == "False") return constant(token.offset, Value(false));
        if (token.text == "none" || token.text == "None") return constant(token.offset, Value(None{}));
        if (token.text == "tools") mentions_tools_ = true;
        return node(ExprKind::kName, token.offset, token.text);
      case TokenType::kString: {
        std::string text = token.text;
        while (peek().type == TokenType::kString) text += take().text;
        return constant(token.offset, literal(text));
      }
      case TokenType::kInteger: {
        std::int64_t value = 0;
        const auto [end, error] =
            std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
        if (error != std::errc()) fail_at(token.offset, "an integer beyond 64 bits");
        return constant(token.offset, Value(value));
      }
      case TokenType::kFloat: {
        double value = 0;
        const auto [end, error] =
            std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
        if (error != std::errc()) fail_at(token.offset, "a number that is out of range");
        return constant(token.offset, Value(value));
      }
      case TokenType::kOperator:
        if (token.text == "(") return bracketed(token.offset);
        if (token.text == "[") return list(token.offset);
        if (token.text == "{") return dict(token.offset);
        break;
      default:
        break;
    }
    fail_at(token.offset,
            token.text.empty() || token.type == TokenType::kText
                ? "expected an expression"
                : fmt::format("expected an expression, found \"{}\"", token.text.substr(0, 40)));
  }

  ExprPtr bracketed(std::size_t offset) {
    auto tuple = node(ExprKind::kList, offset, "tuple");
    if (skip_operator(")")) return tuple;
    ExprPtr first = expression();
    if (skip_operator(")")) return first;
    add(*tuple, std::move(first));
    while (skip_operator(",")) {
      if (is_operator(")")) break;
      add(*tuple, expression());
    }
    expect_operator(")");
    return tuple;
  }

  ExprPtr list(std::size_t offset) {
    auto out = node(ExprKind::kList, offset);
    while (!is_operator("]")) {
      add(*out, expression());
      if (!skip_operator(",")) break;
    }
    expect_operator("]");
    return out;
  }

  ExprPtr dict(std::size_t offset) {
    auto out = node(ExprKind::kDict, offset);
    while (!is_operator("}")) {
      add(*out, expression());
      expect_operator(":");
      add(*out, expression());
      if (!skip_operator(",")) break;
    }
    expect_operator("}");
    return out;
  }

  ExprPtr postfix(ExprPtr value) {
    for (;;) {
      const std::size_t offset = peek().offset;
      if (skip_operator(".")) {
        ExprPtr out;
        if (peek().type == TokenType::kInteger) {
          out = node(ExprKind::kItem, offset);
          add(*out, std::move(value));
          add(*out, primary());
        } else {
          out = node(ExprKind::kAttribute, offset, expect_name());
          add(*out, std::move(value));
        }
        value = std::move(out);
      } else if (skip_operator("[")) {
        value = subscript(offset, std::move(value));
      } else if (is_operator("(")) {
        value = call(std::move(value));
      } else {
        return value;
      }
    }
  }

  ExprPtr subscript(std::size_t offset, ExprPtr value) {
    ExprPtr parts[3];
    int colons = 0;
    while (!is_operator("]")) {
      if (skip_operator(":")) {
        if (++colons > 2) fail_here("\"]\"");
        continue;
      }
      if (parts[colons]) fail_here("\"]\"");
      parts[colons] = expression();
    }
    expect_operator("]");
    if (colons == 0 && !parts[0]) fail_at(offset, "an empty subscript");
    auto out = node(colons == 0 ? ExprKind::kItem : ExprKind::kSlice, offset);
    add(*out, std::move(value));
    add(*out, std::move(parts[0]));
    if (colons > 0) {
      add(*out, std::move(parts[1]));
      add(*out, std::move(parts[2]));
    }
    return out;
  }

  void arguments(Expr& out) {
    expect_operator("(");
    while (!is_operator(")")) {
      if (peek().type == TokenType::kName && is_operator("=", 1)) {
        std::string name = take().text;
        take();
        ExprPtr value = expression();
        adopt(out, value);
        out.keywords.emplace_back(std::move(name), std::move(value));
      } else {
        if (is_operator("*") || is_operator("**"))
          fail_at(peek().offset, "unpacked arguments are not known here");
        if (!out.keywords.empty()) fail_here("a named argument");
        ExprPtr value = expression();
        adopt(out, value);
        out.arguments.push_back(std::move(value));
      }
      if (!skip_operator(",")) break;
    }
    expect_operator(")");
  }

  ExprPtr call(ExprPtr callee) {
    auto out = node(ExprKind::kCall, peek().offset);
    add(*out, std::move(callee));
    arguments(*out);
    return out;
  }

  // Filters, tests and calls after a value. `bare`: the first filter comes without its bar (filter blocks).
  ExprPtr filters(ExprPtr value, bool bare = false) {
    for (;;) {
      const std::size_t offset = peek().offset;
      if (bare || skip_operator("|")) {
        bare = false;
        auto out = node(ExprKind::kFilter, offset, expect_name());
        add(*out, std::move(value));
        if (is_operator("(")) arguments(*out);
        value = std::move(out);
      } else if (value && is_name("is")) {
        value = test(std::move(value));
      } else if (value && is_operator("(")) {
        value = call(std::move(value));
      } else {
        return value;
      }
    }
  }

  ExprPtr test(ExprPtr value) {
    const std::size_t offset = take().offset;
    const bool negated = skip_name("not");
    auto out = node(ExprKind::kTest, offset, expect_name());
    add(*out, std::move(value));
    if (is_operator("(")) {
      arguments(*out);
    } else if (begins_argument()) {
      ExprPtr argument = postfix(primary());
      adopt(*out, argument);
      out->arguments.push_back(std::move(argument));
    }
    if (!negated) return out;
    auto inverse = node(ExprKind::kNot, offset);
    add(*inverse, std::move(out));
    return inverse;
  }

  bool begins_argument() const {
    const Token& token = peek();
    switch (token.type) {
      case TokenType::kName:
        for (const char* word : {"else", "or", "and", "if", "is", "in", "not", "recursive"}) {
          if (token.text == word) return false;
        }
        return true;
      case TokenType::kString:
      case TokenType::kInteger:
      case TokenType::kFloat:
        return true;
      case TokenType::kOperator:
        return token.text == "[" || token.text == "{";
      default:
        return false;
    }
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int block_depth_ = 0, loop_depth_ = 0, recursion_ = 0;
  bool mentions_tools_ = false;
};

}  // namespace

Program parse(const std::string& source) { return Parser(tokenize(source)).run(); }

}  // namespace tsukai::infer::jinja
