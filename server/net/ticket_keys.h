#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "protocol/base/time.h"

namespace kyanite {

// TicketKeys holds the keys that protect session tickets. All listeners share one set, and it outlives
// reloads of certificates, so that a ticket is good wherever its holder comes back.
//
// Keys rotate by themselves; those replaced still open tickets for kOldKeys rotations, and such a ticket is
// renewed. Threads: any. Synchronised: one lock per handshake that issues or opens a ticket.
class TicketKeys {
 public:
  static constexpr seconds kRotation{8 * 3600};
  static constexpr std::size_t kOldKeys = 2;
  static constexpr std::size_t kNameBytes = 16;

  struct Key {
    std::array<unsigned char, kNameBytes> name{};
    std::array<unsigned char, 32> cipher{};  // AES-256-CBC
    std::array<unsigned char, 32> mac{};     // HMAC-SHA256
  };
  struct Found {
    Key key;
    bool current = false;
  };

  // The key for new tickets; a fresh one when the last is older than kRotation. Nothing if no random bytes
  // are to be had.
  std::optional<Key> current(SteadyTime now);
  // The key of that name, while it is kept.
  std::optional<Found> find(std::string_view name, SteadyTime now);

 private:
  struct Held {
    Key key;
    SteadyTime made;
  };
  bool rotate_if_due(SteadyTime now);  // requires mutex_

  std::mutex mutex_;
  std::vector<Held> held_;  // newest first; protected by mutex_
};

}  // namespace kyanite
