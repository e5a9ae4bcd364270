#include "base/address.h"

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/un.h>

using namespace tsukai;

TEST_SUITE("base/address") {
  TEST_CASE("addresses of the public internet are told from all others") {
    for (const char* address :
         {"1.1.1.1", "8.8.8.8", "172.15.255.255", "172.32.0.0", "100.63.0.1", "192.0.1.1", "223.255.255.255",
          "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"}) {
      CAPTURE(address);
      CHECK(is_public_address(std::string(address)));
    }
    for (const char* address : {"0.0.0.0",
                                "10.1.2.3",
                                "100.64.0.1",
                                "127.0.0.1",
                                "127.255.0.1",
                                "169.254.169.254",
                                "172.16.0.1",
                                "172.31.255.255",
                                "192.168.1.1",
                                "192.0.2.7",
                                "198.18.0.1",
                                "198.19.255.255",
                                "224.0.0.1",
                                "255.255.255.255",
                                "::",
                                "::1",
                                "fe80::1",
                                "fc00::1",
                                "fd12::1",
                                "ff02::1",
                                "2001:db8::1",
                                "2001::1",
                                "::ffff:127.0.0.1",
                                "::ffff:10.0.0.1",
                                "64:ff9b::7f00:1",
                                "2002:7f00:1::1",
                                "::127.0.0.1",
                                "3fff::1",
                                "localhost",
                                "",
                                "1.1.1",
                                "0x7f.1"}) {
      CAPTURE(address);
      CHECK_FALSE(is_public_address(std::string(address)));
    }
  }

  TEST_CASE("a socket that is no IP socket is not public") {
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    CHECK_FALSE(is_public_address(reinterpret_cast<const sockaddr*>(&local)));
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_addr.s_addr = htonl(0x08080808);
    CHECK(is_public_address(reinterpret_cast<const sockaddr*>(&four)));
  }
}
