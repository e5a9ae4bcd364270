// IP addresses: which of them belong to the public internet.
#pragma once

#include <string>

struct sockaddr;

namespace tsukai {

// False for loopback, private, link-local, shared, documentation, multicast and reserved addresses (IANA's
// special-purpose registries, RFC 6890), also when an IPv6 address only wraps such an IPv4 one; and for
// whatever is neither IPv4 nor IPv6.
bool is_public_address(const sockaddr* address);
// The same for an address as text ("127.0.0.1", "fe80::1"); false when it is none.
bool is_public_address(const std::string& address);

}  // namespace tsukai
