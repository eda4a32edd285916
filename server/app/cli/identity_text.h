#pragma once

#include <string>

#include "protocol/auth/connection_string.h"
#include "protocol/base/json_limits.h"
#include "server/app/cli/hub_target.h"

// What the identity commands show, by value.
namespace kyanite::cli {

// Device or module connection string from the identity's document. Errors: Errc::argument_invalid when the
// identity has no key to put into one (nothing to paste for a module that is no SAS one).
Result<ConnectionString> connection_string_of(const Json& identity, const std::string& host_name,
                                              bool secondary);

// How to use it: the CA file, ports that SDKs would not guess, a mosquitto_pub line. For standard error.
std::string connection_hint(const Json& identity, const HubTarget& target);

// "d1  enabled  sas  connected  2026-..." for lists.
std::string identity_line(const Json& identity);
// Several lines for one identity, with its keys or thumbprints.
std::string identity_block(const Json& identity);

// "a" or "'it'\''s'": safe to paste into a shell.
std::string shell_word(const std::string& text);

}  // namespace kyanite::cli
