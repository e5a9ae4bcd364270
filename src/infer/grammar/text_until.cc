// Free text up to a fixed mark, as a lexeme: the marks' prefixes (Aho and Corasick 1975) times the states
// inside a UTF-8 character.
#include <algorithm>
#include <map>

#include "infer/grammar/compiled.h"
#include "infer/grammar/dfa.h"

namespace tsukai::infer {
namespace {

using grammar::RawDfa;

constexpr std::size_t kStopBytesMax = 256;

// Does some end of `text` begin it too? Then text before a mark and the mark could be read in two ways.
bool overlaps_itself(const std::string& text) {
  for (std::size_t length = 1; length < text.size(); ++length) {
    if (text.ends_with(std::string_view(text).substr(0, length))) return true;
  }
  return false;
}

class StopBuilder {
 public:
  explicit StopBuilder(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  RawDfa build() {
    state_of("");
    add_tails();
    for (std::size_t i = 0; i < prefixes_.size(); ++i) {  // Grows while it is walked.
      for (int byte = 0; byte < 128; ++byte) {
        const std::string text = prefixes_[i].second + static_cast<char>(byte);
        if (std::ranges::any_of(stops_, [&](const std::string& stop) { return text.ends_with(stop); }))
          continue;
        const std::uint32_t to = state_of(longest_prefix(text));
        raw_.states[prefixes_[i].first].next[static_cast<std::size_t>(byte)] = to;
      }
      begin_characters(prefixes_[i].first);
    }
    return std::move(raw_);
  }

 private:
  std::uint32_t state_of(const std::string& prefix) {
    const auto [found, fresh] = states_.emplace(prefix, 0);
    if (fresh) {
      found->second = raw_.add();
      raw_.states[found->second].accept = raw_.states[found->second].counts = true;
      prefixes_.emplace_back(found->second, prefix);
    }
    return found->second;
  }

  std::string longest_prefix(const std::string& text) const {
    for (std::size_t from = 0; from < text.size(); ++from) {
      const std::string end = text.substr(from);
      if (std::ranges::any_of(stops_, [&](const std::string& stop) { return stop.starts_with(end); }))
        return end;
    }
    return "";
  }

  void range(std::uint32_t from, int low, int high, std::uint32_t to) {
    for (int byte = low; byte <= high; ++byte) raw_.states[from].next[static_cast<std::size_t>(byte)] = to;
  }

  // No mark holds a byte of these characters, so all of them lead back to the start.
  void add_tails() {
    one_ = raw_.add(), two_ = raw_.add(), three_ = raw_.add();
    range(one_, 0x80, 0xbf, 0);
    range(two_, 0x80, 0xbf, one_);
    range(three_, 0x80, 0xbf, two_);
    e0_ = raw_.add(), ed_ = raw_.add(), f0_ = raw_.add(), f4_ = raw_.add();
    range(e0_, 0xa0, 0xbf, one_);
    range(ed_, 0x80, 0x9f, one_);
    range(f0_, 0x90, 0xbf, two_);
    range(f4_, 0x80, 0x8f, two_);
  }
  void begin_characters(std::uint32_t from) {
    range(from, 0xc2, 0xdf, one_);
    range(from, 0xe0, 0xe0, e0_);
    range(from, 0xe1, 0xec, two_);
    range(from, 0xed, 0xed, ed_);
    range(from, 0xee, 0xef, two_);
    range(from, 0xf0, 0xf0, f0_);
    range(from, 0xf1, 0xf3, three_);
    range(from, 0xf4, 0xf4, f4_);
  }

  std::vector<std::string> stops_;
  RawDfa raw_;
  std::map<std::string, std::uint32_t> states_;
  std::vector<std::pair<std::uint32_t, std::string>> prefixes_;
  std::uint32_t one_ = 0, two_ = 0, three_ = 0, e0_ = 0, ed_ = 0, f0_ = 0, f4_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Grammar>> Grammar::text_until(std::vector<std::string> stops) {
  for (const std::string& stop : stops) {
    const bool ascii = std::ranges::all_of(stop, [](unsigned char c) { return c < 0x80; });
    if (stop.empty() || stop.size() > kStopBytesMax || !ascii || overlaps_itself(stop)) {
      return fail(Code::kInvalidArgument, "text until \"" + stop +
                                              "\": the mark is empty, too long, not ASCII, or "
                                              "begins with what it ends with");
    }
  }
  grammar::Program program;
  const auto root = program.lexeme({grammar::Dfa::finish(StopBuilder(std::move(stops)).build())});
  program.finish(root);
  return std::shared_ptr<const Grammar>(std::make_shared<grammar::Compiled>(std::move(program)));
}

}  // namespace tsukai::infer
