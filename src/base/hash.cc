#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "base/result.h"

namespace tsukai {

namespace {

std::string hex(const unsigned char* bytes, std::size_t count) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out(2 * count, '0');
  for (std::size_t i = 0; i < count; ++i) {
    out[2 * i] = kDigits[bytes[i] >> 4];
    out[2 * i + 1] = kDigits[bytes[i] & 15];
  }
  return out;
}

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

// SHA256() looks the algorithm up, under locks, and makes a context anew for every digest: more than a row's
// hash itself costs.
void digest_of(std::string_view bytes, unsigned char* digest) {
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  struct Context {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    ~Context() { EVP_MD_CTX_free(context); }
  };
  thread_local const Context kept;
  TSUKAI_CHECK(algorithm != nullptr && kept.context != nullptr &&
                   EVP_DigestInit_ex(kept.context, algorithm, nullptr) == 1 &&
                   EVP_DigestUpdate(kept.context, bytes.data(), bytes.size()) == 1 &&
                   EVP_DigestFinal_ex(kept.context, digest, nullptr) == 1,
               "SHA-256 is always there");
}

}  // namespace

std::string sha256_bytes(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  digest_of(bytes, reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string sha256_hex(std::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  digest_of(bytes, digest);
  return hex(digest, sizeof(digest));
}

std::string hmac_sha256_hex(std::string_view key, std::string_view bytes) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(bytes), bytes.size(), digest, &size);
  return hex(digest, size);
}

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  TSUKAI_CHECK(state_->context != nullptr && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1,
               "SHA-256 is always there");
}
Sha256::~Sha256() = default;

void Sha256::add(std::string_view bytes) {
  TSUKAI_CHECK(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1, "not yet finished");
}

std::string Sha256::finish_hex() {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  TSUKAI_CHECK(EVP_DigestFinal_ex(state_->context, digest, nullptr) == 1, "not yet finished");
  return hex(digest, sizeof(digest));
}

bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace tsukai
