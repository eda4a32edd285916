#include "server/hub/credential_fault.h"

#include <algorithm>
#include <iterator>

namespace kyanite {
namespace {

struct FaultSentence {
  std::string_view begin;
  CredentialFault fault;
};

// How the sentences begin; the first that fits counts. tests/unit/hub/credential_fault_test.cpp asks those
// who judge for theirs.
constexpr FaultSentence kFaultSentences[] = {
    {"token expired", CredentialFault::expired},
    {"the token has expired", CredentialFault::expired},
    {"the credential has expired", CredentialFault::expired},
    {"bearer token: expired", CredentialFault::expired},
    {"wrong signature", CredentialFault::wrong_key},
    {"wrong key", CredentialFault::wrong_key},
    {"bearer token: no key", CredentialFault::wrong_key},
    {"unknown policy", CredentialFault::unknown_policy},
    {"scope ", CredentialFault::wrong_scope},
    {"the audience is not covered", CredentialFault::wrong_scope},
    {"the token is for host", CredentialFault::wrong_scope},
    {"the token is not for the device", CredentialFault::wrong_scope},
    {"a device's token does not open the service", CredentialFault::missing_right},
    {"policy without", CredentialFault::missing_right},
    {"bearer token without", CredentialFault::missing_right},
    {"no token with ServiceConnect", CredentialFault::missing_right},
    {"no Authorization", CredentialFault::missing},
    {"no password", CredentialFault::missing},
    {"no user name", CredentialFault::missing},
    {"no token", CredentialFault::missing},
    {"no client certificate", CredentialFault::missing},
    {"client certificate: none was presented", CredentialFault::missing},
    {"the identity is not registered", CredentialFault::unregistered},
    {"SAS token: missing", CredentialFault::missing},
    {"SAS token: ", CredentialFault::malformed},
    {"user name: ", CredentialFault::malformed},
    {"bearer token: ", CredentialFault::malformed},
    {"neither a shared access signature", CredentialFault::malformed},
    {"client certificate", CredentialFault::certificate},
    {"unreadable client certificate", CredentialFault::certificate},
    {"thumbprint is not", CredentialFault::certificate},
    {"common name is not", CredentialFault::certificate},
};

}  // namespace

CredentialFault credential_fault_of(std::string_view detail) {
  const auto* const known =
      std::find_if(std::begin(kFaultSentences), std::end(kFaultSentences),
                   [detail](const FaultSentence& sentence) { return detail.starts_with(sentence.begin); });
  return known == std::end(kFaultSentences) ? CredentialFault::other : known->fault;
}

}  // namespace kyanite
