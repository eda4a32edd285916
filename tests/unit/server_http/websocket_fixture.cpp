#include "tests/unit/server_http/websocket_fixture.h"

#include <array>

namespace kyanite::test {
namespace ws {

std::string frame(int opcode, std::string_view payload, FrameOptions options) {
  constexpr std::array<char, 4> kMask{'\x12', '\x34', '\x56', '\x78'};
  std::string out(1, static_cast<char>((options.fin ? 0x80 : 0) | opcode));
  const int mask_bit = options.masked ? 0x80 : 0;
  if (payload.size() < 126) {
    out += static_cast<char>(mask_bit | static_cast<int>(payload.size()));
  } else {
    const int length_bytes = payload.size() <= 0xffff ? 2 : 8;
    out += static_cast<char>(mask_bit | (length_bytes == 2 ? 126 : 127));
    for (int i = length_bytes - 1; i >= 0; --i) out += static_cast<char>(payload.size() >> (8 * i) & 0xff);
  }
  if (!options.masked) return out + std::string(payload);
  out.append(kMask.data(), kMask.size());
  for (std::size_t i = 0; i < payload.size(); ++i) out += static_cast<char>(payload[i] ^ kMask[i % 4]);
  return out;
}

std::string close_frame(int code) {
  return frame(kClose, std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)});
}

std::string upgrade(std::string_view target, std::string_view protocol, std::string_view extra) {
  std::string head = "GET " + std::string(target) +
                     " HTTP/1.1\r\nHost: hub.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  if (!protocol.empty()) head += "Sec-WebSocket-Protocol: " + std::string(protocol) + "\r\n";
  return head + std::string(extra) + "\r\n";
}

}  // namespace ws

int WebSocketClient::Frame::close_code() const {
  if (opcode != ws::kClose || payload.size() < 2) return 0;
  return static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]);
}

RawResponse WebSocketClient::upgrade(std::string_view head) {
  raw_.send(head);
  return raw_.receive_head();
}

WebSocketClient::Frame WebSocketClient::receive() {
  Frame frame;
  const std::string head = raw_.read_exactly(2);
  if (head.size() < 2) return frame;
  std::size_t size = static_cast<unsigned char>(head[1]);
  if (size >= 126) {
    const std::string length = raw_.read_exactly(size == 126 ? 2 : 8);
    size = 0;
    for (const char c : length) size = size << 8 | static_cast<unsigned char>(c);
  }
  frame.opcode = head[0] & 0x0f;
  frame.fin = (head[0] & 0x80) != 0;
  frame.payload = raw_.read_exactly(size);
  return frame;
}

std::string WebSocketClient::receive_bytes(std::size_t bytes) {
  std::string all;
  while (all.size() < bytes) {
    const Frame frame = receive();
    if (frame.opcode != ws::kBinary && frame.opcode != ws::kContinuation) break;
    all += frame.payload;
  }
  return all;
}

void WebSocketTest::serve_websockets(WebSocketRules rules, HttpLimits limits) {
  websocket_.rules = rules;
  websocket_.accept = [this](std::unique_ptr<TlsStream> stream, WsHandshake handshake) {
    auto peer = std::make_unique<Peer>();
    peer->channel = std::make_unique<WsChannel>(std::move(stream), std::move(handshake));
    if (setup_) setup_(*peer);
    peer->channel->start(*peer);
    peers_.push_back(std::move(peer));
  };
  serve(limits);
}

void WebSocketTest::TearDown() {
  if (listener_) on_shard([this] { peers_.clear(); });
  HttpTest::TearDown();
}

WebSocketClient WebSocketTest::open() {
  WebSocketClient client(connect());
  EXPECT_EQ(client.upgrade().status, 101);
  // The pong shows that the server's side is open as well: it learns later than we that 101 is out.
  client.send(ws::frame(ws::kPing, ""));
  EXPECT_EQ(client.receive().opcode, ws::kPong);
  return client;
}

WebSocketTest::Peer& WebSocketTest::peer(std::size_t index) {
  EXPECT_TRUE(eventually([&] { return peers_.size() > index; }));
  return on_shard([&]() -> Peer& { return *peers_.at(index); });
}

std::string WebSocketTest::received(std::size_t bytes, std::size_t index) {
  Peer& of = peer(index);
  eventually([&] { return of.received.size() >= bytes; });
  return on_shard([&] { return of.received; });
}

std::optional<ChannelEnd> WebSocketTest::end_of(std::size_t index) {
  Peer& of = peer(index);
  eventually([&] { return of.end.has_value(); });
  return on_shard([&] { return of.end; });
}

}  // namespace kyanite::test
