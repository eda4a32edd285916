#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/auth/access_policy.h"
#include "protocol/base/ids.h"
#include "protocol/base/time.h"
#include "protocol/topics/property_bag.h"

// What is stored, as plain structs. Their bytes are in record_codec.h and format.md.
namespace kyanite {

enum class IdentityStatus : std::uint8_t { enabled, disabled };
enum class AuthenticationType : std::uint8_t { sas, self_signed, certificate_authority, none };

// A device or module as registered (spec service-rest.md 4.2, 4.8). Live state (connected or not) is not
// stored.
struct IdentityRecord {
  Identity id;
  std::string generation_id;       // decimal digits, new for each re-creation
  std::uint64_t etag_counter = 1;  // shown as base64 of the decimal number
  IdentityStatus status = IdentityStatus::enabled;
  std::string status_reason;
  WallTime status_updated = kNever;
  AuthenticationType auth_type = AuthenticationType::sas;
  std::string primary_key;  // base64, only for sas
  std::string secondary_key;
  std::string primary_thumbprint;  // hex, only for self_signed
  std::string secondary_thumbprint;
  bool iot_edge = false;
  std::string device_scope;
  std::vector<std::string> parent_scopes;
  std::string managed_by;  // modules only
  friend bool operator==(const IdentityRecord&, const IdentityRecord&) = default;
};

// The twin document of an identity; it exists from the identity's creation on (spec service-rest.md 5.5, 62).
struct TwinRecord {
  std::uint64_t version = 2;
  std::uint64_t etag_counter = 1;
  std::uint64_t desired_version = 1;
  std::uint64_t reported_version = 1;
  std::string model_id;
  std::string tags = "{}";  // JSON objects as text
  std::string desired = "{}";
  std::string reported = "{}";
  std::string desired_metadata;  // JSON, empty until the first update
  std::string reported_metadata;
  // What automatic configurations made of the twin: {"<id>":{"status":"Targeted"|"Applied"}} as text, empty
  // where none is for it (spec service-rest.md 9.2).
  std::string configurations;
  WallTime created = kNever;
  friend bool operator==(const TwinRecord&, const TwinRecord&) = default;
};

// A device CA certificate that X.509 devices may chain to once it is verified (spec device-mqtt.md 2.6).
struct CaCertificateRecord {
  std::string name;
  std::string der;
  bool verified = true;
  std::string challenge{};  // the code that a proof of possession has to carry; empty: none was asked for
  WallTime created = kNever;
  friend bool operator==(const CaCertificateRecord&, const CaCertificateRecord&) = default;
};

// Where an event of the log comes from (spec device-mqtt.md 10, routing-and-events.md 1). Stored: only
// append.
enum class MessageSource : std::uint8_t {
  telemetry,
  twin_change,
  device_lifecycle,  // of modules too
  connection_state,
  operations_monitoring,
};

// One event of the telemetry log as a reader sees it (spec device-mqtt.md 4.7).
struct TelemetryRecord {
  // Set by the commit thread: position in the partition, and a time that never decreases within it.
  TelemetryOffset offset{};
  WallTime enqueued{};
  // Set by TelemetryIngest.
  Identity sender;
  std::string generation_id;
  std::string auth_method;  // the JSON text of iothub-connection-auth-method
  MessageSource source = MessageSource::telemetry;
  std::string model_id;          // dt-dataschema, may be empty
  std::vector<Property> system;  // from the bag, service names
  std::vector<Property> application;
  std::string body;
  friend bool operator==(const TelemetryRecord&, const TelemetryRecord&) = default;
};

// A subscription that outlives its connection (spec device-mqtt.md 2.12).
struct StoredSubscription {
  std::string filter;
  std::uint8_t qos = 0;       // granted
  WallTime created = kNever;  // of the first SUBSCRIBE; repeating it changes nothing
  friend bool operator==(const StoredSubscription&, const StoredSubscription&) = default;
};

// The durable session of one identity: what it subscribed to with CleanSession 0. None is kept when empty.
struct SessionRecord {
  Identity id;
  std::vector<StoredSubscription> subscriptions;
  friend bool operator==(const SessionRecord&, const SessionRecord&) = default;
};

// When the sender of a cloud-to-device message wants to hear of its end (spec device-mqtt.md 5.7).
enum class AckRequest : std::uint8_t { none, positive, negative, full };

// What an owner keeps in memory of a queued cloud-to-device message (spec device-mqtt.md 5).
struct C2dHeader {
  std::uint64_t sequence = 0;  // position in the device's queue; grows, never reused
  WallTime enqueued = kNever;
  WallTime expiry = kNever;      // of the message or by the default time to live; always set
  bool explicit_expiry = false;  // the sender gave it
  bool was_sent = false;         // to a device before: the next delivery is marked as a repetition
  std::uint32_t delivery_count = 0;
  AckRequest ack = AckRequest::none;
  std::string message_id;   // may be empty
  std::uint32_t bytes = 0;  // of the message by the formula of 4.5
  friend bool operator==(const C2dHeader&, const C2dHeader&) = default;
};

// A cloud-to-device message as it was sent.
struct C2dMessage {
  std::string device;
  C2dHeader header;
  std::string to;              // as the sender wrote it; empty: the hub makes it
  std::string correlation_id;  // empty: not given, here and below
  std::string user_id;
  std::string content_type;
  std::string content_encoding;
  std::vector<Property> application;  // in the order sent, always with a value
  std::string body;
  friend bool operator==(const C2dMessage&, const C2dMessage&) = default;
};

// How a cloud-to-device message ended (spec device-mqtt.md 5.6, 5.7). Stored: only append.
enum class FeedbackStatus : std::uint8_t { success, expired, delivery_count_exceeded, rejected, purged };

// One line of feedback to the senders, waiting in the hub-wide queue.
struct FeedbackRecord {
  std::uint64_t sequence = 0;  // given by the store at the commit; grows, never reused
  std::string original_message_id;
  WallTime time = kNever;  // of the outcome
  FeedbackStatus status = FeedbackStatus::success;
  std::string device;
  std::string generation_id;
  friend bool operator==(const FeedbackRecord&, const FeedbackRecord&) = default;
};

}  // namespace kyanite
