#include "tools/search/query.h"

#include <algorithm>

#include "base/text.h"

namespace tsukai::search {
namespace {

// The forms of consecutive CJK words [from, to) as a term: all pairs, or the one character when there is only
// that.
Term cjk_term(std::string_view text, const std::vector<Word>& all, std::size_t from, std::size_t to) {
  Term term;
  term.text = std::string(text.substr(all[from].begin, all[to - 1].end - all[from].begin));
  if (to - from == 1) {
    term.forms.push_back(all[from].form);
    term.prefix = true;
  }
  for (std::size_t i = from; i + 1 < to; ++i) term.forms.push_back(all[i].form);
  return term;
}

// A run ends with its single last character.
std::size_t run_end(const std::vector<Word>& all, std::size_t from) {
  std::size_t to = from + 1;
  while (to < all.size() && all[to].cjk && all[to].begin < all[to - 1].end) ++to;
  return to;
}

void add_loose(std::string_view text, std::vector<Term>& terms) {
  const auto all = words(text);
  for (std::size_t i = 0; i < all.size();) {
    if (all[i].cjk) {
      const std::size_t end = run_end(all, i);
      terms.push_back(cjk_term(text, all, i, end));
      i = end;
    } else {
      terms.push_back({std::string(text.substr(all[i].begin, all[i].end - all[i].begin)), {all[i].form}});
      ++i;
    }
  }
}

void add_phrase(std::string_view text, std::vector<Term>& terms) {
  const auto all = words(text);
  Term term;
  term.text = std::string(trimmed(text));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool last_alone = all[i].cjk && i > 0 && all[i - 1].cjk && all[i].begin < all[i - 1].end &&
                            (i + 1 == all.size() || all[i + 1].begin >= all[i].end);
    // The last character of a run stands alone in the text only where its run ends; the phrase may end
    // earlier.
    if (last_alone && i + 1 == all.size()) break;
    term.forms.push_back(all[i].form);
  }
  if (term.forms.size() == 1 && all.size() == 1 && all[0].cjk) term.prefix = true;
  if (!term.forms.empty()) terms.push_back(std::move(term));
}

}  // namespace

std::string Term::expression() const {
  std::string out = "\"";
  for (const std::string& form : forms) {
    if (out.size() > 1) out += ' ';
    out += form;  // Letters and digits only.
  }
  return out + (prefix ? "\"*" : "\"");
}

std::size_t Term::matches(const std::vector<Word>& words, std::size_t at) const {
  if (at + forms.size() > words.size()) return 0;
  if (prefix) return words[at].form.starts_with(forms[0]) ? 1 : 0;
  for (std::size_t i = 0; i < forms.size(); ++i) {
    if (words[at + i].form != forms[i]) return 0;
  }
  return forms.size();
}

Result<std::vector<Term>> parse_query(std::string_view query) {
  std::vector<Term> terms;
  for (std::size_t at = 0; at < query.size();) {
    const std::size_t quote = query.find('"', at);
    add_loose(query.substr(at, quote == std::string_view::npos ? quote : quote - at), terms);
    if (quote == std::string_view::npos) break;
    const std::size_t close = query.find('"', quote + 1);
    if (close == std::string_view::npos) {
      add_loose(query.substr(quote + 1), terms);
      break;
    }
    add_phrase(query.substr(quote + 1, close - quote - 1), terms);
    at = close + 1;
  }
  std::vector<Term> kept;
  const auto add = [&](const Term& term) {
    const bool known = std::any_of(kept.begin(), kept.end(), [&](const Term& other) {
      return other.forms == term.forms && other.prefix == term.prefix;
    });
    if (!known && kept.size() < kTermsMax) kept.push_back(term);
  };
  for (const Term& term : terms) {
    if (term.forms.size() > 1 || !is_stop_word(term.forms[0])) add(term);
  }
  if (kept.empty()) std::for_each(terms.begin(), terms.end(), add);
  if (kept.empty()) {
    return fail(Code::kInvalidArgument, "query holds no word to look for",
                "give one or more words, for example: coffee old gate");
  }
  return kept;
}

std::vector<Term> loosened(const Term& term) {
  const auto all = words(term.text);
  if (term.forms.size() < 2 || all.empty() || !all[0].cjk) return {term};
  std::vector<Term> pairs;
  for (const std::string& form : term.forms) {
    if (pairs.size() < kTermsMax) pairs.push_back({form, {form}});
  }
  return pairs;
}

}  // namespace tsukai::search
