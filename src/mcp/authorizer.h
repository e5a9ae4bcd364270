// Authorizer: gives requests to an HTTP server their credentials, and mends what the server refused.
#pragma once

#include <string>

#include "base/http.h"
#include "base/task.h"

namespace tsukai::mcp {

// A server's refusal: 401, or 403 with a WWW-Authenticate header.
struct AuthChallenge {
  std::string url;      // Of the server, as configured.
  int status = 0;       // 401 or 403.
  HttpHeaders headers;  // Of the response.
  int attempt = 1;      // 1 for the first refusal of this one request.
  HttpHeaders sent;     // What headers() had given for the refused request: another request may have
                        // brought something newer since.
};

// Lives on the client's executor; may be shared by clients of one server. Calls may overlap: two requests
// refused at once ask twice. A static Authorization header in the configuration wins: then nobody is asked.
class Authorizer {
 public:
  // Refusals of one request that are passed on; the next one is the request's error (kDenied), so that an
  // Authorizer that always says yes can't turn for ever.
  static constexpr int kAttemptsMax = 8;

  virtual ~Authorizer() = default;
  // Headers for one request to `url` (usually Authorization), asked for before every request; it may refresh
  // a token. Empty: none known yet. An error ends the request.
  virtual Task<HttpHeaders> headers(std::string url) = 0;
  // True: send the same request again, with headers() asked anew. False: nothing can be done, so the status
  // stands. An error ends the request.
  virtual Task<bool> answer(AuthChallenge challenge) = 0;
};

}  // namespace tsukai::mcp
