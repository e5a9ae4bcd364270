#include "infer/chat/template.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "infer/chat/jinja_interpreter.h"
#include "infer/chat/jinja_parser.h"

namespace tsukai::infer {
namespace {

constexpr std::size_t kSourceBytesMax = 1u << 20;

Error located(const jinja::Failure& failure, const std::string& source) {
  if (failure.offset == jinja::kNowhere) return Error(failure.code, "chat template: " + failure.message);
  return Error(failure.code,
               fmt::format("chat template: {}: {}", jinja::place(source, failure.offset), failure.message));
}

// bos_token and its like are spelled by the model's own files: the template may print them as control tokens.
bool names_a_token(std::string_view name) { return name.ends_with("_token"); }

bool too_deep(const Json& json, int left) {
  if (!json.is_structured()) return false;
  if (left == 0) return true;
  for (const Json& item : json) {
    if (too_deep(item, left - 1)) return true;
  }
  return false;
}

class JinjaTemplate final : public ChatTemplate {
 public:
  JinjaTemplate(std::string source, jinja::Program program)
      : source_(std::move(source)), program_(std::move(program)) {}

  Result<std::vector<RenderedPiece>> render(const Json& variables) const override {
    if (!variables.is_object())
      return fail(Code::kInvalidArgument, "chat template: the variables are no object");
    if (too_deep(variables, jinja::kValueDepthMax)) {
      return fail(Code::kExhausted,
                  fmt::format("chat template: variables nested more than {} deep", jinja::kValueDepthMax));
    }
    try {
      std::vector<std::pair<std::string, jinja::Value>> values;
      for (const auto& [name, value] : variables.items()) {
        values.emplace_back(name, names_a_token(name) && value.is_string()
                                      ? jinja::literal(value.get_ref<const std::string&>())
                                      : jinja::from_json(value));
      }
      jinja::Interpreter interpreter(values);
      return interpreter.run(program_.body).pieces();
    } catch (const jinja::Failure& failure) {
      return fail(located(failure, source_));
    }
  }

  bool knows_tools() const override { return program_.mentions_tools; }

 private:
  std::string source_;
  jinja::Program program_;
};

}  // namespace

Result<std::unique_ptr<ChatTemplate>> ChatTemplate::parse(std::string source) {
  if (source.size() > kSourceBytesMax) {
    return fail(Code::kInvalidArgument,
                fmt::format("chat template: {} bytes, more than {}", source.size(), kSourceBytesMax));
  }
  source = jinja::normalised_source(std::move(source));
  try {
    jinja::Program program = jinja::parse(source);
    return std::unique_ptr<ChatTemplate>(
        std::make_unique<JinjaTemplate>(std::move(source), std::move(program)));
  } catch (const jinja::Failure& failure) {
    return fail(located(failure, source));
  }
}

}  // namespace tsukai::infer
