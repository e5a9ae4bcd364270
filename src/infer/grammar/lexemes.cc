#include "infer/grammar/lexemes.h"

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/json.h"
#include "base/result.h"

namespace tsukai::infer::grammar {
namespace {

// RFC 3339. Years from 0001, days as the month has them, no leap seconds.
#define TSUKAI_LEAP "(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)"
#define TSUKAI_DATE                                                                                     \
  "(?:(?:[1-9]\\d{3}|0[1-9]\\d\\d|00[1-9]\\d|000[1-9])-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|" \
  "(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))|" TSUKAI_LEAP "-02-29)"
#define TSUKAI_TIME \
  "(?:[01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(?:\\.\\d{1,9})?(?:Z|[+-](?:[01]\\d|2[0-3]):[0-5]\\d)"
#define TSUKAI_LABEL "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
#define TSUKAI_HOST "(?:" TSUKAI_LABEL "\\.){0,8}" TSUKAI_LABEL
#define TSUKAI_ATOM "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
#define TSUKAI_OCTET "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define TSUKAI_PATH "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})"

const std::map<std::string_view, std::string_view>& formats() {
  static const std::map<std::string_view, std::string_view> table{
      {"date", TSUKAI_DATE},
      {"time", TSUKAI_TIME},
      {"date-time", TSUKAI_DATE "T" TSUKAI_TIME},
      {"email",
       TSUKAI_ATOM "{1,32}(?:\\." TSUKAI_ATOM "{1,32}){0,3}@" TSUKAI_LABEL "(?:\\." TSUKAI_LABEL "){1,4}"},
      {"uuid", "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"},
      {"ipv4", TSUKAI_OCTET "(?:\\." TSUKAI_OCTET "){3}"},
      {"hostname", TSUKAI_HOST},
      {"uri", "[A-Za-z][A-Za-z0-9+.-]{0,31}:(?://" TSUKAI_HOST "(?::\\d{1,5})?(?:/" TSUKAI_PATH
              "*)*|" TSUKAI_PATH "+)(?:\\?(?:" TSUKAI_PATH "|[/?])*)?(?:#(?:" TSUKAI_PATH "|[/?])*)?"},
  };
  return table;
}

}  // namespace

const std::shared_ptr<const Dfa>& any_string() {
  static const std::shared_ptr<const Dfa> dfa = [] {
    Nfa nfa;
    const auto body = nfa.add();
    nfa.character(body, complement({}), Spelling::kJsonAny, body);
    auto made = nfa.determinise(body, body, true);
    TSUKAI_CHECK(made.has_value(), "the automaton of JSON strings");
    return *made;
  }();
  return dfa;
}

const std::shared_ptr<const Dfa>& canonical_string() {
  static const std::shared_ptr<const Dfa> dfa = [] {
    auto made = compile_regex("", {.search = true, .quoted = true});
    TSUKAI_CHECK(made.has_value(), "the automaton of canonical JSON strings");
    return *made;
  }();
  return dfa;
}

const std::shared_ptr<const Dfa>& no_string() {
  static const std::shared_ptr<const Dfa> dfa = [] {
    RawDfa raw;
    raw.add();
    return Dfa::finish(raw);
  }();
  return dfa;
}

std::shared_ptr<const Dfa> only_strings(const std::set<std::string>& strings, std::size_t states_max) {
  RawDfa raw;
  raw.add();
  for (const auto& text : strings) {
    std::uint32_t at = 0;
    for (const char c : print_json(Json(text))) {
      auto next = raw.states[at].next[static_cast<unsigned char>(c)];
      if (next == kDead) {
        next = raw.add();
        raw.states[at].next[static_cast<unsigned char>(c)] = next;
        if (raw.states.size() > states_max) return nullptr;
      }
      at = next;
    }
    raw.states[at].accept = true;
  }
  const auto spelled = Dfa::finish(raw);
  return texts_of_both(*canonical_string(), *spelled, states_max);  // For the characters.
}

std::shared_ptr<const Dfa> any_string_but(const std::set<std::string>& excluded, std::size_t states_max) {
  const Dfa& dfa = *canonical_string();
  // The names as they are spelled, in a trie; a state is one of `dfa` and a trie node, or kDead once off the
  // trie.
  std::vector<std::map<char, std::uint32_t>> trie(1);
  std::set<std::uint32_t> names;
  for (const auto& name : excluded) {
    std::uint32_t at = 0;
    for (char c : print_json(Json(name))) {
      auto [it, added] = trie[at].try_emplace(c, static_cast<std::uint32_t>(trie.size()));
      at = it->second;
      if (added) trie.emplace_back();
      if (trie.size() > states_max) return nullptr;
    }
    names.insert(at);
  }
  RawDfa raw;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> ids;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> places;
  auto intern = [&](std::uint32_t state, std::uint32_t node) {
    auto [it, added] = ids.try_emplace({state, node}, static_cast<std::uint32_t>(places.size()));
    if (added) {
      places.emplace_back(state, node);
      auto& made = raw.states[raw.add()];
      made.accept = dfa.state(state).accept && !(node != kDead && names.contains(node));
      made.counts = dfa.state(state).counts;
    }
    return it->second;
  };
  intern(0, 0);
  for (std::uint32_t i = 0; i < places.size(); ++i) {
    const auto [state, node] = places[i];
    for (int b = 0; b < 256; ++b) {
      const auto next = dfa.next(state, static_cast<unsigned char>(b));
      if (next == kDead) continue;
      std::uint32_t on = kDead;
      if (node != kDead) {
        if (auto it = trie[node].find(static_cast<char>(b)); it != trie[node].end()) on = it->second;
      }
      const auto target = intern(next, on);
      raw.states[i].next[b] = target;
    }
  }
  return Dfa::finish(raw);
}

std::shared_ptr<const Dfa> format_string(std::string_view format) {
  static std::mutex mutex;
  static std::map<std::string_view, std::shared_ptr<const Dfa>> made;
  auto it = formats().find(format);
  if (it == formats().end()) return nullptr;
  const std::lock_guard lock(mutex);
  auto& dfa = made[it->first];
  if (!dfa) {
    auto compiled = compile_regex(it->second, {.quoted = true});
    TSUKAI_CHECK(compiled.has_value(), compiled ? "" : compiled.error().text());
    dfa = *compiled;
  }
  return dfa;
}

}  // namespace tsukai::infer::grammar
