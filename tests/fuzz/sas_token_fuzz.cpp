// Any text is parsed as a SAS token; what is accepted has the shape that its reader relies on.
#include <cstddef>
#include <cstdint>
#include <string>

#include "protocol/auth/sas_token.h"
#include "protocol/base/assert.h"
#include "protocol/base/limits.h"

namespace {

const kyanite::Identity kIdentity{"d1", "m1"};
const std::vector<std::string> kHosts{"hub.example.test"};

void check_scope(const kyanite::SasToken& token) {
  const auto resource = kyanite::parse_sas_resource(token.resource_raw);
  if (!resource) return;
  KYANITE_ASSERT(!resource->segments.empty() && !resource->segments.front().empty());
  const bool hub = kyanite::sas_scope_is_hub(*resource, kHosts);
  const bool covers = kyanite::sas_scope_covers(*resource, kIdentity, kHosts);
  KYANITE_ASSERT(!hub || covers);
  KYANITE_ASSERT(!hub || !kyanite::sas_scope_names_identity(*resource));
  KYANITE_ASSERT(!covers || resource->segments.size() <= 5);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto token = kyanite::parse_sas_token(text);
  if (!token) {
    KYANITE_ASSERT(token.error().code == kyanite::Errc::unauthorized);
    return 0;
  }
  KYANITE_ASSERT(token->signature.size() == 32);
  KYANITE_ASSERT(token->policy.size() <= kyanite::limits::kPolicyNameBytesMax);
  KYANITE_ASSERT(token->expiry >= kyanite::WallTime{} && token->expiry <= kyanite::kSasExpiryMax);
  KYANITE_ASSERT(text.find(token->resource_raw) != std::string_view::npos);
  kyanite::sas_signature_matches(*token, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
  check_scope(*token);
  return 0;
}
