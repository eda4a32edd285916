#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/base/channel.h"
#include "protocol/base/executor.h"

namespace kyanite::test {

// SimLink is the peer's end of a simulated channel; the hub gets the other end. What the hub writes arrives
// at the end of its turn, as with a real channel; close(flush=false) loses what was written in the same turn.
class SimLink {
 public:
  explicit SimLink(Executor& executor, PeerInfo peer = {});

  // The hub's end; once.
  std::unique_ptr<Channel> take_channel();

  void send(std::string_view bytes);
  void send_in_pieces(std::string_view bytes, std::size_t piece);
  void drop();              // the link is cut
  void close_gracefully();  // the peer ends the stream
  // The peer stops or starts to read: what the hub writes piles up.
  void stall();
  void unstall();

  // Told of what the hub writes, as it writes; it may yet be lost.
  void on_hub_write(std::function<void(std::string_view)> listener);

  std::string take_received();  // bytes from the hub since the last call
  bool is_closed() const;       // the hub ended the stream
  bool hub_is_reading() const;
  std::size_t unread_bytes() const;  // sent, not yet taken by the hub
  std::size_t certificates() const;  // what the hub's end still holds

 private:
  class SimChannel;
  struct State;
  static void pump(const std::shared_ptr<State>& state);
  static void flush(const std::shared_ptr<State>& state);
  static void end(const std::shared_ptr<State>& state, ChannelEnd how);

  std::shared_ptr<State> state_;
};

}  // namespace kyanite::test
