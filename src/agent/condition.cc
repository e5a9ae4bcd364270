#include "agent/condition.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

#include <nlohmann/json.hpp>
#include <vector>

#include "agent/condition_parser.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

using Op = Condition::Node::Op;

std::string_view type_of(const Json& value) {
  if (value.is_null()) return "nothing";
  if (value.is_boolean()) return "true or false";
  if (value.is_number()) return "a number";
  if (value.is_string()) return "text";
  return value.is_array() ? "a list" : "an object";
}

std::string_view symbol(Op op) {
  switch (op) {
    case Op::kLess:
      return "<";
    case Op::kLessEqual:
      return "<=";
    case Op::kGreater:
      return ">";
    case Op::kGreaterEqual:
      return ">=";
    case Op::kMatches:
      return "matches";
    case Op::kIn:
      return "in";
    case Op::kLength:
      return "len";
    case Op::kAnd:
      return "and";
    case Op::kOr:
      return "or";
    case Op::kNot:
      return "not";
    default:
      return "?";
  }
}

tl::unexpected<Error> mismatch(Op op, const Json& left, const Json& right) {
  return fail(Code::kInvalidArgument,
              fmt::format("{} can't compare {} with {}", symbol(op), type_of(left), type_of(right)));
}

std::int64_t characters(const std::string& text) {
  std::int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80 ? 1 : 0;
  return count;
}

const Json& member(const Json& arguments, const std::vector<Condition::Node::Step>& path) {
  static const Json null;
  const Json* at = &arguments;
  for (const auto& step : path) {
    if (step.index < 0) {
      at = find(*at, step.name);
      if (at == nullptr) return null;
    } else {
      if (!at->is_array() || static_cast<std::size_t>(step.index) >= at->size()) return null;
      at = &(*at)[static_cast<std::size_t>(step.index)];
    }
  }
  return *at;
}

Result<Json> value_of(const Condition::Node& node, const Json& arguments);

Result<bool> truth(const Condition::Node& node, const Json& arguments, Op of) {
  TSUKAI_TRY(const Json value, value_of(node, arguments));
  if (value.is_boolean()) return value.get<bool>();
  return fail(Code::kInvalidArgument,
              fmt::format("{} needs true or false, not {}", symbol(of), type_of(value)));
}

Result<Json> compare(Op op, const Json& left, const Json& right) {
  const bool numbers = left.is_number() && right.is_number(), texts = left.is_string() && right.is_string();
  if (!numbers && !texts) return mismatch(op, left, right);
  switch (op) {
    case Op::kLess:
      return Json(left < right);
    case Op::kLessEqual:
      return Json(left <= right);
    case Op::kGreater:
      return Json(left > right);
    default:
      return Json(left >= right);
  }
}

Result<Json> value_of(const Condition::Node& node, const Json& arguments) {
  switch (node.op) {
    case Op::kConstant:
      return node.constant;
    case Op::kPath:
      return member(arguments, node.path);
    case Op::kList: {
      Json list = Json::array();
      for (const auto& child : node.children) {
        TSUKAI_TRY(Json item, value_of(*child, arguments));
        list.push_back(std::move(item));
      }
      return list;
    }
    case Op::kAnd: {
      TSUKAI_TRY(const bool left, truth(*node.children[0], arguments, node.op));
      if (!left) return Json(false);
      TSUKAI_TRY(const bool right, truth(*node.children[1], arguments, node.op));
      return Json(right);
    }
    case Op::kOr: {
      TSUKAI_TRY(const bool left, truth(*node.children[0], arguments, node.op));
      if (left) return Json(true);
      TSUKAI_TRY(const bool right, truth(*node.children[1], arguments, node.op));
      return Json(right);
    }
    case Op::kNot: {
      TSUKAI_TRY(const bool inner, truth(*node.children[0], arguments, node.op));
      return Json(!inner);
    }
    case Op::kExists: {
      TSUKAI_TRY(const Json inner, value_of(*node.children[0], arguments));
      return Json(!inner.is_null());
    }
    case Op::kLength: {
      TSUKAI_TRY(const Json inner, value_of(*node.children[0], arguments));
      if (inner.is_string()) return Json(characters(inner.get_ref<const std::string&>()));
      if (inner.is_array() || inner.is_object()) return Json(static_cast<std::int64_t>(inner.size()));
      return fail(Code::kInvalidArgument,
                  fmt::format("len needs text, a list or an object, not {}", type_of(inner)));
    }
    default:
      break;
  }
  TSUKAI_TRY(const Json left, value_of(*node.children[0], arguments));
  if (node.op == Op::kMatches) {
    if (!left.is_string())
      return fail(Code::kInvalidArgument, fmt::format("matches needs text, not {}", type_of(left)));
    return Json(RE2::FullMatch(left.get_ref<const std::string&>(), *node.pattern));
  }
  TSUKAI_TRY(const Json right, value_of(*node.children[1], arguments));
  switch (node.op) {
    case Op::kEqual:
      return Json(left == right);
    case Op::kNotEqual:
      return Json(left != right);
    case Op::kIn:
      if (right.is_array()) return Json(std::find(right.begin(), right.end(), left) != right.end());
      if (left.is_string() && right.is_string()) {
        return Json(right.get_ref<const std::string&>().find(left.get_ref<const std::string&>()) !=
                    std::string::npos);
      }
      return mismatch(node.op, left, right);
    default:
      return compare(node.op, left, right);
  }
}

}  // namespace

Result<Condition> Condition::parse(std::string_view text) {
  Condition condition;
  TSUKAI_TRY(condition.root_, parse_condition(text));
  condition.text_ = text;
  return condition;
}

Result<bool> Condition::holds(const Json& arguments) const {
  if (root_ == nullptr) return true;
  auto value = value_of(*root_, arguments);
  if (!value) return fail(std::move(value).error().in(fmt::format("when: \"{}\"", text_)));
  if (value->is_boolean()) return value->get<bool>();
  return fail(Code::kInvalidArgument,
              fmt::format("when: \"{}\": gives {}, not true or false", text_, type_of(*value)));
}

}  // namespace tsukai::agent
