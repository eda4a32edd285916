#pragma once

#include <optional>

#include "protocol/base/time.h"

namespace kyanite {

enum class Signal { stop, reload, work };

// Process signals as values the main thread waits for: SIGTERM and SIGINT mean stop, SIGHUP reload, SIGUSR1
// (which wake() sends) that there is work. SIGPIPE is ignored, since OpenSSL writes to sockets whose peer may
// be gone.
//
// block() comes before any thread starts, so that all of them leave the signals to the main thread.
class Signals {
 public:
  static void block();
  // Ends a wait of the main thread with Signal::work; from any thread.
  static void wake();
  // The next signal, or nothing when the time is over.
  static std::optional<Signal> wait(milliseconds at_most);
};

}  // namespace kyanite
