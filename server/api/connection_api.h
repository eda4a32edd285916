#pragma once

#include "protocol/base/json_limits.h"
#include "server/api/api_call.h"
#include "server/hub/connection_journal.h"

namespace kyanite {

// The query of GET /kyanite/v1/connections:
//   device, module  only those of this identity; of a device without `module` its modules too
//   event           connected, disconnected, refused: one or more, separated by commas
//   since           UTC time
//   limit           1 to limits::kJournalPageMax, 100 unless given
// Errors: Errc::argument_invalid with a sentence.
Result<ConnectionQuery> parse_connection_query(const HttpRequest& request);

Json connection_entry_to_json(const ConnectionEntry& entry);

// {"connections": [...]}, the newest first.
void list_connections(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
