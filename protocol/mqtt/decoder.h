#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/limits.h"
#include "protocol/base/result.h"
#include "protocol/mqtt/packets.h"

namespace kyanite::mqtt {

// Decoder turns bytes split anywhere into the packets a client may send. Every malformed packet of the standard,
// every packet only a server sends, and QoS 2 acknowledgements are errors; after an error it stays failed.
//
// Owner: a MqttSession. Bound: keeps at most one incomplete packet, refused by its fixed header when its
// remaining length exceeds the limit (Errc::packet_too_large); releases its buffer when nothing is left over.
class Decoder {
 public:
  explicit Decoder(std::size_t remaining_length_max = limits::kPacketBytesMax);

  // Gives more bytes; call next() until it returns no packet before the next feed. The bytes must stay valid
  // until then: whole packets are parsed in place, only an incomplete tail is copied.
  void feed(std::string_view bytes);

  // The next packet, nothing when more bytes are needed, or Errc::malformed_packet, protocol_violation,
  // packet_too_large.
  Result<std::optional<Packet>> next();

  std::size_t buffered_bytes() const;

 private:
  std::size_t remaining_length_max_;
  std::string tail_;          // bytes of an incomplete packet
  std::string_view input_;    // what feed() gave and next() has not consumed
  bool input_is_tail_ = false;
  std::optional<Error> failed_;
};

}  // namespace kyanite::mqtt
