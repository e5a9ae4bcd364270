// The printable alphabet in which GPT-2's vocabularies spell bytes: "Ġthe" is " the".
// Source: github.com/openai/gpt-2 src/encoder.py, bytes_to_unicode.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tsukai::infer {

// The bytes that `spelling` stands for; nothing when it holds a character outside the alphabet.
std::optional<std::string> bytes_from_alphabet(std::string_view spelling);
// The reverse.
std::string alphabet_from_bytes(std::string_view bytes);

}  // namespace tsukai::infer
