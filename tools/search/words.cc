#include "tools/search/words.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace tsukai::search {
namespace {

// Longer words are no words of a language: keys, base64, numbers without end. They are cut, not left out.
constexpr std::size_t kWordBytesMax = 64;

enum class Kind { kNone, kWord, kCjk };

bool is_cjk(std::int32_t c) {
  return (c >= 0x3041 && c <= 0x30ff && c != 0x30fb) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
         (c >= 0xff66 && c <= 0xff9f) || (c >= 0x20000 && c <= 0x323af) || c == 0x3005 ||
         (c >= 0x31f0 && c <= 0x31ff);
}

Kind kind_of(std::int32_t c) {
  if (c < 0x80) {
    const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return word ? Kind::kWord : Kind::kNone;
  }
  if (is_cjk(c)) return Kind::kCjk;
  switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Kind::kWord;
    default:
      return Kind::kNone;
  }
}

struct Character {
  std::int32_t code = -1;  // -1: malformed.
  std::size_t bytes = 1;
};

Character character_at(std::string_view text, std::size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return {first, 1};
  std::int32_t code = -1;
  const auto read = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + at),
                                     static_cast<utf8proc_ssize_t>(text.size() - at), &code);
  if (read <= 0) return {};
  return {code, static_cast<std::size_t>(read)};
}

std::string mapped(std::string_view text, int options) {
  utf8proc_uint8_t* out = nullptr;
  const auto size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                 static_cast<utf8proc_ssize_t>(text.size()), &out,
                                 static_cast<utf8proc_option_t>(options | UTF8PROC_STABLE));
  std::string result = size < 0 ? std::string(text)
                                : std::string(reinterpret_cast<char*>(out), static_cast<std::size_t>(size));
  std::free(out);  // utf8proc allocates with malloc.
  return result;
}

std::string folded(std::string_view word) {
  std::string form;
  form.reserve(word.size());
  for (const char c : word) {
    if (static_cast<unsigned char>(c) >= 0x80) {
      return mapped(word, UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD | UTF8PROC_STRIPMARK |
                              UTF8PROC_IGNORE);
    }
    form += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return form;
}

// Half-width katakana as full-width; composed, so that が stays one character.
std::string canonical(std::string_view character) {
  const bool rare = character.size() == 3 && static_cast<unsigned char>(character[0]) == 0xef;
  return rare ? mapped(character, UTF8PROC_COMPAT | UTF8PROC_COMPOSE) : std::string(character);
}

// One pass over the text; runs of one kind become words when they end.
class Splitter {
 public:
  explicit Splitter(std::string_view text) : text_(text) {}

  std::vector<Word> split() {
    for (std::size_t at = 0; at < text_.size();) {
      const Character c = character_at(text_, at);
      const Kind kind = c.code < 0 ? Kind::kNone : kind_of(c.code);
      if (kind != open_) end_run(at);
      if (kind != open_) open_ = kind, begin_ = at;
      if (kind == Kind::kCjk) cjk(at, c.bytes);
      at += c.bytes;
    }
    end_run(text_.size());
    return std::move(all_);
  }

 private:
  void cjk(std::size_t at, std::size_t bytes) {
    std::string character = canonical(text_.substr(at, bytes));
    if (!last_.empty()) all_.push_back({last_ + character, last_begin_, at + bytes, true});
    last_ = std::move(character);
    last_begin_ = at;
  }

  void end_run(std::size_t end) {
    if (open_ == Kind::kCjk) {
      all_.push_back({std::move(last_), last_begin_, end, true});
      last_.clear();
    } else if (open_ == Kind::kWord) {
      std::string_view word = text_.substr(begin_, end - begin_);
      if (word.size() > kWordBytesMax) {
        std::size_t cut = kWordBytesMax;
        while ((static_cast<unsigned char>(word[cut]) & 0xc0) == 0x80) --cut;
        word = word.substr(0, cut);
      }
      std::string form = stem(folded(word));
      if (!form.empty()) all_.push_back({std::move(form), begin_, end, false});
    }
    open_ = Kind::kNone;
  }

  std::string_view text_;
  std::vector<Word> all_;
  Kind open_ = Kind::kNone;
  std::size_t begin_ = 0, last_begin_ = 0;
  std::string last_;  // The CJK character just before, in a run.
};

}  // namespace

std::vector<Word> words(std::string_view text) { return Splitter(text).split(); }

std::string index_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const Word& word : words(text)) {
    if (!out.empty()) out += ' ';
    out += word.form;
  }
  return out;
}

std::int64_t characters_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; });
}

}  // namespace tsukai::search
