#pragma once

#include <string>
#include <string_view>

#include "protocol/base/error.h"
#include "protocol/base/time.h"

// What a device receives on $iothub/twin/res/# (spec device-mqtt.md 6.1, 6.4).
namespace kyanite {

std::string twin_response_topic(int status, std::string_view request_id);

// The body of every status from 300 on: without an errorCode in it Node takes the request for a success.
std::string twin_error_body(Errc code, std::string_view message, WallTime now);

}  // namespace kyanite
