#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/base/time.h"

// Every limit in one place. The first group is the service's own (source in brackets), the second is ours and
// keeps what a peer can grow bounded.
namespace kyanite::limits {

inline constexpr std::size_t kIdBytesMax = 128;                // [device-mqtt.md 3.6]
inline constexpr std::size_t kTelemetryBytesMax = 256 * 1024;  // body and properties [device-mqtt.md 4.5]
inline constexpr std::size_t kTopicBytesMax = 65535;           // [MQTT 3.1.1 1.5.3]
inline constexpr std::size_t kPacketBytesMax = 256 * 1024 + 64 * 1024 + 16;  // remaining length [4.5]
// The first packet: two will fields of 64 KiB each, and the other fields by their own limits.
inline constexpr std::size_t kConnectBytesMax = 144 * 1024;
inline constexpr seconds kKeepAliveCap{1767};           // [2.10]
inline constexpr seconds kClockSkew{300};               // tokens stay valid so long after expiry [3.3]
inline constexpr std::size_t kSubscriptionsMax = 5;     // per session [8.2]
inline constexpr std::size_t kC2dBytesMax = 64 * 1024;  // one message [5.5]
inline constexpr std::size_t kC2dDepthMax = 50;         // messages of a device [5.5]
inline constexpr std::size_t kMethodPayloadBytesMax = 128 * 1024;  // each way [7.3]
inline constexpr std::size_t kMethodNameBytesMax = 256;  // 100 characters are recommended [service-rest.md 7]
inline constexpr std::size_t kTwinTagsBytesMax = 8 * 1024;      // [6.7]
inline constexpr std::size_t kTwinSectionBytesMax = 32 * 1024;  // desired, reported [6.7]
inline constexpr std::size_t kTwinKeyBytesMax = 1024;           // [6.7]
inline constexpr std::size_t kTwinStringBytesMax = 4096;        // [6.7]
inline constexpr std::size_t kTwinDepthMax = 10;                // objects below the section [6.7]
inline constexpr std::int64_t kTwinIntegerMin = -(1LL << 52);   // [6.7]
inline constexpr std::int64_t kTwinIntegerMax = (1LL << 52) - 1;
inline constexpr std::size_t kModulesPerDeviceMax = 50;         // [service-rest.md 4.8]
inline constexpr std::size_t kListDevicesMax = 1000;            // [service-rest.md 4.3]
inline constexpr std::size_t kBulkItemsMax = 100;               // [service-rest.md 4.9, 4.10]
inline constexpr std::size_t kStatusReasonCharactersMax = 128;  // [service-rest.md 4.2]
inline constexpr std::size_t kPolicyNameBytesMax = 64;          // [service-rest.md 2.1]
inline constexpr std::size_t kPoliciesMax = 16;                 // [service-rest.md 2.1]
inline constexpr std::size_t kKeyBytesMin = 16;                 // decoded [service-rest.md 4.5]
inline constexpr std::size_t kKeyBytesMax = 64;
inline constexpr std::size_t kCaCertificatesMax = 25;             // [device-mqtt.md 2.6]
inline constexpr std::size_t kRequestBodyBytesMax = 1024 * 1024;  // [service-rest.md 1.1]
// An array of kBulkItemsMax items with whole twins. Only callers with the right have it read.
inline constexpr std::size_t kBulkBodyBytesMax = 10 * 1024 * 1024;
inline constexpr std::size_t kQueryCharactersMax = 8192;   // [service-rest.md 6.1]
inline constexpr std::size_t kQueryPageRowsMax = 1000;     // [service-rest.md 6.1]
inline constexpr std::size_t kQueryPageRowsDefault = 100;  // [service-rest.md 6.1]
inline constexpr seconds kC2dExpiryMax{2 * 24 * 3600};     // ahead, over AMQP [amqp.md 5.1]
inline constexpr seconds kC2dPollLockMin{5};               // [service-rest.md 9.6]
inline constexpr seconds kC2dPollLockMax{300};
inline constexpr std::size_t kFileUploadsOpenMax = 10;        // of one device [service-rest.md 9.7]
inline constexpr std::size_t kFileNotificationsMax = 10'000;  // waiting for back ends
inline constexpr std::size_t kBlobsMax = 100'000;             // files kept
inline constexpr std::size_t kBlocksPerBlobMax = 50'000;      // [the storage service's own]
inline constexpr std::size_t kBlockIdBytesMax = 64;           // decoded [the storage service's own]
inline constexpr std::size_t kBlockListBytesMax = 8 * 1024 * 1024;
inline constexpr std::size_t kBlobContentTypeBytesMax = 256;
inline constexpr std::size_t kBlobNameBytesMax = 1024;  // with the device's id; the storage service's own

