// Cutting a Jinja template into tokens, with white space treated as Hugging Face sets it: trim_blocks and
// lstrip_blocks on, keep_trailing_newline off. Source: jinja.palletsprojects.com, template designer
// documentation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace tsukai::infer::jinja {

// A mistake in a template or in what it was given; thrown inside the interpreter only, caught by
// ChatTemplate.
struct Failure {
  Code code;
  std::string message;
  std::size_t offset;  // Into the template; kNowhere when it has none yet.
};
inline constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
[[noreturn]] void fail_at(std::size_t offset, std::string message, Code code = Code::kInvalidArgument);

enum class TokenType : std::uint8_t {
  kText,           // Between tags, as it will be printed.
  kBlockBegin,     // {%
  kBlockEnd,       // %}
  kVariableBegin,  // {{
  kVariableEnd,    // }}
  kName,
  kInteger,
  kFloat,
  kString,  // Unescaped.
  kOperator,
  kEnd,
};

struct Token {
  TokenType type;
  std::string text;
  std::size_t offset;
};

// `source` has \n for every kind of line break (see normalised_source). Throws Failure.
std::vector<Token> tokenize(const std::string& source);

// \r\n and \r become \n, and one line break at the end goes.
std::string normalised_source(std::string source);

// "line 3, column 14"
std::string place(const std::string& source, std::size_t offset);

}  // namespace tsukai::infer::jinja
