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

// What a refusal means to the people who run the device, and what they may do.
std::string_view explain_refusal(const Error& error);
// The same of an end; empty for one that needs no word.
std::string_view explain_end(EndReason reason);

// ConnectionJournal remembers the latest connects, ends and refusals of one shard and passes everything on to
// the observer behind it.
//
// Owner: its shard; all calls there. Bound: `entries_max` accepted connections and ends, and as many
// refusals, so that a client which is refused over and over pushes nothing else out; the oldest go. Equal
// refusals among the latest are one entry with a count. Texts are cut (limits::kJournalTextBytesMax).
class ConnectionJournal final : public ForwardingObserver {
 public:
  ConnectionJournal(HubObserver& next, Executor& executor, std::size_t entries_max);

  // A client that failed at TLS, before it could say who it is; the protocol is that of the port.
  void on_tls_failed(std::string_view address, DeviceProtocol protocol, std::string_view problem);

  // Matching entries, the newest first.
  std::vector<ConnectionEntry> entries(const ConnectionQuery& query) const;

  void on_connected(const ConnectionFacts& connection) override;
  void on_refused(const ConnectionFacts& connection, const Error& error) override;
  void on_disconnected(const ConnectionFacts& connection, EndReason reason, std::string_view detail,
                       milliseconds connected_for) override;
  void on_amqp_refused(std::string_view address, std::string_view container, std::string_view what,
                       const Error& error) override;

 private:
  ConnectionEntry entry_of(const ConnectionFacts& connection, ConnectionEntry::Kind kind) const;
  void add(ConnectionEntry entry);
  void add_refusal(ConnectionEntry entry, const Error& error);
  void count_refusal(ConnectionEntry entry);

  Executor& executor_;
  const std::size_t entries_max_;
  std::deque<ConnectionEntry> accepted_;  // the newest last
  std::deque<ConnectionEntry> refused_;   // by when they were first seen
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
