#pragma once

#include <cstdint>
#include <vector>

#include "protocol/mqtt/ack_window.h"
#include "server/hub/active_faults.h"

namespace kyanite {

// What a connection remembers of the faults that concern it; most never have one. Bound: the session's window
// of unacknowledged publishes.
struct ConnectionFaults {
  // Bytes until a cut, and by which rule.
  struct Cut {
    FaultPtr fault;
    std::uint64_t bytes_left = 0;
  };
  Cut from_device;
  Cut to_device;
  std::vector<mqtt::AckSequence> held;  // stored, and acknowledged when the rule ends
  bool flush_at_end = false;            // what is queued leaves although a fault ends the connection
};

}  // namespace kyanite
