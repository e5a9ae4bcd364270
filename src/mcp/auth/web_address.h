// The few things that authorization needs to know of a URL, and of its query strings.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tsukai::mcp {

// An absolute http or https URL in the parts that matter here.
struct WebAddress {
  std::string origin;  // "https://example.com:8443": lower case, without a default port.
  std::string path;    // "/mcp"; empty for none.
  std::string query;   // Without "?".
  bool secure = false;
  bool loopback = false;  // localhost, 127.0.0.0/8 or [::1].
};

// kInvalidArgument: not an absolute http(s) URL, or one with a user name or a fragment.
Result<WebAddress> parse_web_address(std::string_view url);

// Whether credentials may travel to `to` on behalf of a server at `server`: https, or plain http when both
// are on this machine. What a server on the network names must not make us call services of this machine.
bool may_carry_credentials(const WebAddress& to, const WebAddress& server);

using Fields = std::vector<std::pair<std::string, std::string>>;

// application/x-www-form-urlencoded (WHATWG URL, section 5.2), in the order given.
std::string form_text(const Fields& fields);
std::string form_escaped(std::string_view text);
// The last of fields of one name wins. Malformed escapes stay as they are.
std::map<std::string, std::string> parse_form(std::string_view text);

// `url` with these fields added to its query.
std::string with_query(const std::string& url, const Fields& fields);

}  // namespace tsukai::mcp
