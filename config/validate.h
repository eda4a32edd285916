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

// An address that strangers reach, when the owner's key is one that everybody can read; else nothing.
std::optional<ListenAddress> open_to_strangers(std::string_view owner_key, const Settings::Listeners& listen);
Problem published_key_problem(const ListenAddress& address);

}  // namespace kyanite
