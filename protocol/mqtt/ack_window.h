#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "protocol/base/ids.h"

namespace kyanite::mqtt {

// The place of an inbound QoS 1 publish in the order of arrival of its connection; 0 names none.
using AckSequence = StrongId<struct AckSequenceTag, std::uint64_t>;

// AckWindow keeps PUBACKs in the order of their PUBLISH packets although messages may be stored in another
// order (MQTT 3.1.1 section 4.6, spec device-mqtt.md 4.4).
//
// Owner: a MqttSession, which adds no entry beyond its limits. Memory: 8 bytes an entry, released when empty.
class AckWindow {
 public:
  // Enters a publish at the end of the window.
  AckSequence add(PacketId packet_id, std::uint32_t bytes);

  // Appends the PUBACK to `out` when everything before it is acknowledged too, together with those that
  // waited for it; else only remembers it. A sequence that add() did not give, or given twice, is a broken
  // belief.
  void acknowledge(std::string& out, AckSequence sequence);

  // The same without its PUBACK, which is lost on purpose: those behind it go on.
  void lose(std::string& out, AckSequence sequence);

  // Publishes whose PUBACK has not left, and the sum of their bytes.
  std::size_t size() const { return entries_.size() - first_; }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::uint32_t bytes = 0;
    PacketId packet_id{};
    bool acknowledged = false;
    bool lost = false;
  };

  void settle(std::string& out, AckSequence sequence, bool lost);
  void drop_finished();

  std::vector<Entry> entries_;  // those before first_ have left
  std::size_t first_ = 0;
  std::uint64_t first_sequence_ = 1;
  std::size_t bytes_ = 0;
};

}  // namespace kyanite::mqtt
