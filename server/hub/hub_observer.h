#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/error.h"
#include "protocol/base/ids.h"
#include "protocol/base/peer_info.h"
#include "protocol/base/time.h"
#include "server/hub/device_messages.h"

namespace kyanite {

// Why the network connection of a device ended (spec device-mqtt.md 10.1 has the service's numbers).
enum class EndReason : std::uint8_t {
  refused,              // CONNECT was answered with a refusal
  device_disconnected,  // the device said so
  link_lost,            // the stream ended without it
  connect_timeout,      // no CONNECT in time
  keep_alive_timeout,
  protocol_violation,  // malformed packets, QoS 2, undocumented topics and filters
  message_too_large,
  slow_consumer,  // does not read what it is sent
  credential_expired,
  takeover,  // a newer connection of the same identity
  identity_disabled,
  identity_deleted,
  credential_changed,
  shutting_down,
  hub_unavailable,  // the hub could not store a change of its session: it shall come again
  throttled,        // telemetry far over the rate of the tier (spec device-mqtt.md 9.4)
  quota_exceeded,   // telemetry after the daily quota was used up
  fault,            // a test asked for it
};
inline constexpr std::size_t kEndReasonCount = 18;

// How a connection ends that its owner tells to close.
EndReason end_reason_of(CloseReason reason);
// snake_case, for logs and metrics.
std::string_view to_string(EndReason reason);
// The service's number for it in operations records, 0 for an orderly end (spec device-mqtt.md 10.1).
int status_type(EndReason reason);
// The same for a refused CONNECT.
int refusal_status_type(const Error& error);

// A sentence to go with them: "DeviceConnectionClosedRemotely: reset". Empty for an orderly end.
std::string status_description(EndReason reason, std::string_view detail);
std::string refusal_description(const Error& error);

// The authType of operations records and of the connection log: JSON text with scope, type and issuer.
std::string auth_type_json(AuthScope scope, AuthKind kind);

enum class DeviceProtocol : std::uint8_t { mqtt, amqp, https };
// As the service's records write it: "Mqtt", "Amqp", "Https".
std::string_view to_string(DeviceProtocol protocol);

// What is told of a connection. Views are valid during the call only; nothing here is a secret.
struct ConnectionFacts {
  ConnectionRef ref;
  const Identity& identity;      // claimed, as long as CONNECT is not accepted
  std::string_view client_type;  // DeviceClientType of the user name
  std::string_view model_id;
  std::string_view address;
  std::string_view tls_version;
  PeerTransport transport = PeerTransport::tcp;
  AuthScope scope = AuthScope::device;  // with kind: what was claimed, as long as CONNECT is not accepted
  AuthKind kind = AuthKind::sas;
  milliseconds connect_took{};  // from the link to the verdict; only for on_connected and on_refused
  DeviceProtocol protocol = DeviceProtocol::mqtt;
};

// HubObserver is told what operators want to know of connections (spec device-mqtt.md 10.1, 10.5). Error
// details may be logged; they never hold tokens, keys or payloads.
//
// Threads: called on the connection's shard, from several shards at once; must not block.
class HubObserver {
 public:
  virtual ~HubObserver() = default;
  virtual void on_connected(const ConnectionFacts& connection) = 0;
  // One for each connection that was not accepted and did not just leave: its CONNECT was refused, was none,
  // or did not come in time. The identity is empty when it could not be read.
  virtual void on_refused(const ConnectionFacts& connection, const Error& error) = 0;
  // One for each end of an accepted connection.
  virtual void on_disconnected(const ConnectionFacts& connection, EndReason reason, std::string_view detail,
                               milliseconds connected_for) = 0;
  // A telemetry message was not taken; the connection ends next.
  virtual void on_telemetry_refused(const ConnectionFacts& connection, const Error& error,
                                    std::size_t bytes) = 0;
  // The will cannot fire: its topic is not the device's own (spec device-mqtt.md 2.9).
  virtual void on_will_unusable(const ConnectionFacts& connection, std::string_view topic) = 0;
  // A token, a password or a link of an AMQP connection was refused; `container` is what the peer calls
  // itself.
  virtual void on_amqp_refused(std::string_view address, std::string_view container, std::string_view what,
                               const Error& error) = 0;
  // A peer finished its TLS handshake and left without a byte more.
  virtual void on_left_silently(std::string_view address, std::string_view tls_version,
                                DeviceProtocol protocol) = 0;
  // So many refused CONNECTs found no room in operations monitoring (10.1).
  virtual void on_refusals_unrecorded(std::uint64_t count) = 0;
  // Retention removed events that a reader of the partition had not reached: it goes on with the oldest one.
  virtual void on_reader_overtaken(std::string_view consumer_group, PartitionId partition,
                                   TelemetryOffset wanted, TelemetryOffset oldest) = 0;
};

}  // namespace kyanite
