#include "agent/tool_names.h"

#include "base/hash.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kDigestLetters = 8;

bool allowed(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

}  // namespace

std::string qualified_name(std::string_view server, std::string_view tool) {
  return std::string(server).append(".").append(tool);
}

std::string model_tool_name(std::string_view server, std::string_view tool) {
  std::string name;
  bool changed = false;
  const auto append = [&](std::string_view part) {
    for (char c : part) {
      if (!allowed(c)) changed = true;
      name += allowed(c) ? c : '_';
    }
  };
  append(server);
  name += "__";
  append(tool);
  if (!changed && name.size() <= kModelNameBytesMax) return name;
  name.resize(std::min(name.size(), kModelNameBytesMax - kDigestLetters - 1));
  return name + "_" + sha256_hex(qualified_name(server, tool)).substr(0, kDigestLetters);
}

bool glob_matches(std::string_view glob, std::string_view text) {
  std::size_t g = 0, t = 0, star = std::string_view::npos, star_text = 0;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      star_text = t;
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g;
      ++t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

}  // namespace tsukai::agent
