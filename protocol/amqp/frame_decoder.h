#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/result.h"

namespace kyanite::amqp {

enum class FrameType : std::uint8_t { amqp = 0, sasl = 1 };
enum class ProtocolHeader : std::uint8_t { amqp, sasl };

struct Frame {
  FrameType type = FrameType::amqp;
  std::uint16_t channel = 0;
  std::string_view body;  // behind the extended header; empty for a heartbeat
};

// FrameDecoder cuts a peer's bytes into protocol headers and frames. Whole frames are given in place; only an
// incomplete tail is copied.
//
// Owner: an Engine. Bound: one frame of at most `frame_bytes_max`. Errors: malformed_packet (a header that is
// not AMQP's, a frame smaller than its own header, a data offset out of range, an unknown type),
// packet_too_large.
class FrameDecoder {
 public:
  explicit FrameDecoder(std::uint32_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}

  // Bytes as read; they must stay until next_* gave nothing.
  void feed(std::string_view bytes);
  Result<std::optional<ProtocolHeader>> next_header();
  // Views are valid until the next call of this or of feed().
  Result<std::optional<Frame>> next_frame();
  // What is fed and not yet taken is copied: the caller goes on later.
  void hold();
  std::size_t buffered_bytes() const { return kept_.size() - kept_at_; }

 private:
  std::string_view contiguous(std::size_t bytes);
  void take(std::size_t bytes);
  void drop_taken();
  void release_kept();

  std::uint32_t frame_bytes_max_;
  std::string kept_;         // the beginning of a frame that is not complete
  std::size_t kept_at_ = 0;  // taken of it
  std::string_view fed_;     // the caller's bytes behind kept_
};

}  // namespace kyanite::amqp
