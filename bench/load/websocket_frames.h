#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kyanite::load {

// The head of a WebSocket upgrade for MQTT.
std::string websocket_upgrade(std::string_view host_name);

// Appends the bytes as one binary message. The mask is zero: allowed, and it costs the generator nothing.
void append_websocket_message(std::string& out, std::string_view payload);

// WebSocketReader takes the frames of a server apart.
class WebSocketReader {
 public:
  // Appends the payloads of what arrived. False when the server closed the WebSocket, or talks of nothing a
  // load generator expects.
  bool read(std::string_view bytes, std::string& payloads);

 private:
  bool begin_frame();  // true once head_ is whole

  std::string head_;             // of the frame that begins, as far as it came
  std::uint64_t remaining_ = 0;  // payload bytes of the frame under way
};

}  // namespace kyanite::load
