#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/hash.h"
#include "protocol/base/reply.h"
#include "storage/records.h"

namespace kyanite {

// The partition of a device and its modules. Stored: it must never change.
inline PartitionId partition_of(std::string_view device, std::uint32_t partitions) {
  return PartitionId{static_cast<std::uint32_t>(stable_hash(device) % partitions)};
}

// Tells an appender which of its records are durable. One per shard, alive as long as the shard.
class TelemetryAckSink {
 public:
  struct Ack {
    ConnectionRef connection;    // none for a will
    std::uint64_t sequence = 0;  // what the connection gave at append
  };
  virtual ~TelemetryAckSink() = default;
  // Called on the commit thread, once per group and sink, acks in append order. The sink moves them to its
  // shard as one message.
  virtual void on_committed(std::vector<Ack> acks) = 0;
};

struct TelemetryAppend {
  PartitionId partition;
  std::string record;  // encode_telemetry() with room for offset and time, which the commit thread fills in
  TelemetryAckSink::Ack ack;
  bool wants_ack = false;
};

// What one shard collected during one turn of its loop.
struct TelemetryBatch {
  TelemetryAckSink* sink = nullptr;
  std::vector<TelemetryAppend> appends;
};

struct TelemetryPage {
  std::vector<TelemetryRecord> records;
  // Where to go on reading; greater than the last record's offset. When retention overtook the reader this is
  // past a gap: first_available says where the log begins now.
  TelemetryOffset next{};
  TelemetryOffset first_available{};
};

struct TelemetryRange {
  TelemetryOffset begin{};  // first record kept
  TelemetryOffset end{};    // one past the last committed record
  WallTime last_enqueued{};
};

struct WaitId {
  std::uint64_t value = 0;
};

// TelemetryLog is the durable, partitioned log of events. Offsets of a partition start at 0 and grow by one;
// the offset is the sequence number too. Records of one device stand in one partition, in append order.
//
// Owner: Stores. append may be called from any shard; batches of one shard commit in order.
// Bound: appends wait in the commit queue, whose pressure (Stores::pressure) stops the readers of sockets;
// pages are at most max_records and about max_bytes (at least one record).
// Errors: Errc::storage_failed; busy when the readers have too much to do; argument_invalid for an unknown
// partition (an append to one is a broken belief).
class TelemetryLog {
 public:
  virtual ~TelemetryLog() = default;
  virtual std::uint32_t partitions() const = 0;
  virtual void append(TelemetryBatch batch) = 0;
  virtual void read(PartitionId partition, TelemetryOffset from, std::size_t max_records,
                    std::size_t max_bytes, Reply<TelemetryPage> reply) = 0;
  virtual TelemetryRange range(PartitionId partition) const = 0;  // any thread, committed state, no I/O
  // First record enqueued at or after `time` (the end when there is none): binary search.
  virtual void find_time(PartitionId partition, WallTime time, Reply<TelemetryOffset> reply) = 0;
  // Answers with the new end once that is greater than `offset`, so that a reader passes TelemetryPage::next;
  // at once when it already is.
  virtual WaitId wait_past(PartitionId partition, TelemetryOffset offset, Reply<TelemetryOffset> reply) = 0;
  // Forgets a wait; its reply answers Errc::shutting_down. Unknown ids are ignored.
  virtual void cancel_wait(WaitId wait) = 0;
};

}  // namespace kyanite
