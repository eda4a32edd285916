#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/limits.h"
#include "protocol/base/result.h"
#include "protocol/mqtt/packets.h"

namespace kyanite::mqtt {

// Decoder turns bytes split anywhere into the packets a client may send. Every malformed packet of the
// standard, every packet only a server sends, and QoS 2 acknowledgements are errors; after an error it stays
// failed.
//
// Owner: a MqttSession. Bound: keeps at most one incomplete packet, refused by its fixed header when its
// remaining length exceeds the limit (Errc::packet_too_large), plus what hold() was asked to keep; releases
// its buffer when nothing is left over.
class Decoder {
 public:
  explicit Decoder(std::size_t remaining_length_max = limits::kPacketBytesMax);

  // Gives more bytes; call next() until it returns no packet, or hold(), before the bytes go away. Whole
  // packets are parsed in place, only an incomplete one is copied, each of its bytes once.
  void feed(std::string_view bytes);

  // The next packet, nothing when more bytes are needed, or Errc::malformed_packet, protocol_violation,
  // packet_too_large. Views in a packet are valid until the following call of any member.
  Result<std::optional<Packet>> next();

  // Copies what was fed and not decoded yet, for a caller who wants no more packets now.
  void hold();

  // Another limit from the next fixed header on.
  void set_remaining_length_max(std::size_t bytes) { remaining_length_max_ = bytes; }

  // The first byte not decoded yet.
  std::optional<std::uint8_t> peek() const;

  // Bytes copied, and bytes not decoded yet wherever they are.
  std::size_t buffered_bytes() const { return kept_.size() - kept_pos_; }
  std::size_t pending_bytes() const { return buffered_bytes() + input_.size(); }

 private:
  struct Frame {
    std::size_t header_bytes = 0;
    std::size_t body_bytes = 0;
  };

  Error fail(Error error);
  Result<std::optional<Frame>> read_frame(std::string_view bytes) const;
  Result<std::optional<Packet>> parse(std::string_view bytes, Frame frame);
  bool keep_from_input(std::size_t total);
  void release_kept();

  std::size_t remaining_length_max_;
  std::string kept_;  // copied bytes; those before kept_pos_ are decoded. They precede input_ in the stream.
  std::size_t kept_pos_ = 0;
  std::string_view input_;  // what feed() gave and next() has not taken
  std::optional<Error> failed_;
};

}  // namespace kyanite::mqtt
