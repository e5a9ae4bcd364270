// Digital signatures as JSON Web Signatures carry them (RFC 7518, RFC 8037).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tsukai {

// The raw signature bytes of `input` under a private key in PEM (PKCS#8, PKCS#1 or SEC 1, without a
// password). `algorithm`: ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512 or EdDSA.
// kUnsupported: another; kInvalidArgument: the key can't be read or is of another kind.
Result<std::string> jws_signature(std::string_view algorithm, std::string_view private_key_pem,
                                  std::string_view input);

}  // namespace tsukai
