#pragma once

#include <string_view>

#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"
#include "protocol/query/query.h"
#include "server/hub/device_messages.h"

// Twins as services and queries see them (service-rest.md 5.1, 6.2).
namespace kyanite {

// "sas", "selfSigned", "certificateAuthority" or "none".
std::string_view authentication_type_text(AuthenticationType type);
std::string_view connection_state_text(bool connected);
// {"primaryThumbprint":…,"secondaryThumbprint":…} with null for absent ones.
Json thumbprints_to_json(const IdentityRecord& record);

// Parts of the document: a query over many twins builds only what it looks at. The ids are always there.
struct TwinParts {
  bool record = false;    // what the identity's record holds
  bool live = false;      // connectionState, lastActivityTime
  bool messages = false;  // cloudToDeviceMessageCount
  bool counters = false;  // etag, version, modelId
  bool tags = false;
  bool desired = false;
  bool reported = false;
  bool metadata = false;  // of the two
  bool configurations = false;
  bool connection_time = false;  // connectionStateUpdatedTime, which the whole document has not

  static TwinParts whole();
  void add(const QueryPath& path);  // what the path leads into
  bool needs_twin() const { return counters || tags || desired || reported || configurations; }
  bool needs_live() const { return live || messages; }
};

// The document with these parts only. Parts that are not asked for need not be filled in. Errors:
// Errc::internal when stored text is not JSON.
Result<Json> twin_row(const TwinParts& parts, const IdentityView& view, const TwinRecord& twin);

// Brings what the owner knows into a row that was built without it.
void set_live_state(const TwinParts& parts, const LiveState& live, Json& row);

}  // namespace kyanite
