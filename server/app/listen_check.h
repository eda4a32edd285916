#pragma once

#include <vector>

#include "config/problem.h"
#include "config/settings.h"

namespace kyanite {

// Binds each address for a moment and says of those that cannot be used why, and exactly what to do. It runs
// before anything is made, so that unusable ports are reported together with all other problems.
Problems check_listen_addresses(const Settings::Listeners& listen);

// On a machine without IPv6 the addresses that stand for all interfaces of whatever it has (or_ipv4) become
// 0.0.0.0; one that names IPv6 stays, and cannot be used. Returns those that changed, for the log.
std::vector<ListenAddress> use_what_the_machine_has(Settings::Listeners& listen);
// The part of it that asks nobody.
std::vector<ListenAddress> use_ipv4_alone(Settings::Listeners& listen);

// What to tell the operator when binding failed with this errno.
Problem listen_problem(const char* key, const char* flag, const ListenAddress& address, int error);

}  // namespace kyanite
