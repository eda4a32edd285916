#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/net/ws_channel.h"
#include "tests/unit/server_http/http_fixture.h"

namespace kyanite::test {

// RFC 6455 section 5.2.
namespace ws {
inline constexpr int kContinuation = 0, kText = 1, kBinary = 2, kClose = 8, kPing = 9, kPong = 10;

struct FrameOptions {
  bool fin = true;
  bool masked = true;
};
std::string frame(int opcode, std::string_view payload, FrameOptions options = {});
std::string close_frame(int code);
// The head of an upgrade; `protocol` empty offers none, `extra` are further header lines.
std::string upgrade(std::string_view target = "/$iothub/websocket", std::string_view protocol = "mqtt",
                    std::string_view extra = "");
}  // namespace ws

// A WebSocket client by hand.
class WebSocketClient {
 public:
  struct Frame {
    int opcode = -1;  // -1: the stream ended, or nothing came in time
    bool fin = false;
    std::string payload;
    int close_code() const;
  };

  explicit WebSocketClient(RawClient raw) : raw_(std::move(raw)) {}

  RawResponse upgrade(std::string_view head = ws::upgrade());
  bool send(std::string_view bytes) { return raw_.send(bytes); }
  Frame receive();
  // Payloads of binary frames joined, up to so many bytes.
  std::string receive_bytes(std::size_t bytes);
  RawClient& raw() { return raw_; }

 private:
  RawClient raw_;
};

// A server whose WebSockets end in sinks that the test looks at.
class WebSocketTest : public HttpTest {
 protected:
  // One connection. Everything is the shard's; tests look at it through on_shard.
  struct Peer final : Channel::Sink {
    std::unique_ptr<WsChannel> channel;
    std::function<void(Peer&, std::string_view)> on_data;
    std::string received;
    int reads = 0;
    int drained = 0;
    std::optional<ChannelEnd> end;

    void on_bytes(std::string_view bytes) override {
      ++reads;
      received.append(bytes);
      if (on_data) on_data(*this, bytes);
    }
    void on_writable() override { ++drained; }
    void on_closed(ChannelEnd how) override {
      EXPECT_FALSE(end.has_value()) << "on_closed came twice";
      end = how;
    }
  };

  void serve_websockets(WebSocketRules rules = {}, HttpLimits limits = patient());
  void TearDown() override;

  // A client whose upgrade was answered with 101.
  WebSocketClient open();
  Peer& peer(std::size_t index = 0);
  std::string received(std::size_t bytes, std::size_t index = 0);  // waits for that many
  std::optional<ChannelEnd> end_of(std::size_t index = 0);         // waits for it

  std::function<void(Peer&)> setup_;          // on the shard, before start()
  std::vector<std::unique_ptr<Peer>> peers_;  // the shard's
};

}  // namespace kyanite::test
