#include "base/base64.h"

#include <doctest/doctest.h>

using namespace tsukai;

TEST_SUITE("base/base64") {
  TEST_CASE("the examples of RFC 4648 come out as printed there") {
    CHECK(base64("") == "");
    CHECK(base64("f") == "Zg==");
    CHECK(base64("fo") == "Zm8=");
    CHECK(base64("foo") == "Zm9v");
    CHECK(base64("foobar") == "Zm9vYmFy");
  }

  TEST_CASE("all bytes come back") {
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    for (std::size_t length : {0, 1, 2, 3, 255, 256}) {
      CHECK(from_base64(base64(bytes.substr(0, length))) == bytes.substr(0, length));
    }
  }

  TEST_CASE("what base64 does not write is refused") {
    for (const char* text : {"Z", "Zg=", "Zg", "Z===", "====", "Zh==", "Zm9v\n", "Z=9v", "Zm8=Zm8="}) {
      CAPTURE(text);
      CHECK_FALSE(from_base64(text).has_value());
    }
  }
}
