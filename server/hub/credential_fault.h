#pragma once

#include <cstdint>
#include <string_view>

namespace kyanite {

// What was wrong with a credential that was refused (Errc::unauthorized), told by the sentence of the
// refusal: the sentences are the hub's own, so what a client chose does not count. A sentence that is not
// known here is `other`.
enum class CredentialFault : std::uint8_t {
  missing,         // none was sent
  malformed,       // it cannot be read
  expired,         // by the hub's clock
  wrong_key,       // signed with a key that is not the registered one
  unknown_policy,  // of that name there is none
  wrong_scope,     // good, and for something else
  missing_right,   // good, of a policy that may not do this
  unregistered,    // of an identity that is not there
  certificate,     // a client certificate that proves nothing here
  other,           // switched off, replaced meanwhile, of another kind than the registered one
};
CredentialFault credential_fault_of(std::string_view detail);

}  // namespace kyanite
