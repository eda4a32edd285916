#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "protocol/base/ids.h"

namespace kyanite::mqtt {

// SendWindow names the QoS 1 messages a server has sent and the client has not acknowledged by packet ids
// (MQTT 3.1.1 section 2.3.1). An id is given again as late as possible, so that a late PUBACK hardly ever
// meets another message.
//
// Owner: a connection. Bound: the caller's, and 65,535; a look-up walks the window, which is meant for some
// dozens. Memory: 16 bytes an entry, released when empty.
class SendWindow {
 public:
  struct Sent {
    PacketId packet_id{};
    bool is_repetition = false;  // the message was in the window already and keeps its id
  };

  // Enters the message, which the caller names by any number. Nothing when every id is in use.
  std::optional<Sent> add(std::uint64_t message);

  // The message a PUBACK is for; it leaves. Nothing for an id that is not in use.
  std::optional<std::uint64_t> acknowledge(PacketId packet_id);

  // The message is no longer awaited; an unknown one is ignored.
  void withdraw(std::uint64_t message);

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::uint64_t message = 0;
    PacketId packet_id{};
  };

  bool is_used(PacketId packet_id) const;
  void erase(std::vector<Entry>::iterator entry);

  std::vector<Entry> entries_;
  std::uint16_t last_id_ = 0;
};

}  // namespace kyanite::mqtt
