#pragma once

// Shared between threads: any shard submits, one commit thread takes; one mutex guards what waits.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <variant>
#include <vector>

#include "protocol/base/histogram.h"
#include "protocol/base/reply.h"
#include "storage/rocksdb/pressure_gauge.h"
#include "storage/telemetry_log.h"

namespace kyanite {

class StagedGroup;

// One step of a typed store: adds its rows to the group, or refuses and adds nothing. Runs on the commit
// thread.
using StoreStep = UniqueFunction<Result<void>(StagedGroup&)>;

// Where the commit thread puts groups. All calls come from that thread: stage..., then commit, then
// published.
class CommitTarget {
 public:
  virtual ~CommitTarget() = default;
  virtual void stage(TelemetryAppend& append) = 0;
  virtual Result<void> stage(StoreStep& step) = 0;
  virtual Result<void> commit() = 0;  // one write, one sync; a failure is the end of the store
  virtual void publish() = 0;         // readers may now see the group
};

// CommitQueue gathers the writes of all shards into groups: one write and one sync for each (architecture
// 11). While a group is being synced the next one fills, so batching follows load. A write that comes alone
// is committed at once; otherwise two commits start at least `pace` apart, unless a whole group waits
// already.
//
// Owner: RocksdbStores. append and write may be called from any thread.
// Reply: after the group is committed, one post_all for each executor and one on_committed for each sink; in
// the order submitted by one thread. After a failed commit everything is answered storage_failed, telemetry
// never. Bound: what waits is counted; past the high mark the gauge says queue_full until it is under the low
// mark, half of it. Writers are expected to stop then; nothing submitted is refused for it.
class CommitQueue {
 public:
  struct Limits {
    std::size_t high_operations = 64 * 1024;
    std::size_t high_bytes = 64 * 1024 * 1024;
    std::size_t group_operations = 4096;
    std::size_t group_bytes = 1024 * 1024;
    milliseconds pace{1};
  };
  // Counters since the start, for metrics and benches.
  struct Totals {
    std::uint64_t groups = 0;
    std::uint64_t operations = 0;
  };

  CommitQueue(CommitTarget& target, std::shared_ptr<PressureGauge> gauge, Limits limits,
              std::function<void(const Error&)> on_fatal);
  ~CommitQueue();

  void append(TelemetryBatch batch);
  void write(StoreStep step, std::size_t bytes, Reply<void> reply);
  // Commits and answers what was submitted, ends the thread. Later writes are answered shutting_down.
  void close();
  Totals totals() const;
  struct Statistics {
    SizeHistogram group_operations;
    SecondsHistogram commit_seconds;
    SecondsHistogram telemetry_seconds;  // from append() to the commit, by message
    std::size_t waiting_operations = 0;
    std::size_t waiting_bytes = 0;
  };
  Statistics statistics() const;  // any thread

 private:
  struct Appends {
    TelemetryBatch batch;
    std::size_t next = 0;  // the first not yet in a group
    SteadyTime submitted{};
  };
  struct Write {
    StoreStep step;
    std::size_t bytes;
    Reply<void> reply;
  };
  using Operation = std::variant<Appends, Write>;
  struct Amount {
    std::size_t operations = 0;
    std::size_t bytes = 0;
  };
  struct Group {
    Amount amount;
    std::vector<std::pair<TelemetryAckSink*, std::vector<TelemetryAckSink::Ack>>> acks;
    std::vector<std::pair<Reply<void>, Result<void>>> answers;
    std::vector<std::pair<SteadyTime, std::size_t>> telemetry;  // when submitted, and how many messages
  };
  enum class State { open, closed, failed };
  enum class Waiting { no, for_work, for_pace };

  bool submit(Operation& operation,
              Amount amount);  // false: closed or failed, the operation is still the caller's
  void run();
  bool take_work();
  Group stage_group();
  static void stage_acks(Group& group, TelemetryAckSink* sink, const TelemetryAckSink::Ack& ack);
  bool fits(const Group& group, std::size_t bytes) const;
  void answer(Group group);
  void count(const Group& group, SteadyTime committed);
  void release(Amount amount);
  void fail(Group group, const Error& error);

  CommitTarget& target_;
  const std::shared_ptr<PressureGauge> gauge_;
  const Limits limits_;
  const std::function<void(const Error&)> on_fatal_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  // Guarded by mutex_:
  std::vector<Operation> incoming_;
  Amount waiting_amount_;  // submitted and not yet answered
  State state_ = State::open;
  Waiting waiting_ = Waiting::no;
  Totals totals_;
  Statistics statistics_;  // but for what waits
  // The commit thread's own:
  std::deque<Operation> taken_;
  SteadyTime last_start_{};
  std::size_t last_group_ = 0;
  std::thread thread_;
};

}  // namespace kyanite
