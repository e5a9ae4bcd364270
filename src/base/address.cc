#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace tsukai {
namespace {

struct Block {
  std::uint32_t start = 0;
  int bits = 0;
};

constexpr std::uint32_t v4(std::uint32_t a, std::uint32_t b, std::uint32_t c = 0) {
  return a << 24 | b << 16 | c << 8;
}
constexpr auto kSpecial = std::to_array<Block>({
    {v4(0, 0), 8},        // this network
    {v4(10, 0), 8},       // private
    {v4(100, 64), 10},    // shared by a provider's customers
    {v4(127, 0), 8},      // loopback
    {v4(169, 254), 16},   // link-local, also where clouds tell machines their secrets
    {v4(172, 16), 12},    // private
    {v4(192, 0), 24},     // protocol assignments
    {v4(192, 0, 2), 24},  // documentation
    {v4(192, 88, 99), 24},
    {v4(192, 168), 16},  // private
    {v4(198, 18), 15},   // benchmarks
    {v4(198, 51, 100), 24},
    {v4(203, 0, 113), 24},
    {v4(224, 0), 3},  // multicast, reserved, broadcast
});

bool is_public_v4(std::uint32_t address) {
  return std::none_of(kSpecial.begin(), kSpecial.end(),
                      [&](const Block& block) { return (address ^ block.start) >> (32 - block.bits) == 0; });
}

bool is_public_v6(const unsigned char* bytes) {
  const auto starts = [&](std::initializer_list<int> prefix) {
    return std::equal(prefix.begin(), prefix.end(), bytes, [](int a, unsigned char b) { return a == b; });
  };
  const auto wrapped = [&](int at) {
    return static_cast<std::uint32_t>(bytes[at]) << 24 | static_cast<std::uint32_t>(bytes[at + 1]) << 16 |
           static_cast<std::uint32_t>(bytes[at + 2]) << 8 | bytes[at + 3];
  };
  // IPv4-mapped, NAT64 and 6to4 addresses lead to the IPv4 address inside.
  if (starts({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff})) return is_public_v4(wrapped(12));
  if (starts({0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0})) return is_public_v4(wrapped(12));
  if (starts({0x20, 0x02})) return is_public_v4(wrapped(2));
  // Only 2000::/3 is given out; within it Teredo and other protocols (2001::/23), documentation.
  if ((bytes[0] & 0xe0) != 0x20) return false;
  if (starts({0x20, 0x01}) && bytes[2] < 2) return false;
  if (starts({0x20, 0x01, 0x0d, 0xb8})) return false;
  return !(starts({0x3f, 0xff}) && bytes[2] < 0x10);
}

}  // namespace

bool is_public_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    return is_public_v4(ntohl(in.sin_addr.s_addr));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    return is_public_v6(in.sin6_addr.s6_addr);
  }
  return false;
}

bool is_public_address(const std::string& address) {
  in_addr four{};
  if (inet_pton(AF_INET, address.c_str(), &four) == 1) return is_public_v4(ntohl(four.s_addr));
  in6_addr six{};
  return inet_pton(AF_INET6, address.c_str(), &six) == 1 && is_public_v6(six.s6_addr);
}

}  // namespace tsukai
