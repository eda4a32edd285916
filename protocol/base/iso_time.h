#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/time.h"

namespace kyanite {

// "2026-01-05T10:00:01.1230000Z": UTC with seven fraction digits, the form every SDK parses.
std::string to_iso_time(WallTime time);

// Identity documents show "never" as 0001-01-01T00:00:00 without a zone (spec service-rest.md 1.8).
std::string to_iso_time_or_never(WallTime time);

// Accepts a UTC time with or without a fraction, ending in Z; nothing otherwise.
std::optional<WallTime> parse_iso_time(std::string_view text);

}  // namespace kyanite
