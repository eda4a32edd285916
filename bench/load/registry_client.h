#pragma once

#include <string>
#include <vector>

#include "bench/load/target.h"
#include "protocol/base/result.h"

namespace kyanite::load {

// Creates the devices over the service REST API (service-rest.md section 4) with keys made here and returns
// the keys in the same order; a device that exists already keeps and gives its own. Some requests run at
// once. Errors: Errc::argument_invalid without an HTTPS address or a usable service connection string,
// Errc::io_failed when the hub cannot be reached, Errc::format_error with the hub's answer otherwise.
Result<std::vector<std::string>> create_devices(const Target& target, const std::vector<std::string>& ids);

}  // namespace kyanite::load
