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
  WallTime created = kNever;
  friend bool operator==(const TwinRecord&, const TwinRecord&) = default;
};

// A device CA certificate that X.509 devices may chain to (spec device-mqtt.md 2.6).
struct CaCertificateRecord {
  std::string name;
  std::string der;
  bool verified = true;
  WallTime created = kNever;
  friend bool operator==(const CaCertificateRecord&, const CaCertificateRecord&) = default;
};

enum class MessageSource : std::uint8_t { telemetry };

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

}  // namespace kyanite
