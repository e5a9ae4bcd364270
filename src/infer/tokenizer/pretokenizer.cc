#include "infer/tokenizer/pretokenizer.h"

#include "infer/tokenizer/unicode_class.h"

namespace tsukai::infer {
namespace {

using Class = CharacterClass;

struct Character {
  Class kind;
  std::uint32_t length;
};

// Walks over the classes of the characters of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text)
      : text_(text), classes_(CharacterClasses::get()), ascii_(classes_.ascii().data()) {}

  bool ends(std::size_t at) const { return at >= text_.size(); }
  char byte(std::size_t at) const { return at < text_.size() ? text_[at] : '\0'; }
  Character at(std::size_t at) const {
    const auto first = static_cast<unsigned char>(text_[at]);
    if (first < 0x80) return {ascii_[first], 1};
    const DecodedCharacter decoded = decode_character(text_, at);
    return {decoded.code_point == kMalformed ? Class::kOther : classes_.of(decoded.code_point),
            decoded.length};
  }
  bool is(std::size_t at, Class kind) const { return !ends(at) && this->at(at).kind == kind; }

  std::size_t run(std::size_t from, Class kind) const {
    const std::size_t end = text_.size();
    while (from < end) {
      const auto first = static_cast<unsigned char>(text_[from]);
      if (first < 0x80) {
        if (ascii_[first] != kind) break;
        ++from;
        continue;
      }
      const Character c = at(from);
      if (c.kind != kind) break;
      from += c.length;
    }
    return from;
  }

 private:
  std::string_view text_;
  const CharacterClasses& classes_;
  const Class* ascii_;
};

bool is_space(Class kind) { return kind == Class::kSpace || kind == Class::kNewline; }

// The length of a contraction ('s 't 're 've 'm 'll 'd) at `at`, or 0. Folding knows that U+017F is an s.
std::size_t contraction(const Scanner& scanner, std::size_t at, bool fold) {
  if (scanner.byte(at) != '\'') return 0;
  auto letter = [&](std::size_t i) {
    const char c = scanner.byte(at + i);
    return fold && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  };
  const char first = letter(1);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  const char second = letter(2);
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l'))
    return 3;
  if (fold && first == '\xc5' && scanner.byte(at + 2) == '\xbf') return 3;
  return 0;
}

struct SpaceRun {
  std::size_t end;           // After the last white space.
  std::size_t last;          // Where the last one begins.
  std::size_t newlines_end;  // After the last \r or \n; 0: there is none.
};
SpaceRun space_run(const Scanner& scanner, std::size_t at) {
  SpaceRun run{at, at, 0};
  while (!scanner.ends(run.end)) {
    const Character c = scanner.at(run.end);
    if (!is_space(c.kind)) break;
    run.last = run.end;
    run.end += c.length;
    if (c.kind == Class::kNewline) run.newlines_end = run.end;
  }
  return run;
}

// \s+(?!\S)|\s+ : the whole run at the end of the text; else all but its last, unless that is all there is.
std::size_t white_space_end(const Scanner& scanner, const SpaceRun& run, std::size_t at) {
  return scanner.ends(run.end) || run.last == at ? run.end : run.last;
}

std::size_t gpt2_end(const Scanner& scanner, std::size_t at) {
  if (const std::size_t length = contraction(scanner, at, false)) return at + length;
  Character c = scanner.at(at);
  if (is_space(c.kind)) {
    // " ?X+": only U+0020 may lead.
    if (scanner.byte(at) == ' ' && !scanner.ends(at + 1)) {
      const Character next = scanner.at(at + 1);
      if (!is_space(next.kind)) return scanner.run(at + 1 + next.length, next.kind);
    }
    return white_space_end(scanner, space_run(scanner, at), at);
  }
  return scanner.run(at + c.length, c.kind);
}

std::size_t llama3_end(const Scanner& scanner, std::size_t at, int digits_max) {
  if (const std::size_t length = contraction(scanner, at, true)) return at + length;
  const Character c = scanner.at(at);
  if (c.kind == Class::kLetter) return scanner.run(at + c.length, Class::kLetter);
  if (c.kind == Class::kNumber) {
    std::size_t end = at + c.length;
    for (int digits = 1; digits < digits_max && scanner.is(end, Class::kNumber); ++digits)
      end += scanner.at(end).length;
    return end;
  }
  if (c.kind != Class::kNewline && scanner.is(at + c.length, Class::kLetter)) {
    return scanner.run(at + c.length, Class::kLetter);
  }
  const std::size_t marks = scanner.byte(at) == ' ' ? at + 1 : at;
  if (scanner.is(marks, Class::kOther))
    return scanner.run(scanner.run(marks, Class::kOther), Class::kNewline);
  const SpaceRun run = space_run(scanner, at);
  if (run.newlines_end != 0) return run.newlines_end;
  return white_space_end(scanner, run, at);
}

}  // namespace

std::optional<Pretokenizer> find_pretokenizer(std::string_view pre) {
  if (pre == "gpt-2" || pre == "gpt2") return Pretokenizer::kGpt2;
  if (pre == "smollm" || pre == "starcoder" || pre == "refact") return Pretokenizer::kSmollm;
  if (pre == "llama-bpe" || pre == "llama3" || pre == "llama-v3") return Pretokenizer::kLlama3;
  if (pre == "qwen2" || pre == "deepseek-r1-qwen") return Pretokenizer::kQwen2;
  return std::nullopt;
}

namespace {

std::size_t smollm_end(const Scanner& scanner, std::size_t at) {
  const Character first = scanner.at(at);
  if (first.kind == Class::kNumber) return at + first.length;
  // A number ends the text as far as the expression can see: only runs of white space look that far.
  const std::size_t end = gpt2_end(scanner, at);
  if (is_space(first.kind)) {
    const SpaceRun run = space_run(scanner, at);
    if (scanner.is(run.end, Class::kNumber)) return run.end;
  }
  return end;
}

std::size_t end_of(Pretokenizer kind, const Scanner& scanner, std::size_t at) {
  switch (kind) {
    case Pretokenizer::kGpt2:
      return gpt2_end(scanner, at);
    case Pretokenizer::kSmollm:
      return smollm_end(scanner, at);
    case Pretokenizer::kLlama3:
      return llama3_end(scanner, at, 3);
    case Pretokenizer::kQwen2:
      return llama3_end(scanner, at, 1);
  }
  return at + 1;
}

}  // namespace

std::size_t piece_end(Pretokenizer kind, std::string_view text, std::size_t at) {
  return end_of(kind, Scanner(text), at);
}

void for_pieces(Pretokenizer kind, std::string_view text, PieceSink sink, void* context) {
  const Scanner scanner(text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = end_of(kind, scanner, at);
    sink(context, at, end);
    at = end;
  }
}

}  // namespace tsukai::infer
