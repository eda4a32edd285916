#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "protocol/base/result.h"
#include "protocol/base/time.h"
#include "server/net/listen_address.h"
#include "server/net/tls_context.h"
#include "server/net/tls_stream.h"
#include "server/runtime/shard_group.h"

namespace kyanite {

// What a listener has seen since it started. Any thread may read.
struct ListenerCounters {
  std::atomic<std::uint64_t> accepted{0};
  std::atomic<std::uint64_t> handshakes{0};  // finished, resumed ones included
  std::atomic<std::uint64_t> resumed{0};
  std::array<std::atomic<std::uint64_t>, kTlsFailureCount> failed{};  // by TlsFailure
  std::atomic<std::uint64_t> timed_out{0};
  std::atomic<std::uint64_t> displaced{0};    // silent or over its share, and gave its place to another peer
  std::atomic<std::uint64_t> paused_full{0};  // accepting paused: every shard has its handshakes
  std::atomic<std::uint64_t> paused_descriptors{
      0};  // accepting paused: no file descriptors for connections, or no memory

  std::uint64_t failed_by(TlsFailure why) const { return failed[static_cast<std::size_t>(why)]; }
};

struct ListenerSettings {
  std::string address;                  // see parse_listen_address
  int backlog = 4096;                   // a reconnect storm waits in the kernel (performance.md section 5)
  milliseconds handshake_time{20'000};  // from accepting to the end
  milliseconds first_byte_time{5'000};  // from accepting to the first byte, if that is less
  // What a handshake has while others wait and its address holds more than half of a shard's places.
  milliseconds crowding_time{3'000};
  std::size_t handshakes_per_shard = 512;
  // Told of a peer that failed at TLS, of one that left on the way, and of one that spoke without TLS; not of
  // peers that sent nothing or were slow. Called on the shard of the connection, by all shards concurrently.
  std::function<void(Shard& shard, const std::string& address, TlsFailure failure,
                     const std::string& problem)>
      on_failed{};
};

// Listener accepts on one port, deals the sockets round robin to the shards, and does the TLS handshake there
// within a time limit. Peers that do not speak TLS are closed without an answer [device-mqtt.md 1.1].
//
// Owner: the application; destroy it before the ShardGroup. pause, resume and stop from any thread.
// Bound: handshakes_per_shard; beyond that accepting pauses and the kernel's backlog holds the rest. A peer
// that has sent nothing for a while gives its place to one that waits, so silent peers keep no one out; and
// so does a slow one whose address holds more than half of the places. Many clients behind one address are
// served like others as long as they go on with their handshakes.
class Listener {
 public:
  // Called on the shard that the connection now belongs to, inside a turn; by all shards concurrently, so it
  // must not change what it captured. stream->peer() says who it is.
  using OnAccepted = std::function<void(Shard& shard, std::unique_ptr<TlsStream> stream)>;

  // Without contexts the port speaks plain TCP. Binds and listens on shard `acceptor_shard`'s loop, and
  // begins to accept. Errc::io_failed names the address and the reason; Errc::config_invalid an address that
  // cannot be read. error_number, when given, receives the errno.
  static Result<std::unique_ptr<Listener>> open(ShardGroup& shards, ListenerSettings settings,
                                                std::shared_ptr<const TlsContextHolder> contexts,
                                                OnAccepted on_accepted, int* error_number = nullptr,
                                                unsigned acceptor_shard = 0);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::uint16_t port() const;  // the bound one
  const std::string& address() const;
  const ListenerCounters& counters() const;

  // Leaves new connections in the kernel's backlog until resume.
  void pause();
  void resume();
  // Closes the port and cuts handshakes under way; connections already delivered live on. on_accepted may
  // still be running on a shard when this returns, but no call begins after each shard has run what is posted
  // to it now.
  void stop();

 private:
  class Core;
  explicit Listener(std::shared_ptr<Core> core);

  const std::shared_ptr<Core> core_;
};

}  // namespace kyanite
