#include "protocol/mqtt/decoder.h"

#include <algorithm>
#include <utility>

#include "protocol/mqtt/packet_parser.h"

namespace kyanite::mqtt {
namespace {

constexpr std::size_t kLengthBytesMax = 4;  // MQTT 3.1.1 section 2.2.3

}  // namespace

Decoder::Decoder(std::size_t remaining_length_max) : remaining_length_max_(remaining_length_max) {}

void Decoder::feed(std::string_view bytes) {
  if (failed_) return;
  hold();  // nothing to copy when the caller drained the decoder
  input_ = bytes;
}

Result<std::optional<Packet>> Decoder::next() {
  if (failed_) return *failed_;
  while (kept_pos_ < kept_.size()) {
    const std::string_view kept = std::string_view(kept_).substr(kept_pos_);
    const Result<std::optional<Frame>> frame = read_frame(kept);
    if (!frame) return fail(frame.error());
    // Without a whole fixed header, one byte more: the packet's length is unknown and what follows the packet
    // shall not be copied.
    const std::size_t total = *frame ? (*frame)->header_bytes + (*frame)->body_bytes : kept.size() + 1;
    if (kept.size() < total) {
      if (!keep_from_input(total)) return std::optional<Packet>();
      continue;
    }
    kept_pos_ += total;
    return parse(kept, **frame);
  }
  release_kept();
  if (input_.empty()) return std::optional<Packet>();
  const Result<std::optional<Frame>> frame = read_frame(input_);
  if (!frame) return fail(frame.error());
  if (!*frame || input_.size() < (*frame)->header_bytes + (*frame)->body_bytes) {
    hold();
    return std::optional<Packet>();
  }
  const std::string_view packet = input_;
  input_.remove_prefix((*frame)->header_bytes + (*frame)->body_bytes);
  return parse(packet, **frame);
}

void Decoder::hold() {
  if (input_.empty()) return;
  if (kept_pos_ == kept_.size()) release_kept();
  // A caller who takes few packets between feeds may never drain the buffer: what is decoded leaves it once
  // it is half of it, so that no byte is moved more than a constant number of times.
  if (kept_pos_ * 2 >= kept_.size()) kept_.erase(0, std::exchange(kept_pos_, 0));
  kept_.append(input_);
  input_ = {};
}

std::optional<std::uint8_t> Decoder::peek() const {
  if (kept_pos_ < kept_.size()) return static_cast<std::uint8_t>(kept_[kept_pos_]);
  if (!input_.empty()) return static_cast<std::uint8_t>(input_.front());
  return std::nullopt;
}

Error Decoder::fail(Error error) {
  release_kept();
  input_ = {};
  failed_ = std::move(error);
  return *failed_;
}

// The fixed header at the start of `bytes`, as early as it can be judged; nothing while it is incomplete.
Result<std::optional<Decoder::Frame>> Decoder::read_frame(std::string_view bytes) const {
  if (auto refused = refuse_first_byte(static_cast<std::uint8_t>(bytes.front()))) return *std::move(refused);
  std::size_t length = 0;
  for (std::size_t i = 0; i < kLengthBytesMax; ++i) {
    if (1 + i == bytes.size()) return std::optional<Frame>();
    const auto digit = static_cast<std::uint8_t>(bytes[1 + i]);
    length |= static_cast<std::size_t>(digit & 0x7f) << (7 * i);
    if (length > remaining_length_max_)
      return Error(Errc::packet_too_large, "remaining length over the limit");
    if ((digit & 0x80) == 0) return std::optional<Frame>(Frame{2 + i, length});
  }
  return Error(Errc::malformed_packet, "the remaining length has more than four bytes");
}

Result<std::optional<Packet>> Decoder::parse(std::string_view bytes, Frame frame) {
  Result<Packet> packet = parse_packet(static_cast<std::uint8_t>(bytes.front()),
                                       bytes.substr(frame.header_bytes, frame.body_bytes));
  if (!packet) return fail(packet.error());
  return std::optional<Packet>(std::move(*packet));
}

// Moves bytes of the input behind the kept ones until these are `total`; false when the input ends before.
bool Decoder::keep_from_input(std::size_t total) {
  // Decoded bytes go first, so that the buffer holds one packet only.
  kept_.erase(0, std::exchange(kept_pos_, 0));
  const std::size_t wanted = std::min(total - kept_.size(), input_.size());
  kept_.append(input_.substr(0, wanted));
  input_.remove_prefix(wanted);
  return kept_.size() == total;
}

void Decoder::release_kept() {
  if (kept_.capacity() > std::string().capacity()) std::string().swap(kept_);
  kept_.clear();
  kept_pos_ = 0;
}

}  // namespace kyanite::mqtt
