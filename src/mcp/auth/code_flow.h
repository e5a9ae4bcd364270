// The authorization code flow with a browser: open, wait for the redirect, trade the code for tokens.
#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/http_client.h"
#include "mcp/auth/metadata_fetch.h"
#include "mcp/auth/redirect_listener.h"
#include "mcp/auth/token_request.h"

namespace tsukai::mcp {

// Shows an address to a person: starts a browser, prints it. Returns when that is done, not when the person
// is; an error ends the login. In tests it is a plain GET that follows redirects.
using OpenUrl = std::function<Task<void>(std::string url)>;

struct CodeFlow {
  Guard guard;
  ClientIdentity client;
  std::string scope;
  OpenUrl open;
  std::chrono::milliseconds patience{300'000};  // For the person.
  const Clock* clock = nullptr;
};

// kDenied: refused by the person or the authorization server (`oauth_error` says how the token endpoint put
// it). kTimeout: nobody came back.
Task<TokenSet> run_code_flow(HttpClient& http, RedirectListener& listener, CodeFlow flow,
                             std::string* oauth_error);

// One request to the token endpoint.
Task<TokenSet> fetch_tokens(HttpClient& http, AuthorizationServer server, ClientIdentity client, Fields grant,
                            std::string scope_asked, const Clock* clock, std::string* oauth_error);

// Dynamic registration at `server` (RFC 7591).
Task<ClientIdentity> register_client(HttpClient& http, AuthorizationServer server, std::string redirect_uri,
                                     std::string scope);

}  // namespace tsukai::mcp