inline constexpr seconds kConnectTimeout{60};              // TCP accept to CONNECT [device-mqtt.md 2.1]
inline constexpr std::size_t kUnackedPublishesMax = 4096;  // per connection, then reading stops
inline constexpr std::size_t kUnackedBytesMax = 4 * 1024 * 1024;
inline constexpr std::size_t kOutputHighBytes = 64 * 1024;    // per connection, then reading stops
inline constexpr std::size_t kOutputHardBytes = 1024 * 1024;  // per connection, then it is closed as slow
inline constexpr std::size_t kAmqpOutputBytes = 256 * 1024;   // per AMQP connection, then links wait
inline constexpr std::size_t kJsonDepthMax = 32;
inline constexpr std::size_t kJsonMembersMax = 32768;  // per object; more than a twin section can hold
// What the service's formula counts as nothing (brackets, escapes) is counted by the text of a section.
inline constexpr std::size_t kTwinTextFactor = 5;   // text of a section to its limit
inline constexpr std::size_t kTwinNestingMax = 24;  // objects and arrays below a section
inline constexpr std::size_t kSasTokenBytesMax = 4096;
inline constexpr std::size_t kUsernameBytesMax = 4096;
inline constexpr std::size_t kHttpHeaderBytesMax = 32 * 1024;
// A body that is read before its sender was authenticated by an identity's owner: no more than a head.
inline constexpr std::size_t kUnprovenBodyBytesMax = kHttpHeaderBytesMax;
// Messages of one batch over HTTPS: more than the smallest ones that fit into limits::kTelemetryBytesMax of
// text.
inline constexpr std::size_t kTelemetryBatchMax = 8192;
inline constexpr std::size_t kCertificateChainMax = 8;  // certificates a peer may present
// Kept from connections for the store, which opens up to 256 files, and for the process.
inline constexpr std::uint64_t kDescriptorsReserved = 384;
inline constexpr std::uint32_t kConnectionsPerShardMax = 1'000'000;
// Messages that wait for one device's load or write, or for its twin's: more than one shard's HTTP
// connections can have under way at once, so that a burst of back ends waits its turn. What they hold is
// bounded by the connections they came from.
inline constexpr std::size_t kDeviceQueueMax = 16'384;
inline constexpr std::size_t kC2dWindowMessages = 50;       // with a connection, unacknowledged
inline constexpr std::size_t kC2dWindowBytes = 256 * 1024;  // of the same; one message at least
inline constexpr std::size_t kFeedbackBatchMax = 64;        // records [device-mqtt.md 5.7]
inline constexpr std::size_t kFeedbackLocksMax = 64;        // batches with receivers
inline constexpr std::size_t kFeedbackWaitersMax = 256;     // receivers that wait, of file notifications too
inline constexpr std::size_t kFeedbackSweepMax = 1024;      // records looked at in one round
inline constexpr std::size_t kActivityBatchMax = 1024;      // identities whose times go into one commit
inline constexpr std::size_t kC2dSweepMax = 1024;           // devices told to expire in one round
inline constexpr std::size_t kMethodCallsMax = 1024;        // of one device, under way
inline constexpr std::size_t kMethodWaitingBytesMax = 8 * 1024 * 1024;  // payloads of those not sent yet
inline constexpr std::size_t kDeviceRequestsMax = 64;  // of one connection, waiting for their owner
inline constexpr std::size_t kScopeBytesMax = 512;     // deviceScope, each of parentScopes, managedBy
inline constexpr std::size_t kParentScopesMax = 10;
inline constexpr std::size_t kRegistryJobsKept = 50;        // import and export jobs, the oldest go first
inline constexpr std::size_t kRegistryJobCallsMax = 64;     // that wait for the start
inline constexpr std::size_t kExportStreamsMax = 4;         // open /kyanite/v1/registry readers per shard
inline constexpr std::size_t kAdministrationQueueMax = 64;  // hub-wide changes that wait
inline constexpr seconds kTakeoverWait{2};                  // for the old connection to say it ended
// The journal of connections: entries of all shards together, three times (accepted, refused, refused without
// a name), and their texts.
inline constexpr std::size_t kJournalEntriesMax = 4096;
inline constexpr std::size_t kJournalTextBytesMax = 192;
inline constexpr std::size_t kJournalPageMax = 1000;  // of one answer
// Ends of cloud-to-device messages that are remembered, on all shards together, and told of one device.
inline constexpr std::size_t kC2dEndsMax = 4096;
inline constexpr std::size_t kC2dEndsListed = 100;
inline constexpr std::size_t kRefusalRecordsPerSecond = 100;         // of operations monitoring, per shard
inline constexpr std::size_t kQueryDepthMax = 64;                    // of a query's parentheses and operators
inline constexpr std::size_t kQueryTextBytesMax = 64 * 1024;         // that CONCAT makes
inline constexpr std::size_t kQueryScanRows = 2048;                  // looked at in one turn of a reader
inline constexpr std::size_t kQueryScanBytes = 1024 * 1024;          // of the same; one row at least
inline constexpr std::size_t kQueryPageBytes = 1024 * 1024;          // stored bytes behind the rows of a page
inline constexpr std::size_t kQueryGroupsMax = 10'000;               // of one GROUP BY
inline constexpr std::size_t kQueryGroupBytesMax = 8 * 1024 * 1024;  // their keys and texts
inline constexpr std::size_t kQueriesMax = 8;                        // under way per shard
inline constexpr seconds kQueryTimeMax{60};                          // a query looks at rows so long at most
inline constexpr std::size_t kEventStreamsMax = 64;  // open /kyanite/v1/events readers per shard

