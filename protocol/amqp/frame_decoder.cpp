#include "protocol/amqp/frame_decoder.h"

#include <algorithm>
#include <utility>

#include "protocol/amqp/type_codes.h"

namespace kyanite::amqp {
namespace {

constexpr std::size_t kFrameHeadBytes = 8;  // size, data offset, type, channel
constexpr std::size_t kSizeBytes = 4;
constexpr std::size_t kProtocolHeaderBytes = 8;
constexpr std::string_view kAmqpHeader("AMQP\x00\x01\x00\x00", kProtocolHeaderBytes);
constexpr std::string_view kSaslHeader("AMQP\x03\x01\x00\x00", kProtocolHeaderBytes);

Error bad_frame(const char* detail) { return {Errc::malformed_packet, detail}; }

}  // namespace

void FrameDecoder::feed(std::string_view bytes) {
  hold();  // nothing to copy when the caller drained the decoder
  fed_ = bytes;
}

void FrameDecoder::hold() {
  if (fed_.empty()) return;
  // A caller who takes few frames between feeds may never drain the buffer: what was taken leaves it once it
  // is half of it, so that no byte is moved more than a constant number of times.
  if (kept_at_ * 2 >= kept_.size()) drop_taken();
  kept_.append(fed_);
  fed_ = {};
}

Result<std::optional<ProtocolHeader>> FrameDecoder::next_header() {
  const std::string_view bytes = contiguous(kProtocolHeaderBytes);
  const std::string_view seen = bytes.empty() ? std::string_view(kept_).substr(kept_at_) : bytes;
  // What cannot become a header is told before the rest of it comes.
  const std::string_view begun = seen.substr(0, std::min(seen.size(), kProtocolHeaderBytes));
  const bool is_amqp = kAmqpHeader.starts_with(begun);
  if (!is_amqp && !kSaslHeader.starts_with(begun)) return bad_frame("no protocol header of AMQP 1.0");
  if (bytes.empty()) return std::optional<ProtocolHeader>();
  take(kProtocolHeaderBytes);
  return std::optional(is_amqp ? ProtocolHeader::amqp : ProtocolHeader::sasl);
}

Result<std::optional<Frame>> FrameDecoder::next_frame() {
  std::string_view bytes = contiguous(kSizeBytes);
  if (bytes.empty()) return std::optional<Frame>();
  const auto size = static_cast<std::uint32_t>(code::load(bytes.substr(0, kSizeBytes)));
  if (size < kFrameHeadBytes) return bad_frame("a frame is smaller than its own header");
  if (size > frame_bytes_max_) return Error(Errc::packet_too_large, "a frame is over the limit");
  bytes = contiguous(kFrameHeadBytes);
  if (bytes.empty()) return std::optional<Frame>();
  const std::size_t body_at = std::size_t{4} * code::byte_at(bytes, 4);
  if (body_at < kFrameHeadBytes || body_at > size)
    return bad_frame("the data offset of a frame is out of range");
  const std::uint8_t type = code::byte_at(bytes, 5);
  if (type > static_cast<std::uint8_t>(FrameType::sasl)) return bad_frame("a frame has an unknown type");
  bytes = contiguous(size);
  if (bytes.empty()) return std::optional<Frame>();
  Frame frame;
  frame.type = static_cast<FrameType>(type);
  frame.channel = static_cast<std::uint16_t>(code::load(bytes.substr(6, 2)));
  frame.body = bytes.substr(body_at, size - body_at);
  take(size);
  return std::optional(frame);
}

// The input at hand, beginning with at least `bytes` of it; empty when there are fewer, which are kept then.
std::string_view FrameDecoder::contiguous(std::size_t bytes) {
  if (kept_at_ == kept_.size()) {
    release_kept();
    if (fed_.size() >= bytes) return fed_;
    hold();
    return {};
  }
  if (kept_.size() - kept_at_ < bytes) {
    drop_taken();
    const std::size_t moved = std::min(bytes - kept_.size(), fed_.size());
    kept_.append(fed_.substr(0, moved));
    fed_.remove_prefix(moved);
    if (kept_.size() < bytes) return {};
  }
  return std::string_view(kept_).substr(kept_at_);
}

void FrameDecoder::take(std::size_t bytes) {
  if (kept_at_ < kept_.size())
    kept_at_ += bytes;
  else
    fed_.remove_prefix(bytes);
}

void FrameDecoder::drop_taken() { kept_.erase(0, std::exchange(kept_at_, 0)); }

void FrameDecoder::release_kept() {
  if (kept_.capacity() > std::string().capacity()) std::string().swap(kept_);
  kept_.clear();
  kept_at_ = 0;
}

}  // namespace kyanite::amqp
