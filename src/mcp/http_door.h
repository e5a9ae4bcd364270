// HttpDoor: requests to one MCP server over HTTP, with the headers of its configuration and its Authorizer's.
#pragma once

#include <memory>
#include <string>

#include "base/http_client.h"
#include "mcp/client_link.h"

namespace tsukai::mcp {

// Shared by the coroutines of one link.
class HttpDoor {
 public:
  HttpDoor(asio::any_io_executor executor, const ServerConfig& config, std::shared_ptr<Authorizer> authorizer,
           OnMessage trace);

  const std::string& name() const { return name_; }
  const std::string& url() const { return url_; }

  // Sends a request; `headers` come first, then those of the configuration. A refusal (401, or 403 with
  // WWW-Authenticate) that the Authorizer can mend is tried again; any other answer is given as it is.
  static Task<std::unique_ptr<HttpStream>> open(std::shared_ptr<HttpDoor> door, std::string method,
                                                std::string url, HttpHeaders headers, std::string body);
  void show(Direction direction, std::string_view text) const {
    if (trace_) trace_(direction, text);
  }

  // What an unwelcome answer means: kDenied for 401 and 403, else kTransport. `body` is what it said.
  Error refusal(int status, const std::string& body) const;

 private:
  std::string name_, url_;
  HttpHeaders headers_;
  std::shared_ptr<Authorizer> authorizer_;
  OnMessage trace_;
  std::unique_ptr<HttpClient> client_;
};

// All of a body, at most one message's worth.
Task<std::string> read_body(HttpStream& stream);

}  // namespace tsukai::mcp
