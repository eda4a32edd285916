#pragma once

#include <string_view>

#include "protocol/base/result.h"
#include "server/amqp/claims.h"
#include "server/hub/hub_security.h"

// Pure judgement of what clients prove themselves with over AMQP (spec amqp.md 3).
namespace kyanite {

// A token as `$cbs` gets it, classified by its content: a shared access signature or a bearer token. What is
// known without the device: a claim of a policy is proven; one of a device's own token (`only` is set, no
// policy) is not, only the device's owner can. Errors: unauthorized with the reason.
Result<Claim> judge_token(std::string_view token, std::string_view audience, const HubSecurity& security,
                          WallTime now);

// SASL PLAIN (spec 3.5). The same kinds of claims.
Result<Claim> judge_plain(std::string_view response, const HubSecurity& security, WallTime now);

}  // namespace kyanite
