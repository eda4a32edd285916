#pragma once

#include <string_view>

#include "protocol/base/time.h"

namespace kyanite {

// Logs the event as an error, writes what the log has queued and ends the process with the code, without
// running destructors. When standard error takes nothing (a pipe that nobody reads), the process ends
// `at_most` later all the same: what must stop may not hang. May be called from any thread; uses SIGALRM.
[[noreturn]] void fail_stop(int exit_code, std::string_view event, std::string_view reason,
                            seconds at_most = seconds(5));

}  // namespace kyanite
