#pragma once

#include "protocol/base/json_limits.h"
#include "server/hub/fault_control.h"

namespace kyanite {

// A rule of fault injection as a request writes it (config/reference.md, Test control). Errors:
// argument_invalid with a sentence that names the member, also for unknown ones: a misspelt rule must not
// hit more than was meant.
Result<FaultRule> fault_from_json(const Json& json);
Json fault_to_json(const FaultView& fault);

}  // namespace kyanite
