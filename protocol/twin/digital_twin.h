#pragma once

#include <string>
#include <string_view>

#include "protocol/twin/twin_document.h"

// A device twin as a digital twin, by the conventions of IoT Plug and Play (spec service-rest.md 9.3). No
// model is read: what is a component is told by its marker "__t":"c".
namespace kyanite {

// $dtId; the properties, writable and reported ones merged, the reported value where there is one; components
// as objects; $metadata of each with $model at the root.
Json digital_twin_document(const std::string& device, const std::string& model, const TwinDocument& twin);

// A JSON Patch (add, replace and remove on /property, /component and /component/property) as a patch of the
// desired properties of `twin`. What an object replaces is gone in the result: its old members are null. It
// has passed the rules of twin_limits.h but the size of the whole. Errors: format_error,
// digital_twin_patch_invalid, digital_twin_path_invalid, argument_invalid (a value the twin cannot hold).
Result<Json> desired_patch_of_digital_twin(std::string_view body, const TwinDocument& twin);

}  // namespace kyanite
