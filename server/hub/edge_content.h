#pragma once

#include <optional>
#include <string>

#include "protocol/base/json_limits.h"
#include "protocol/base/reply.h"
#include "protocol/twin/twin_metadata.h"

namespace kyanite {

class DeviceRouter;

struct EdgeDeployment {
  // modulesContent as kind_of_content() judged it; nothing: modules and their properties stay as they are.
  std::optional<Json> modules;
  // The configuration behind it; nullptr when a back end asks.
  TwinAuthorPtr author = nullptr;
  // What the modules' twins say of deployments from then on; nothing: as before.
  std::optional<Json> statuses;
};

// Makes the modules of an edge device those of a deployment (spec service-rest.md 9.2): the desired
// properties of each module it names become what is written there, modules that are missing are created, and
// those that a deployment made before and this one does not name are removed. A twin that is so already stays
// as it is.
//
// Steps are committed one after the other; whoever is refused in between may ask again. Errors:
// device_not_found, argument_invalid (no edge device, a bad module id), too_many_modules, busy.
void apply_edge_content(Executor& home, DeviceRouter& router, std::string device, EdgeDeployment deployment,
                        Reply<void> reply);

}  // namespace kyanite
