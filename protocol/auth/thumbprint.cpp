#include "protocol/auth/thumbprint.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "protocol/base/assert.h"
#include "protocol/base/base64.h"

namespace kyanite {
namespace {

constexpr std::size_t kSha1HexDigits = 40;
constexpr std::size_t kSha256HexDigits = 64;

std::string to_upper_ascii(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

// Fetched once and never freed: libcrypto tidies up by itself at exit, in an order that we do not control.
const EVP_MD* fetch(const char* name) {
  const EVP_MD* digest = EVP_MD_fetch(nullptr, name, nullptr);
  KYANITE_ASSERT(digest != nullptr);
  return digest;
}

std::string thumbprint(const EVP_MD* digest, std::string_view der) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned size = 0;
  KYANITE_ASSERT(EVP_Digest(der.data(), der.size(), bytes.data(), &size, digest, nullptr) == 1);
  return to_upper_ascii(encode_hex({reinterpret_cast<const char*>(bytes.data()), size}));
}

}  // namespace

std::string sha1_thumbprint(std::string_view der) {
  static const EVP_MD* const digest = fetch("SHA1");
  return thumbprint(digest, der);
}

std::string sha256_thumbprint(std::string_view der) {
  static const EVP_MD* const digest = fetch("SHA256");
  return thumbprint(digest, der);
}

bool is_valid_thumbprint(std::string_view text) {
  if (text.size() != kSha1HexDigits && text.size() != kSha256HexDigits) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

bool thumbprint_matches(std::string_view registered, std::string_view der) {
  std::string digits;
  for (const char c : registered) {
    if (c != ':' && c != ' ' && c != '\t') digits += c;
  }
  if (!is_valid_thumbprint(digits)) return false;
  const std::string presented =
      digits.size() == kSha1HexDigits ? sha1_thumbprint(der) : sha256_thumbprint(der);
  return to_upper_ascii(std::move(digits)) == presented;
}

}  // namespace kyanite
