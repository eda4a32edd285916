#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/reply.h"
#include "server/hub/connection_explanations.h"
#include "server/hub/forwarding_observer.h"

namespace kyanite {

// One line of the journal. Texts are bounded, and no secrets; those of refused clients are what they claimed.
struct ConnectionEntry {
  enum class Kind : std::uint8_t { connected, disconnected, refused };
  Kind kind = Kind::connected;
  WallTime time{};        // of the last one where equal refusals were counted together
  WallTime first_time{};  // of the first one
  std::uint64_t count = 1;
  Identity identity;    // empty when the client named none that could be read
  std::string address;  // of the peer, numeric
  std::string client;   // what it calls itself: DeviceClientType, or the container of AMQP
  std::string tls;      // "TLSv1.3"
  DeviceProtocol protocol = DeviceProtocol::mqtt;
  PeerTransport transport = PeerTransport::tcp;
  std::optional<std::pair<AuthScope, AuthKind>> credential;  // claimed, of one that was refused
  int code = 0;                  // the service's number, 0 for an orderly end and what was accepted
  std::string reason;            // of an end as to_string(EndReason), of a refusal the error's name
  std::string detail;            // what the hub knows more
  std::string_view explanation;  // a literal: what it means and what to do, for people
  milliseconds connected_for{};
};

// Which entries somebody wants, the newest first.
struct ConnectionQuery {
  std::optional<std::string> device{};  // with its modules
  std::optional<std::string> module{};
  std::vector<ConnectionEntry::Kind> kinds{};  // empty: all
  std::optional<WallTime> since{};
  std::size_t limit = 100;

  bool wants(const ConnectionEntry& entry) const;
};

// An HTTP request that was refused for who asked, or a WebSocket that was not opened. Views are valid during
// the call only; what the client chose to call itself is a claim.
struct RefusedRequest {
  enum class Caller : std::uint8_t {
    device,    // or module: `identity` is the one of the path
    back_end,  // of the service's side
    websocket  // nobody yet: credentials come later
  };
  Caller caller = Caller::device;
  Identity identity{};
  std::string_view address;
  std::string_view client;  // User-Agent
  std::string_view tls_version;
  DeviceProtocol protocol = DeviceProtocol::https;
  std::optional<std::pair<AuthScope, AuthKind>> credential{};
};

// ConnectionJournal remembers the latest connects, ends and refusals of one shard and passes what observers
// are told on to the one behind it.
//
// Owner: its shard; all calls there. Bound: `entries_max` each of accepted connections and ends, of refusals
// that name a device, and of those that name none, so that a client which is refused over and over, or one
// that knocks at a port without a word, pushes nothing else out; the oldest go. Equal refusals among the
// latest are one entry with a count. Texts are cut (limits::kJournalTextBytesMax).
class ConnectionJournal final : public ForwardingObserver {
 public:
  ConnectionJournal(HubObserver& next, Executor& executor, std::size_t entries_max);

  // A client that failed at TLS, before it could say who it is; the protocol is that of the port.
  void on_tls_failed(std::string_view address, DeviceProtocol protocol, TlsFailure failure,
                     std::string_view problem);
  // The reason's sentence is the hub's own.
  void on_request_refused(const RefusedRequest& request, const Error& error);

  // Matching entries, the newest first.
  std::vector<ConnectionEntry> entries(const ConnectionQuery& query) const;

  void on_connected(const ConnectionFacts& connection) override;
  void on_refused(const ConnectionFacts& connection, const Error& error) override;
  void on_disconnected(const ConnectionFacts& connection, EndReason reason, std::string_view detail,
                       milliseconds connected_for) override;
  void on_amqp_refused(std::string_view address, std::string_view container, std::string_view what,
                       const Error& error) override;
  void on_left_silently(std::string_view address, std::string_view tls_version,
                        DeviceProtocol protocol) override;

 private:
  ConnectionEntry entry_of(const ConnectionFacts& connection, ConnectionEntry::Kind kind) const;
  void add(ConnectionEntry entry);
  void add_refusal(ConnectionEntry entry, const Error& error, std::string_view what = {});
  void count_refusal(ConnectionEntry entry);

  Executor& executor_;
  const std::size_t entries_max_;
  std::deque<ConnectionEntry> accepted_;  // the newest last
  // By when they were first seen.
  std::deque<ConnectionEntry> refused_;
  std::deque<ConnectionEntry> refused_unnamed_;
};

// ConnectionHistory asks the journals of all shards.
//
// Owner: the application; journals are given to it before the shards start and outlive them. Threads: any.
// Reply: home, after all shards have answered.
class ConnectionHistory {
 public:
  void add(Executor& shard, const ConnectionJournal& journal) { journals_.emplace_back(&shard, &journal); }
  void find(const ConnectionQuery& query, Reply<std::vector<ConnectionEntry>> reply) const;

 private:
  std::vector<std::pair<Executor*, const ConnectionJournal*>> journals_;
};

}  // namespace kyanite
