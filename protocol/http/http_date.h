#pragma once

#include <string>

#include "protocol/base/time.h"

namespace kyanite {

// "Wed, 29 Jul 2026 10:11:12 GMT", whatever the locale (RFC 9110 section 5.6.7).
std::string to_http_date(WallTime time);

}  // namespace kyanite