// Readers of events over AMQP [amqp.md 6.4].
inline constexpr std::size_t kConsumerGroupBytesMax = 50;     // of a name
inline constexpr std::size_t kEpochlessReadersMax = 5;        // of a partition in a consumer group
inline constexpr std::size_t kConsumerGroupsMax = 100;        // ours, and so are the following
inline constexpr std::size_t kReaderClaimsWaitingMax = 4096;  // until the groups are loaded

// Of the service: scheduled jobs, automatic configurations [service-rest.md 9.1, 9.2].
inline constexpr seconds kJobAheadMax{168 * 3600};  // until the start of a job
inline constexpr std::size_t kJobIdBytesMax = 64;
inline constexpr std::chrono::hours kJobKept{30 * 24};  // after its end
inline constexpr std::size_t kConfigurationsMax = 100;
inline constexpr std::size_t kConfigurationMetricsMax = 5;
// Ours, for the same.
inline constexpr std::size_t kDigitalTwinStepsMax = 256;    // operations of one JSON Patch
inline constexpr std::size_t kJobsActiveMax = 256;          // scheduled jobs that are not over
inline constexpr std::size_t kJobsRunningMax = 8;           // of these, at a time
inline constexpr std::size_t kJobsKeptMax = 1000;           // beyond it the oldest finished ones go early
inline constexpr std::size_t kTargetPageMax = 256;          // devices that are looked at in one step
inline constexpr std::size_t kJobConcurrencyMax = 256;      // devices of a job that are worked on at a time
inline constexpr std::size_t kJobConditionBytesMax = 8192;  // also of a configuration
inline constexpr std::size_t kFaultRulesMax = 64;           // of test control
inline constexpr std::size_t kFaultRoutesMax = 16;          // of one rule
inline constexpr std::size_t kFaultRouteBytesMax = 512;
inline constexpr seconds kFaultDuration{300};      // of a rule that gives none
inline constexpr seconds kFaultDurationMax{3600};  // and before it begins
inline constexpr seconds kFaultDelayMax{60};
inline constexpr std::size_t kWaitsMax = 256;  // of test control, per shard
inline constexpr seconds kWaitMax{300};
inline constexpr std::size_t kSnapshotsMax = 16;
inline constexpr std::size_t kBackupsMax = 64;  // kept below the data directory

}  // namespace kyanite::limits
