#pragma once

#include <string_view>

#include "protocol/base/tls_failure.h"
#include "server/hub/hub_observer.h"

// What stands in the journal of connections for people: what it means, and what they may do. All are
// literals.
namespace kyanite {

std::string_view explain_refusal(const Error& error);
// Of a WebSocket that did not come about.
std::string_view explain_upgrade();
std::string_view explain_tls(TlsFailure failure);
std::string_view explain_silent_leave();
// Empty for an end that needs no word.
std::string_view explain_end(EndReason reason);

}  // namespace kyanite
