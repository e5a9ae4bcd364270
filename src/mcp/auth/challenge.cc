#include "mcp/auth/challenge.h"

#include <algorithm>

namespace tsukai::mcp {
namespace {

bool is_token(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

// Reads a header value from left to right.
struct Scanner {
  std::string_view text;

  void skip(std::string_view what) {
    const auto at = text.find_first_not_of(what);
    text = at == std::string_view::npos ? std::string_view() : text.substr(at);
  }
  std::string token() {
    std::size_t end = 0;
    while (end < text.size() && is_token(text[end])) ++end;
    std::string out(text.substr(0, end));
    text.remove_prefix(end);
    return out;
  }
  bool take(char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
  }
  // An unquoted value; servers leave the marks off URLs too, which no token may hold.
  std::string word() {
    const auto end = std::min(text.find_first_of(" \t,"), text.size());
    std::string out(text.substr(0, end));
    text.remove_prefix(end);
    return out;
  }
  std::string quoted() {  // After the opening quotation mark.
    std::string out;
    while (!text.empty() && text.front() != '"') {
      if (text.front() == '\\' && text.size() > 1) text.remove_prefix(1);
      out += text.front();
      text.remove_prefix(1);
    }
    take('"');
    return out;
  }
};

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return text;
}

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view value) {
  std::vector<Challenge> out;
  Scanner scan{value};
  while (true) {
    scan.skip(" \t,");
    if (scan.text.empty()) return out;
    std::string name = scan.token();
    if (name.empty()) {  // Nothing that may begin anything: go on behind the next comma.
      const auto comma = scan.text.find(',');
      if (comma == std::string_view::npos) return out;
      scan.text.remove_prefix(comma);
      continue;
    }
    const bool spaced = !scan.text.empty() && (scan.text.front() == ' ' || scan.text.front() == '\t');
    Scanner ahead = scan;
    ahead.skip(" \t");
    // A name followed by = is a parameter of the scheme before it; any other name is a scheme. (A token68
    // such as Negotiate's has its = only at its end, and stands where no comma came before.)
    if (ahead.take('=') && !out.empty()) {
      scan = ahead;
      scan.skip(" \t");
      std::string text = scan.take('"') ? scan.quoted() : scan.word();
      name = lower(std::move(name));
      auto& parameters = out.back().parameters;
      bool known = false;
      for (const auto& one : parameters) known = known || one.first == name;
      if (!known) parameters.emplace_back(std::move(name), std::move(text));
      continue;
    }
    out.push_back({lower(std::move(name)), {}});
    if (!spaced) continue;
    // A token68 in place of parameters says nothing to us.
    Scanner probe = scan;
    probe.skip(" \t");
    if (!probe.token().empty()) {
      probe.skip("/=");
      probe.skip(" \t");
      const bool ends = probe.text.empty() || probe.text.front() == ',';
      if (ends) scan = probe;
    }
  }
}

std::optional<BearerChallenge> bearer_challenge(const HttpHeaders& headers) {
  for (const auto& [name, value] : headers) {
    if (!equal_ignoring_case(name, "www-authenticate")) continue;
    for (const Challenge& challenge : parse_challenges(value)) {
      if (challenge.scheme != "bearer") continue;
      BearerChallenge out;
      for (const auto& [key, text] : challenge.parameters) {
        if (key == "error") out.error = text;
        if (key == "error_description") out.error_description = text;
        if (key == "scope") out.scope = text;
        if (key == "resource_metadata") out.resource_metadata = text;
      }
      return out;
    }
  }
  return std::nullopt;
}

}  // namespace tsukai::mcp
