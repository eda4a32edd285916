#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/base/histogram.h"
#include "server/api/api_observer.h"
#include "server/hub/forwarding_observer.h"

namespace kyanite {

// Why somebody was not let in, in as few words as a label may have; the log has the sentence.
enum class RefusalReason : std::uint8_t {
  no_credential,
  malformed_credential,
  expired,    // the token, by the hub's clock
  wrong_key,  // the token is signed with another one
  unknown_policy,
  wrong_scope,     // the token is for something else
  missing_right,   // of the token's policy
  certificate,     // a client certificate that proves nothing
  bad_credential,  // another trouble with it: switched off, of another kind than the registered one
  unknown_identity,
  disabled,
  throttled,  // over the rate or the quota of the tier
  protocol,   // what came was no connect, or a malformed one
  timeout,    // nothing came in time
  hub,        // the hub was busy, going down, or could not read its store
  other,
};
inline constexpr std::size_t kRefusalReasonCount = 16;
std::string_view to_string(RefusalReason reason);  // snake_case
RefusalReason refusal_reason_of(const Error& error);

using RefusalCounts = std::array<std::uint64_t, kRefusalReasonCount>;

// Connections of devices over one protocol, since the start.
struct ConnectionCounters {
  std::uint64_t accepted = 0;
  RefusalCounts refused{};
  RefusalCounts links_refused{};  // tokens, passwords and links of AMQP connections
  std::array<std::uint64_t, kEndReasonCount> ends{};
  std::uint64_t telemetry_refused = 0;  // messages that were not taken, over the size or the quota
  std::uint64_t events_overtaken = 0;   // readers that lost events to retention

  void add(const ConnectionCounters& other);
};

// REST requests, since the start.
struct RequestCounters {
  std::array<std::uint64_t, 6> by_class{};  // [2]: 200 to 299, and so on; [0]: no HTTP status
  RefusalCounts refused{};                  // 401 and 403
  SecondsHistogram seconds;                 // until the answer was ready

  void add(const RequestCounters& other);
};

// ConnectionMeter counts what adapters tell of connections, and tells the next observer.
//
// Owner: one shard and protocol; called and read on that shard.
class ConnectionMeter final : public ForwardingObserver {
 public:
  explicit ConnectionMeter(HubObserver& next) : ForwardingObserver(next) {}
  const ConnectionCounters& counters() const { return counters_; }

  void on_connected(const ConnectionFacts& connection) override;
  void on_refused(const ConnectionFacts& connection, const Error& error) override;
  void on_disconnected(const ConnectionFacts& connection, EndReason reason, std::string_view detail,
                       milliseconds connected_for) override;
  void on_telemetry_refused(const ConnectionFacts& connection, const Error& error,
                            std::size_t bytes) override;
  void on_amqp_refused(std::string_view address, std::string_view container, std::string_view what,
                       const Error& error) override;
  void on_reader_overtaken(std::string_view consumer_group, PartitionId partition, TelemetryOffset wanted,
                           TelemetryOffset oldest) override;

 private:
  ConnectionCounters counters_;
};

// The same for requests.
class RequestMeter final : public ApiObserver {
 public:
  explicit RequestMeter(ApiObserver& next) : next_(next) {}
  const RequestCounters& counters() const { return counters_; }
  void on_answered(const RequestOutcome& outcome) override;

 private:
  ApiObserver& next_;
  RequestCounters counters_;
};

}  // namespace kyanite
