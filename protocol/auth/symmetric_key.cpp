#include "protocol/auth/symmetric_key.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>
#include <memory>

#include "protocol/base/assert.h"
#include "protocol/base/base64.h"
#include "protocol/base/limits.h"

namespace kyanite {
namespace {

constexpr std::size_t kNewKeyBytes = 32;
constexpr std::size_t kSha256Bytes = 32;

struct MacContextFree {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};
using MacContext = std::unique_ptr<EVP_MAC_CTX, MacContextFree>;

MacContext make_hmac_context() {
  EVP_MAC* mac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
  KYANITE_ASSERT(mac != nullptr);
  MacContext context(EVP_MAC_CTX_new(mac));
  EVP_MAC_free(mac);  // the context keeps its own reference
  KYANITE_ASSERT(context != nullptr);
  char digest[] = "SHA256";
  const std::array<OSSL_PARAM, 2> params{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                         OSSL_PARAM_construct_end()};
  KYANITE_ASSERT(EVP_MAC_CTX_set_params(context.get(), params.data()) == 1);
  return context;
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  // A hub that cannot draw random numbers must not hand out keys.
  KYANITE_ASSERT(RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) == 1);
  return bytes;
}

}  // namespace

std::string make_symmetric_key() { return encode_base64(random_bytes(kNewKeyBytes)); }

bool is_valid_symmetric_key(std::string_view base64) {
  if (base64.size() > (limits::kKeyBytesMax + 2) / 3 * 4) return false;
  const auto key = decode_base64(base64);
  return key && key->size() >= limits::kKeyBytesMin && key->size() <= limits::kKeyBytesMax;
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
  // Fetching the algorithm by name takes a lock inside libcrypto and costs more than the digest of a token,
  // so each thread keeps one context and only gives it a new key.
  thread_local const MacContext context = make_hmac_context();
  // A null key pointer would mean "keep the former key" to libcrypto.
  const unsigned char* const key_bytes = key.empty() ? bytes_of("") : bytes_of(key);
  std::string mac(kSha256Bytes, '\0');
  std::size_t written = 0;
  const bool done =
      EVP_MAC_init(context.get(), key_bytes, key.size(), nullptr) == 1 &&
      EVP_MAC_update(context.get(), bytes_of(text), text.size()) == 1 &&
      EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(mac.data()), &written, mac.size()) == 1;
  KYANITE_ASSERT(done && written == mac.size());
  return mac;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  return a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string random_hex(std::size_t bytes) { return encode_hex(random_bytes(bytes)); }

std::string random_guid() {
  std::string id = random_hex(16);
  id[12] = '4';
  constexpr std::string_view kVariant = "89ab";
  id[16] = kVariant[static_cast<unsigned char>(id[16]) & 3];
  for (const std::size_t at : {20u, 16u, 12u, 8u}) id.insert(at, 1, '-');
  return id;
}

}  // namespace kyanite
