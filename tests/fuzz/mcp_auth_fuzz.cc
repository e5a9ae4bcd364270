// Whatever a server says when it wants a login, reading it ends; a form that was printed reads back as it
// was.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "mcp/auth/challenge.h"
#include "mcp/auth/code_request.h"
#include "mcp/auth/discovery.h"
#include "mcp/auth/token_request.h"
#include "mcp/auth/web_address.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tsukai;
  using namespace tsukai::mcp;
  const std::string text(reinterpret_cast<const char*>(data), size);
  (void)bearer_challenge({{"WWW-Authenticate", text}});
  const auto fields = parse_form(text);
  if (parse_form(form_text(Fields(fields.begin(), fields.end()))) != fields) std::abort();
  (void)protected_resource_urls(text, "");
  (void)authorization_server_urls(text);
  (void)code_of_redirect(text, default_endpoints("https://a.example"), new_code_request("r", "s", ""));
  (void)parse_token_response(200, text, "", 0, nullptr);
  if (const auto document = parse_json(text)) {
    (void)parse_protected_resource(*document, "https://x.example/mcp");
    (void)parse_authorization_server(*document, "https://a.example", "https://x.example/mcp");
    (void)parse_registration(*document, default_endpoints("https://a.example"), "r");
  }
  return 0;
}
