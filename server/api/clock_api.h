#pragma once

#include "server/api/api_call.h"

// The hub's clock under test control, /kyanite/v1/clock: there only with the setting testControl, for a
// policy with every right whose token is judged by the real clock. Each answers {"now","shiftSeconds"}.
namespace kyanite {

void get_clock(const ApiCall& call, Reply<HttpResponse> reply);
// PUT or POST with {"shiftSeconds":x} against the real clock, {"advanceSeconds":x} from where it stands, or
// {"now":"2026-01-05T10:00:00Z"}. Answered when every expiry that follows is in force.
void set_clock(const ApiCall& call, Reply<HttpResponse> reply);
// DELETE: the real clock again.
void reset_clock(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
