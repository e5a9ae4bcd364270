// HTTP as values: what client and server share.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace tsukai {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// `reference` as seen from `base` (RFC 3986, 5): absolute. kInvalidArgument: one of them is no http URL.
Result<std::string> resolve_url(const std::string& base, const std::string& reference);
// "https://example.org:443"; empty when `url` is no URL.
std::string url_origin(const std::string& url);

// The first header of that name (case does not matter); nullptr when absent.
const std::string* find_header(const HttpHeaders& headers, std::string_view name);
// The same, as text; empty when absent.
std::string header_text(const HttpHeaders& headers, std::string_view name);

// "OK" for 200; "Unknown" for what is not in RFC 9110.
std::string_view reason_phrase(int status);

bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace tsukai
