#include "bench/load/websocket_frames.h"

#include <algorithm>

namespace kyanite::load {
namespace {

constexpr unsigned char kFinal = 0x80;
constexpr unsigned char kMasked = 0x80;
constexpr unsigned char kBinary = 2;
constexpr unsigned char kContinuation = 0;

}  // namespace

std::string websocket_upgrade(std::string_view host_name) {
  return "GET /$iothub/websocket HTTP/1.1\r\nHost: " + std::string(host_name) +
         "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
}

void append_websocket_message(std::string& out, std::string_view payload) {
  out += static_cast<char>(kFinal | kBinary);
  const std::uint64_t size = payload.size();
  int length_bytes = 0;
  if (size < 126) {
    out += static_cast<char>(kMasked | size);
  } else {
    length_bytes = size <= 0xffff ? 2 : 8;
    out += static_cast<char>(kMasked | (length_bytes == 2 ? 126U : 127U));
  }
  while (--length_bytes >= 0) out += static_cast<char>(size >> (8 * length_bytes) & 0xffU);
  out.append(4, '\0');
  out += payload;
}

bool WebSocketReader::read(std::string_view bytes, std::string& payloads) {
  while (!bytes.empty()) {
    if (remaining_ > 0) {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size()));
      payloads += bytes.substr(0, take);
      bytes.remove_prefix(take);
      remaining_ -= take;
      continue;
    }
    head_ += bytes.front();
    bytes.remove_prefix(1);
    if (!begin_frame()) continue;
    const unsigned opcode = static_cast<unsigned char>(head_[0]) & 0x0fU;
    head_.clear();
    if (opcode != kBinary && opcode != kContinuation) return false;
  }
  return true;
}

bool WebSocketReader::begin_frame() {
  if (head_.size() < 2) return false;
  const auto length = static_cast<unsigned char>(head_[1]);
  const std::size_t extra = length < 126 ? 0 : length == 126 ? 2 : 8;
  if (head_.size() < 2 + extra) return false;
  remaining_ = extra == 0 ? length : 0;
  for (std::size_t i = 2; i < head_.size(); ++i) {
    remaining_ = remaining_ << 8U | static_cast<unsigned char>(head_[i]);
  }
  return true;
}

}  // namespace kyanite::load
