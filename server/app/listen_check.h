#pragma once

#include "config/problem.h"
#include "config/settings.h"

namespace kyanite {

// Binds each address for a moment and says of those that cannot be used why, and exactly what to do. It runs
// before anything is made, so that unusable ports are reported together with all other problems.
Problems check_listen_addresses(const Settings::Listeners& listen);

// What to tell the operator when binding failed with this errno.
Problem listen_problem(const char* key, const char* flag, const ListenAddress& address, int error);

}  // namespace kyanite
