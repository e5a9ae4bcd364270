#include "mcp/auth/web_address.h"

#include <fmt/format.h>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "base/http.h"

namespace tsukai::mcp {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host.ends_with(".localhost") ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
               hex_value(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

Result<WebAddress> parse_web_address(std::string_view url) {
  const auto wrong = [&](const char* why) {
    return tsukai::fail(Code::kInvalidArgument, fmt::format("\"{}\" {}", url.substr(0, 200), why));
  };
  const auto parsed = boost::urls::parse_uri(boost::core::string_view(url.data(), url.size()));
  if (!parsed) return wrong("is no absolute URL");
  const boost::urls::url_view& view = *parsed;
  const std::string scheme = lower(std::string_view(view.scheme().data(), view.scheme().size()));
  if (scheme != "http" && scheme != "https") return wrong("is no http or https URL");
  const auto host = view.encoded_host();
  if (host.empty()) return wrong("names no host");
  if (view.has_userinfo()) return wrong("holds a user name, which has no place there");
  if (view.has_fragment()) return wrong("has a fragment (#), which has no place there");
  WebAddress out;
  out.secure = scheme == "https";
  const std::string name = lower(std::string_view(host.data(), host.size()));
  out.loopback = is_loopback(name);
  out.origin = scheme + "://" + name;
  const std::string port(view.port().data(), view.port().size());
  if (!port.empty() && port != (out.secure ? "443" : "80")) out.origin += ":" + port;
  out.path.assign(view.encoded_path().data(), view.encoded_path().size());
  out.query.assign(view.encoded_query().data(), view.encoded_query().size());
  return out;
}

bool may_carry_credentials(const WebAddress& to, const WebAddress& server) {
  return to.secure ? !to.loopback || server.loopback : to.loopback && server.loopback;
}

std::string form_escaped(std::string_view text) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '*';
    if (plain) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

std::string form_text(const Fields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) {
    out += (out.empty() ? "" : "&") + form_escaped(name) + "=" + form_escaped(value);
  }
  return out;
}

std::map<std::string, std::string> parse_form(std::string_view text) {
  std::map<std::string, std::string> out;
  while (!text.empty()) {
    const auto end = text.find('&');
    const auto pair = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    const bool valueless = equals == std::string_view::npos;
    out[unescaped(pair.substr(0, equals))] = valueless ? std::string() : unescaped(pair.substr(equals + 1));
  }
  return out;
}

std::string with_query(const std::string& url, const Fields& fields) {
  if (fields.empty()) return url;
  const auto mark = url.find('?');
  const char* joint = mark == std::string::npos                     ? "?"
                      : mark + 1 == url.size() || url.back() == '&' ? ""
                                                                    : "&";
  return url + joint + form_text(fields);
}

}  // namespace tsukai::mcp
