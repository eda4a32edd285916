#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/base/ids.h"
#include "protocol/base/json_limits.h"
#include "protocol/base/reply.h"
#include "protocol/http/etag.h"
#include "protocol/topics/device_topic.h"
#include "protocol/twin/twin_metadata.h"
#include "server/hub/c2d_journal.h"
#include "server/hub/hub_counters.h"
#include "storage/document_store.h"
#include "storage/records.h"

// Everything that can happen to a device: values sent to the shard that owns it (architecture section 3).
namespace kyanite {

class ConfigurationSet;

enum class AuthScope : std::uint8_t { device, module, hub };  // whose credential opened the connection
enum class AuthKind : std::uint8_t { sas, x509 };

// What a CONNECT or a device request presented.
struct Credentials {
  std::optional<std::string> sas_token;
  std::vector<std::string> certificate_chain;  // DER, leaf first
};

// A filter the identity is subscribed to, as the live connection and the owner both know it.
struct GrantedFilter {
  std::string filter;
  FilterKind kind = FilterKind::c2d;
  std::uint8_t qos = 0;
  WallTime created = kNever;
  friend bool operator==(const GrantedFilter&, const GrantedFilter&) = default;
};

// The verdict on a connection that may stay.
struct Attachment {
  Epoch epoch{};
  std::string generation_id;
  AuthScope scope = AuthScope::device;
  AuthKind kind = AuthKind::sas;
  std::optional<WallTime> credential_expiry;  // without grace
  // The stored session: its subscriptions are alive from now on (spec device-mqtt.md 2.12).
  bool session_present = false;
  std::vector<GrantedFilter> filters;
};

struct Attach {
  ConnectionRef connection;
  Identity identity;
  Credentials credentials;
  std::string client_type;
  std::string model_id;
  bool clean_session = false;
  // A connection of AMQP, where links stand for subscriptions: it finds none, stores none and leaves the
  // session that the identity has over MQTT as it is. Messages of the queue come whole (LendC2d).
  bool over_amqp = false;
  // A policy's token with DeviceConnect was proven and ends then: it opens whatever the identity's own kind
  // of credential is.
  std::optional<WallTime> proven_until;
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

// Subscriptions of a live connection. Answered after the write of a durable session; what follows for the
// device (queued messages, waiting method calls) is sent to the connection after that answer.
struct Subscribe {
  Identity identity;
  Epoch epoch;
  std::vector<GrantedFilter> filters;  // as granted; `created` is the owner's to set
  Reply<void> reply;                   // Errc::busy, storage_failed; shutting_down for an old epoch
};
struct Unsubscribe {
  Identity identity;
  Epoch epoch;
  std::vector<std::string> filters;  // unknown ones are ignored
  Reply<void> reply;
};

// A request over HTTPS in the name of an identity (service-rest.md 2.4). The owner judges the credential and
// notes that the identity was active.
struct RequestVerdict {
  std::string generation_id;
  AuthScope scope = AuthScope::device;
  AuthKind kind = AuthKind::sas;
};
struct AdmitRequest {
  Identity identity;
  std::optional<Credentials> credentials;  // nothing: a policy's token was proven
  // Errors: unauthorized, device_disabled, device_not_found, module_not_found.
  Reply<RequestVerdict> reply;
};

// An identity as the registry shows it: what is stored and what is live.
struct IdentityView {
  IdentityRecord record;
  bool connected = false;
  WallTime connection_state_updated = kNever;
  WallTime last_activity = kNever;
  std::uint64_t c2d_messages = 0;  // queued and in flight; 0 for modules
  bool created = false;            // by the PutIdentity this answers
};

struct GetIdentity {
  Identity identity;
  Reply<IdentityView> reply;
};
struct ListModules {
  std::string device;
  Reply<std::vector<IdentityView>> reply;
};
// The sections a twin is born with: patches of {} that passed check_section().
struct InitialTwin {
  Json tags = Json::object();
  Json desired = Json::object();
  Json reported = Json::object();
};
// Creates (no if_match) or replaces; `wanted` holds the writable fields already validated, empty keys are
// minted.
struct PutIdentity {
  IdentityRecord wanted;
  std::optional<IfMatch> if_match;
  bool or_create = false;  // with if_match: an identity that is absent is created
  // The scope that `wanted` names for an edge device to be created is its own, of an earlier registration or
  // another hub (4.9); else the hub makes one.
  bool keep_scope = false;
  std::optional<InitialTwin> twin;  // of an identity that is created
  Reply<IdentityView> reply;
};
// Random keys take the place of the chosen ones. Errors: argument_invalid for an identity without symmetric
// keys.
struct RotateKeys {
  enum class Which : std::uint8_t { primary, secondary, both };
  Identity identity;
  Which which = Which::primary;
  Reply<IdentityView> reply;
};
struct DeleteIdentity {
  Identity identity;
  std::optional<IfMatch> if_match;
  Reply<void> reply;
};

// Twins (spec device-mqtt.md 6, service-rest.md 5). Operations of one identity take effect in the order sent;
// each is answered after what it changed is committed.
struct TwinView {
  IdentityView identity;
  TwinRecord twin;
};
struct GetTwin {
  Identity identity;
  Reply<TwinView> reply;
  TwinOrigin origin = TwinOrigin::service;  // who asks
};
// The device's own PATCH; it has passed the rules of 6.7 but for the size of the whole.
struct PatchReported {
  Identity identity;
  Json patch;                                     // an object
  std::optional<std::uint64_t> expected_version;  // of the reported section
  // The new version of the reported section. Errors: precondition_failed, message_too_large (32 KB), ...
  Reply<std::uint64_t> reply;
};
// A back end's PATCH or PUT of tags and desired; checked like a patch.
struct UpdateTwin {
  // replace_desired leaves the tags alone, and writes nothing when the twin is so already.
  enum class Mode : std::uint8_t { merge, replace, replace_desired };
  Identity identity;
  Mode mode = Mode::merge;
  // Sections named by the request: null empties one. With `replace` an absent one is emptied too.
  std::optional<Json> tags;
  std::optional<Json> desired;
  std::optional<IfMatch> if_match;
  // What who asks wants to find stored if and only if the update is: in the same commit. With it an update
  // that changes nothing is committed too.
  std::optional<DocumentPut> record;
  // The configuration that asks for it: it is named in the metadata of what `replace` modes write.
  TwinAuthorPtr author = nullptr;
  // Of a module: how the deployments for its device stand, {"<id>":{"status":...}}, in the place of what it
  // said of deployments before.
  std::optional<Json> deployment_statuses;
  Reply<TwinView> reply;
};

// Has the twin judged by the configurations of its shard, as it is after any change of it; answered when what
// follows is committed (spec service-rest.md 9.2).
struct DeploymentVerdict {
  bool is_edge = false;                  // an edge device, whose modules are to be as the deployments say
  std::vector<std::string> deployments;  // ConfigurationSet::Verdict
  Json statuses = Json::object();        // of deployments only
};
struct ApplyConfigurations {
  Identity identity;
  Reply<DeploymentVerdict> reply;
};

// Cloud-to-device messages (spec device-mqtt.md 5, service-rest.md 8).
struct SendC2d {
  C2dMessage message;  // without sequence and enqueued time; expiry only when the sender set one
  Reply<void> reply;   // after the commit. Errors: device_not_found, c2d_queue_full, message_expired, busy
};
enum class C2dSettlement : std::uint8_t { complete, abandon, reject };
// From the live connection; an old epoch is dropped.
struct SettleC2d {
  Identity identity;
  Epoch epoch;
  std::uint64_t sequence = 0;
  C2dSettlement settlement = C2dSettlement::complete;
  // May be empty, since most devices hear nothing of it; else answered after the commit. Errors: lock_lost.
  Reply<void> reply{};
  std::uint64_t lend = 0;  // LendC2d's; 0 over MQTT
};
// How many messages the live connection of AMQP has room for, counted from its attach on: the owner lends no
// more than that. Sent again as it grows.
struct AllowC2d {
  Identity identity;
  Epoch epoch;
  std::uint64_t lent_max = 0;
  // May be empty; else answered behind the last message that is at hand for the connection.
  Reply<void> drained{};
};
// A device that polls takes the next message under a lock (service-rest.md 9.6): nobody else gets it until
// the lock ends, by time or by a settlement.
struct C2dLease {
  C2dMessage message;
  std::string lock;  // a GUID
};
struct LeaseC2d {
  Identity identity;
  milliseconds lock_time{0};  // zero: the hub's own
  Reply<std::optional<C2dLease>> reply;
};
struct SettleLease {
  Identity identity;
  std::string lock;
  C2dSettlement settlement = C2dSettlement::complete;
  Reply<void> reply;  // after the commit. Errors: lock_lost
};
struct PurgeC2d {
  Identity identity;
  Reply<std::uint64_t> reply;  // how many were purged
};
// What people who look see of the queue and of what became of the latest messages; it changes nothing.
struct QueuedC2d {
  C2dHeader header;          // with the id that feedback would name
  bool with_device = false;  // sent, or leased by a device that polls, and not settled yet
};
struct C2dListing {
  std::vector<QueuedC2d> queued;  // the oldest first
  std::vector<C2dEnd> ended;      // the newest first
};
struct ListC2d {
  Identity identity;
  Reply<C2dListing> reply;
};
// Looks for expired messages: the sweep found some in the store.
struct ExpireC2d {
  Identity identity;
};

// Direct methods (spec device-mqtt.md 7, service-rest.md 7).
struct MethodResult {
  std::int32_t status = 0;
  std::string payload;  // JSON text, empty when the device gave none
};
struct InvokeMethod {
  Identity identity;
  std::string method;
  std::optional<std::string> payload;  // JSON text; nothing sends an empty body
  milliseconds response_timeout{30'000};
  milliseconds connect_timeout{0};
  // Errors: device_not_found, module_not_found, device_not_online, timed_out, bad_device_response,
  // message_too_large (the answer), too_many_calls.
  Reply<MethodResult> reply;
};
// The device answered; an unknown request id is ignored.
struct AnswerMethod {
  Identity identity;
  Epoch epoch;
  std::string request_id;
  std::int32_t status = 0;
  std::string body;
};
using DeviceMessage =
    std::variant<Attach, Detached, Active, Subscribe, Unsubscribe, GetIdentity, ListModules, PutIdentity,
                 DeleteIdentity, GetTwin, PatchReported, UpdateTwin, ApplyConfigurations, SendC2d, SettleC2d,
                 AllowC2d, PurgeC2d, ExpireC2d, InvokeMethod, AnswerMethod, AdmitRequest, LeaseC2d,
                 SettleLease, RotateKeys, ListC2d>;

// The device a message is for: its owner shard follows from it.
const std::string& device_of(const DeviceMessage& message);

// Questions to a shard about all of its devices at once.
struct LiveState {
  bool connected = false;
  WallTime connection_state_updated = kNever;
  WallTime last_activity = kNever;
  // Of a device whose queue its owner holds in memory; the store knows it of the others.
  std::optional<std::uint64_t> c2d_messages;
};
struct GetLiveStates {
  std::vector<Identity> identities;
  Reply<std::vector<LiveState>> reply;  // in the order asked
};
struct CountConnected {
  Reply<std::uint64_t> reply;  // devices; modules are not counted
};
// The configurations that count from now on; nullptr for none.
struct SetConfigurations {
  std::shared_ptr<const ConfigurationSet> configurations;
  // Told of an edge device whose deployment may be another now; on the owner's shard.
  std::function<void(const std::string& device)> deployment_changed;
  Reply<void> reply;
};
// Answered when something of the device changes that test control can wait for: a connection, a twin, the
// queue, an identity. Once: whoever waits for more asks again, and then looks at the state.
struct WatchDevice {
  std::string device;
  std::uint64_t watch = 0;  // names it; the asker's choice
  Reply<void> reply;        // Errc::shutting_down
};
struct ForgetWatch {
  std::string device;
  std::uint64_t watch = 0;
};
using ShardQuery = std::variant<GetLiveStates, CountConnected, SetConfigurations, WatchDevice, ForgetWatch>;

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
// A message of the device's queue. The connection publishes it and, with QoS 1, answers SettleC2d when the
// device acknowledged; with QoS 0 as soon as it is written. One that is in its window already goes out again
// with the same packet id.
struct DeliverC2d {
  std::uint64_t sequence = 0;
  std::string topic;
  std::string body;
  std::uint8_t qos = 1;
  bool was_sent = false;  // DUP
};
// The same to a connection of AMQP, which settles it with the outcome of its receiver; header.delivery_count
// says how often it was given back before. One that the connection has already is lent anew: the earlier
// delivery is over.
struct LendC2d {
  C2dMessage message;
  std::uint64_t lend = 0;  // tells the deliveries of a message apart: an outcome settles its own one
};
// The message is no longer the connection's: a PUBACK for it is ignored.
struct WithdrawC2d {
  std::uint64_t sequence = 0;
};
// Desired properties changed (spec device-mqtt.md 6.5); in version order.
struct NotifyDesired {
  std::uint64_t version = 0;
  std::string body;
};
struct CallMethod {
  std::string request_id;
  std::string method;
  std::string body;
};
using ConnectionMessage =
    std::variant<CloseConnection, DeliverC2d, LendC2d, WithdrawC2d, NotifyDesired, CallMethod>;

// Whether a message is about the connection that is live and means nothing without it: such need no records
// and are taken at once.
inline bool is_about_live_connection(const DeviceMessage& message) {
  return std::holds_alternative<Detached>(message) || std::holds_alternative<Active>(message) ||
         std::holds_alternative<SettleC2d>(message) || std::holds_alternative<AllowC2d>(message) ||
         std::holds_alternative<AnswerMethod>(message);
}

}  // namespace kyanite
