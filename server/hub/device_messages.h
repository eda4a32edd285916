#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/base/ids.h"
#include "protocol/base/reply.h"
#include "protocol/http/etag.h"
#include "storage/records.h"

// Everything that can happen to a device: values sent to the shard that owns it (architecture section 3).
namespace kyanite {

enum class AuthScope : std::uint8_t { device, module, hub };  // whose credential opened the connection
enum class AuthKind : std::uint8_t { sas, x509 };

// What a CONNECT or a device request presented.
struct Credentials {
  std::optional<std::string> sas_token;
  std::vector<std::string> certificate_chain;  // DER, leaf first
};

// The verdict on a connection that may stay.
struct Attachment {
  Epoch epoch{};
  std::string generation_id;
  AuthScope scope = AuthScope::device;
  AuthKind kind = AuthKind::sas;
  std::optional<WallTime> credential_expiry;  // without grace
};

struct Attach {
  ConnectionRef connection;
  Identity identity;
  Credentials credentials;
  std::string client_type;
  std::string model_id;
  Reply<Attachment> reply;  // Errc::unauthorized, device_not_found, module_not_found, device_disabled, ...
};

// The connection ended. Its will, if due, was appended before this was sent.
struct Detached {
  ConnectionRef connection;
  Identity identity;
  Epoch epoch;
};

// Something arrived from the device; drives lastActivityTime. Sent at most once a second per connection.
struct Active {
  Identity identity;
  Epoch epoch;
  WallTime when;
};

// An identity as the registry shows it: what is stored and what is live.
struct IdentityView {
  IdentityRecord record;
  bool connected = false;
  WallTime connection_state_updated = kNever;
  WallTime last_activity = kNever;
};

struct GetIdentity {
  Identity identity;
  Reply<IdentityView> reply;
};
struct ListModules {
  std::string device;
  Reply<std::vector<IdentityView>> reply;
};
// Creates (no if_match) or replaces; `wanted` holds the writable fields already validated, empty keys are
// minted.
struct PutIdentity {
  IdentityRecord wanted;
  std::optional<IfMatch> if_match;
  Reply<IdentityView> reply;
};
struct DeleteIdentity {
  Identity identity;
  std::optional<IfMatch> if_match;
  Reply<void> reply;
};

using DeviceMessage =
    std::variant<Attach, Detached, Active, GetIdentity, ListModules, PutIdentity, DeleteIdentity>;

// The device a message is for: its owner shard follows from it.
const std::string& device_of(const DeviceMessage& message);

// Questions to a shard about all of its devices at once.
struct LiveState {
  bool connected = false;
  WallTime connection_state_updated = kNever;
  WallTime last_activity = kNever;
};
struct GetLiveStates {
  std::vector<Identity> identities;
  Reply<std::vector<LiveState>> reply;  // in the order asked
};
struct CountConnected {
  Reply<std::uint64_t> reply;  // devices; modules are not counted
};
using ShardQuery = std::variant<GetLiveStates, CountConnected>;

// Why the hub ends a connection; shown in logs and operations records (spec device-mqtt.md 10.1).
enum class CloseReason : std::uint8_t {
  takeover,
  identity_disabled,
  identity_deleted,
  credential_changed,
  credential_expired,
  shutting_down,
};

// What an owner tells a connection. Stale ones (old generation) are dropped by the connection table.
struct CloseConnection {
  CloseReason reason;
};
using ConnectionMessage = std::variant<CloseConnection>;

}  // namespace kyanite
