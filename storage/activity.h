#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/ids.h"
#include "protocol/base/result.h"
#include "protocol/base/time.h"

namespace kyanite {

// When an identity was last heard of (spec device-mqtt.md 10.6, service-rest.md 4.2). It is no part of the
// identity's record, so that the etag stays, and is written lazily: a document of Collection::activity that
// comes and goes with the identity.
struct ActivityRecord {
  Identity id;
  WallTime connection_state_updated = kNever;
  WallTime last_activity = kNever;
  friend bool operator==(const ActivityRecord&, const ActivityRecord&) = default;
};

// The document's key: device, a zero byte, module; keys are in the order of identities.
std::string activity_key(const Identity& id);
std::string encode_activity(const ActivityRecord& record);
// Nothing for a document that cannot be read: what is lost is a time that somebody looks at.
std::optional<ActivityRecord> decode_activity(std::string_view key, std::string_view value);

}  // namespace kyanite
