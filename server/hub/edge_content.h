#pragma once

#include <string>

#include "protocol/base/json_limits.h"
#include "protocol/base/reply.h"

namespace kyanite {

class DeviceRouter;

// Makes the modules of an edge device those of a deployment (spec service-rest.md 9.2): the desired
// properties of each module named by `modules` become what is written there, modules that are missing are
// created, and those that a deployment made before and this one does not name are removed. `modules` was
// judged by kind_of_content(). A twin that is so already stays as it is.
//
// Steps are committed one after the other; whoever is refused in between may ask again. Errors:
// device_not_found, argument_invalid (no edge device, a bad module id), too_many_modules, busy.
void apply_edge_content(Executor& home, DeviceRouter& router, std::string device, Json modules,
                        Reply<void> reply);

}  // namespace kyanite
