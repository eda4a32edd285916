#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/result.h"
#include "protocol/http/request.h"
#include "storage/records.h"

namespace kyanite {

// The cloud-to-device message in a POST to .../messages/deviceBound (spec service-rest.md 8.2): properties
// from iothub-* headers, values as they are without percent-decoding, and the body as it is. Of headers that
// come twice the last counts. Sequence and enqueued time are the queue's to give; header.expiry is set only
// with an explicit one.
//
// Errors: argument_invalid, message_too_large, message_expired (an expiry not after `now`).
Result<C2dMessage> parse_c2d_request(const HttpRequest& request, std::string device, WallTime now);

// An ISO 8601 date and time with Z or an offset; nothing otherwise.
std::optional<WallTime> parse_expiry(std::string_view text);

}  // namespace kyanite
