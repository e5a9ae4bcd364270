#include <fmt/format.h>
#include <array>
#include <utility>

#include "base/text.h"
#include "memory/memory.h"

namespace tsukai::memory {
namespace {

constexpr std::size_t kScopeValueBytesMax = 256;

using Member = std::string Scope::*;
constexpr std::array<std::pair<std::string_view, Member>, 4> kKeys = {{{"tenant", &Scope::tenant},
                                                                       {"user", &Scope::user},
                                                                       {"agent", &Scope::agent},
                                                                       {"session", &Scope::session}}};

Result<Member> member_named(std::string_view key) {
  std::vector<std::string> names;
  for (const auto& [name, member] : kKeys) {
    if (name == key) return member;
    names.emplace_back(name);
  }
  const std::string nearest = nearest_name(key, names);
  return fail(Code::kInvalidArgument,
              fmt::format("scope: unknown key \"{}\"{}", key,
                          nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest)),
              "write key=value[,key=value] with keys tenant, user, agent, session");
}

}  // namespace

Result<Scope> Scope::parse(std::string_view text) {
  Scope scope;
  if (trimmed(text).empty()) return scope;
  for (const auto& part : split(text, ',')) {
    const auto equals = part.find('=');
    if (equals == std::string::npos) {
      return fail(Code::kInvalidArgument, fmt::format("scope: \"{}\" has no \"=\"", trimmed(part)),
                  "write key=value[,key=value], for example user=mika");
    }
    const std::string_view key = trimmed(std::string_view(part).substr(0, equals));
    const std::string_view value = trimmed(std::string_view(part).substr(equals + 1));
    TSUKAI_TRY(const Member member, member_named(key));
    if (value.empty()) return fail(Code::kInvalidArgument, fmt::format("scope: \"{}\" has no value", key));
    if (value.size() > kScopeValueBytesMax) {
      return fail(Code::kInvalidArgument, fmt::format("scope: the value of \"{}\" is longer than {} bytes",
                                                      key, kScopeValueBytesMax));
    }
    if (!(scope.*member).empty())
      return fail(Code::kInvalidArgument, fmt::format("scope: \"{}\" is given twice", key));
    scope.*member = value;
  }
  return scope;
}

std::string Scope::print() const {
  std::string out;
  for (const auto& [name, member] : kKeys) {
    if ((this->*member).empty()) continue;
    if (!out.empty()) out += ',';
    out += fmt::format("{}={}", name, this->*member);
  }
  return out;
}

}  // namespace tsukai::memory
