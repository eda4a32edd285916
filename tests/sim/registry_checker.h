#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "server/hub/hub_observer.h"
#include "storage/memory/memory_state.h"
#include "tests/sim/judge.h"

namespace kyanite::sim {

// Identities and their connections: what the registry answers is stored, etags grow by one with each change,
// and at most one connection of an identity is attached.
class RegistryChecker final : public HubObserver {
 public:
  explicit RegistryChecker(Judge& judge) : judge_(judge) {}

  // A mark to hand to the answers of a request that begins now.
  std::size_t mark() const { return history_.size(); }
  void put_answered(const Identity& identity, std::size_t mark, const std::string& generation,
                    const std::string& etag);
  void delete_answered(const Identity& identity, std::size_t mark);
  void on_commit(const MemoryState& state);
  void on_crash() { connected_.clear(); }
  void finish();  // nobody is connected

  void on_connected(const ConnectionFacts& connection) override;
  void on_refused(const ConnectionFacts& connection, const Error& error) override;
  void on_disconnected(const ConnectionFacts& connection, EndReason reason, std::string_view detail,
                       milliseconds connected_for) override;
  void on_telemetry_refused(const ConnectionFacts& connection, const Error& error,
                            std::size_t bytes) override;
  void on_will_unusable(const ConnectionFacts&, std::string_view) override {}
  void on_amqp_refused(std::string_view, std::string_view, std::string_view, const Error&) override {}
  void on_left_silently(std::string_view, std::string_view, DeviceProtocol) override {}
  void on_refusals_unrecorded(std::uint64_t) override {}
  void on_reader_overtaken(std::string_view, PartitionId, TelemetryOffset, TelemetryOffset) override {}

 private:
  struct Change {
    Identity identity;
    std::string generation;  // empty: erased
    std::string etag;
  };
  bool happened(std::size_t mark, const Change& wanted) const;

  Judge& judge_;
  std::map<Identity, IdentityRecord> known_;
  std::vector<Change> history_;
  std::map<Identity, ConnectionRef> connected_;
};

}  // namespace kyanite::sim
