#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kyanite {

// Why TLS with a peer did not come about, as far as the hub can tell.
enum class TlsFailure : std::uint8_t {
  untrusted,           // the peer said that it does not accept the hub's certificate
  version,             // no version in common: it offers TLS 1.1 or older, or 1.3 alone where that is off
  cipher,              // no cipher, group or signature in common
  client_certificate,  // the peer's own certificate or its proof is unusable
  plain_text,          // the first byte was no TLS record
  left,                // it closed the connection, in the middle or before the first byte
  other,
};
inline constexpr std::size_t kTlsFailureCount = 7;

// snake_case, for metrics.
constexpr std::string_view to_string(TlsFailure failure) {
  switch (failure) {
    case TlsFailure::untrusted:
      return "untrusted";
    case TlsFailure::version:
      return "version";
    case TlsFailure::cipher:
      return "cipher";
    case TlsFailure::client_certificate:
      return "client_certificate";
    case TlsFailure::plain_text:
      return "plain_text";
    case TlsFailure::left:
      return "left";
    case TlsFailure::other:
      break;
  }
  return "failed";
}

}  // namespace kyanite
