// Fetching one file over HTTP: resumed where it broke off, checked against its SHA-256, put in place whole.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "base/http.h"
#include "base/task.h"

namespace tsukai {
class HttpClient;
}

namespace tsukai::infer {

struct DownloadRequest {
  std::string url;
  std::string path;         // Where the file shall be; its folder exists.
  std::uint64_t bytes = 0;  // 0: whatever the server says.
  std::string sha256;       // Empty: not checked, only told.
  HttpHeaders headers;      // Sent to the URL's own origin only.
  std::uint64_t bytes_max = std::uint64_t{1} << 42;
  int retries_max = 5;                           // In a row without one new byte.
  std::chrono::milliseconds retry_pause{1'000};  // Doubled each time, up to 16 times this.
  std::chrono::milliseconds idle_timeout{
      30'000};  // Without one byte: the connection is given up and made anew.
  // Bytes there are, and in all (0: not known yet). Called on the executor.
  std::function<void(std::uint64_t, std::uint64_t)> on_progress;
};

struct Downloaded {
  std::uint64_t bytes = 0;          // Of the file.
  std::uint64_t bytes_fetched = 0;  // By this call; the rest was there from an earlier one.
  std::string sha256;
};

// Writes PATH.part, and renames it to PATH when it is complete and right. A file that is cut, or a connection
// that stalls, is taken up again where it ended; PATH.part stays on failure, so that a later call goes on
// from it. A PATH that is there already is checked, not fetched again.
//   kProtocol: the server lies (other bytes than the SHA-256 says, another size, another range); PATH.part is
//   then emptied.  kNotFound, kDenied: 404; 401 and 403.  kTransport, kTimeout: after the retries.
//   kExhausted: the disk is full, the file is over bytes_max, or another process is fetching it.
Task<Downloaded> download(HttpClient& client, DownloadRequest request);

}  // namespace tsukai::infer
