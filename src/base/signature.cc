#include "base/signature.h"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <memory>

namespace tsukai {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* one) const {
    Free(one);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Context = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;

const EVP_MD* digest_of(std::string_view algorithm) {
  if (algorithm.ends_with("256")) return EVP_sha256();
  if (algorithm.ends_with("384")) return EVP_sha384();
  return EVP_sha512();
}

// Bytes of each of an ECDSA signature's two numbers; 0: not a curve of RFC 7518.
int number_bytes(std::string_view algorithm) {
  return algorithm == "ES256" ? 32 : algorithm == "ES384" ? 48 : algorithm == "ES512" ? 66 : 0;
}

// OpenSSL gives the two numbers in ASN.1; RFC 7518 section 3.4 wants them side by side.
Result<std::string> plain_ecdsa(const std::string& der, int bytes) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>> pair(
      d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  std::string out(static_cast<std::size_t>(2 * bytes), '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  if (!pair || BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), to, bytes) < 0 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), to + bytes, bytes) < 0) {
    return fail(Code::kInternal, "an ECDSA signature could not be taken apart");
  }
  return out;
}

// No password is ever asked for on the terminal.
int no_password(char*, int, int, void*) { return 0; }

}  // namespace

Result<std::string> jws_signature(std::string_view algorithm, std::string_view private_key_pem,
                                  std::string_view input) {
  const bool eddsa = algorithm == "EdDSA", ecdsa = number_bytes(algorithm) > 0;
  const bool rsa = algorithm == "RS256" || algorithm == "RS384" || algorithm == "RS512";
  const bool pss = algorithm == "PS256" || algorithm == "PS384" || algorithm == "PS512";
  if (!eddsa && !ecdsa && !rsa && !pss) {
    return fail(Code::kUnsupported, "signature algorithm " + std::string(algorithm) + " is not known",
                "take ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512 or EdDSA");
  }
  std::unique_ptr<BIO, Freed<BIO_free_all>> bytes(
      BIO_new_mem_buf(private_key_pem.data(), static_cast<int>(private_key_pem.size())));
  const Key key(PEM_read_bio_PrivateKey(bytes.get(), nullptr, no_password, nullptr));
  if (!key) {
    return fail(Code::kInvalidArgument, "the private key can't be read",
                "give an unencrypted PEM file, beginning with -----BEGIN PRIVATE KEY-----");
  }
  const int kind = EVP_PKEY_get_base_id(key.get());
  const bool fits =
      ecdsa   ? kind == EVP_PKEY_EC && (EVP_PKEY_get_bits(key.get()) + 7) / 8 == number_bytes(algorithm)
      : eddsa ? kind == EVP_PKEY_ED25519 || kind == EVP_PKEY_ED448
              : kind == EVP_PKEY_RSA || (pss && kind == EVP_PKEY_RSA_PSS);
  if (!fits) {
    return fail(Code::kInvalidArgument, "the private key is not one for " + std::string(algorithm));
  }
  const Context context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* details = nullptr;
  bool good = EVP_DigestSignInit(context.get(), &details, eddsa ? nullptr : digest_of(algorithm), nullptr,
                                 key.get()) == 1;
  if (good && pss) {
    good = EVP_PKEY_CTX_set_rsa_padding(details, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(details, RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  const auto* from = reinterpret_cast<const unsigned char*>(input.data());
  std::size_t size = 0;
  good = good && EVP_DigestSign(context.get(), nullptr, &size, from, input.size()) == 1;
  std::string out(size, '\0');
  good = good && EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, from,
                                input.size()) == 1;
  if (!good) return fail(Code::kInternal, "signing with " + std::string(algorithm) + " failed");
  out.resize(size);
  return ecdsa ? plain_ecdsa(out, number_bytes(algorithm)) : Result<std::string>(std::move(out));
}

}  // namespace tsukai
