#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/assert.h"
#include "protocol/mqtt/decoder.h"
#include "protocol/mqtt/encoder.h"

// The input: one byte n, then n sizes, then a stream. The stream is decoded in one piece and again cut into
// pieces of those sizes (used in turn; 0 stands for 256): the packets and the error must be the same. Each
// packet, encoded and decoded once more, must be itself.
namespace {

using namespace kyanite;
using namespace kyanite::mqtt;

std::string encode(const Packet& packet) {
  std::string out;
  if (const auto* connect = std::get_if<Connect>(&packet)) {
    // The encoder sends no empty username alone; such a packet is compared without it.
    append_connect(out, {connect->client_id, connect->username.value_or(""), connect->password.value_or(""),
                         connect->keep_alive_seconds, connect->clean_session, connect->will});
  } else if (const auto* publish = std::get_if<Publish>(&packet)) {
    append_client_publish(out, publish->topic, publish->payload, publish->qos, publish->retain, publish->dup,
                          publish->packet_id);
  } else if (const auto* puback = std::get_if<Puback>(&packet)) {
    append_puback(out, puback->packet_id);
  } else if (const auto* subscribe = std::get_if<Subscribe>(&packet)) {
    append_subscribe(out, subscribe->packet_id, subscribe->requests);
  } else if (const auto* unsubscribe = std::get_if<Unsubscribe>(&packet)) {
    append_unsubscribe(out, unsubscribe->packet_id, unsubscribe->filters);
  } else if (std::holds_alternative<Pingreq>(packet)) {
    append_pingreq(out);
  } else if (std::holds_alternative<Disconnect>(packet)) {
    append_disconnect(out);
  } else {
    out = "unsupported CONNECT";
  }
  return out;
}

void check_round_trip(const std::string& encoded) {
  if (encoded == "unsupported CONNECT") return;
  Decoder decoder(std::size_t{1} << 28);
  decoder.feed(encoded);
  const auto packet = decoder.next();
  KYANITE_ASSERT(packet && *packet);
  KYANITE_ASSERT(encode(**packet) == encoded);
}

// Takes all packets at hand; false once the decoder failed.
bool drain(Decoder& decoder, std::vector<std::string>& seen) {
  for (;;) {
    const auto packet = decoder.next();
    if (!packet) {
      seen.push_back("error " + std::to_string(static_cast<int>(packet.error().code)));
      return false;
    }
    if (!*packet) return true;
    seen.push_back(encode(**packet));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t count = std::min<std::size_t>(data[0], size - 1);
  const std::vector<std::uint8_t> sizes(data + 1, data + 1 + count);
  const std::string_view stream(reinterpret_cast<const char*>(data) + 1 + count, size - 1 - count);

  std::vector<std::string> whole;
  Decoder at_once;
  at_once.feed(stream);
  drain(at_once, whole);
  for (const std::string& packet : whole) {
    if (!packet.starts_with("error ")) check_round_trip(packet);
  }

  std::vector<std::string> pieces;
  Decoder in_pieces;
  std::size_t pos = 0;
  for (std::size_t turn = 0; pos < stream.size(); ++turn) {
    const std::size_t chosen =
        sizes.empty() || sizes[turn % sizes.size()] == 0 ? 256 : sizes[turn % sizes.size()];
    // A copy of exactly this size, so that reading beyond it, or after it is gone, is seen.
    const std::vector<char> piece(
        stream.begin() + static_cast<std::ptrdiff_t>(pos),
        stream.begin() + static_cast<std::ptrdiff_t>(std::min(pos + chosen, stream.size())));
    pos += piece.size();
    in_pieces.feed({piece.data(), piece.size()});
    if (!drain(in_pieces, pieces)) break;
    KYANITE_ASSERT(in_pieces.pending_bytes() == in_pieces.buffered_bytes());
  }
  KYANITE_ASSERT(pieces == whole);
  return 0;
}
