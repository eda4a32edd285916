#pragma once

#include <optional>
#include <string_view>

#include "config/keys.h"
#include "config/problem.h"
#include "config/settings.h"

namespace kyanite {

// A host name or numeric address that may stand in a certificate and a connection string. Nothing when it
// may.
std::optional<KeyFault> host_name_fault(std::string_view name);

// What single values cannot show: settings that do not go together. Pure; nothing is opened or bound.
Problems check_settings(const Settings& settings);

}  // namespace kyanite
