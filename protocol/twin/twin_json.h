#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/twin/twin_document.h"

// The forms in which a twin leaves the hub.
namespace kyanite {

// base64 of the counter as eight bytes, most significant first (service-rest.md 5.1).
std::string twin_etag(std::uint64_t etag_counter);

// The body of a desired notification: the patch with `$version` inside (spec device-mqtt.md 6.5).
std::string notification_body(const Json& patch, std::uint64_t version);

// What a device reads: desired and reported with their versions, nothing else (6.3). The sections are JSON
// objects as text, as stored.
std::string device_twin_body(std::string_view desired, std::uint64_t desired_version,
                             std::string_view reported, std::uint64_t reported_version);

// A section as services see it: the properties, then $metadata and $version (service-rest.md 5.1). Until the
// first write $lastUpdated is the time of creation.
Json section_to_json(Json values, const TwinMetadata* metadata, std::uint64_t version, WallTime created);

// The body of a twin change event (device-mqtt.md 10.4): what changed with its metadata, or the whole twin.
Json update_event_body(const TwinDocument& twin, const TwinChange& change);
Json replace_event_body(const TwinDocument& twin, WallTime created);

}  // namespace kyanite
