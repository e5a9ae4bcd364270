#include "base/signature.h"

#include <doctest/doctest.h>

#include "base/base64.h"

namespace tsukai {
namespace {

// RFC 8037, appendix A.1.
constexpr const char* kEd25519 =
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";

}  // namespace

TEST_SUITE("base/signature") {
  TEST_CASE("Ed25519 signs as RFC 8037 says") {
    const auto signature =
        jws_signature("EdDSA", kEd25519, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
    REQUIRE(signature);
    CHECK(base64_url(*signature) ==
          "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg");
  }

  TEST_CASE("a key that does not fit, or is none, is refused in words") {
    CHECK(jws_signature("ES256", kEd25519, "x").error().text() == "the private key is not one for ES256");
    CHECK(jws_signature("EdDSA", "not a key", "x").error().code() == Code::kInvalidArgument);
    CHECK(jws_signature("none", kEd25519, "x").error().code() == Code::kUnsupported);
    CHECK(jws_signature("HS256", kEd25519, "x").error().code() == Code::kUnsupported);
  }
}

}  // namespace tsukai
