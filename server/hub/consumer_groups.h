#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/ids.h"
#include "protocol/base/reply.h"
#include "storage/document_store.h"

namespace kyanite {

struct ConsumerGroup {
  std::string name;  // as it was given first; compares ignoring case
  WallTime created = kNever;
  std::size_t readers = 0;  // connected at present, over all partitions
};

// Who wants to read a partition over AMQP.
struct ReaderRequest {
  std::string group;
  PartitionId partition;
  std::optional<std::int64_t> epoch;  // its owner level, if it has one
};

class ConsumerGroups;

// The right to read a partition for a consumer group, from the claim until this is destroyed, wherever that
// happens.
class ReaderClaim {
 public:
  ReaderClaim() = default;
  ReaderClaim(std::weak_ptr<ConsumerGroups*> groups, std::uint64_t id)
      : groups_(std::move(groups)), id_(id) {}
  ReaderClaim(ReaderClaim&& other) noexcept
      : groups_(std::move(other.groups_)), id_(std::exchange(other.id_, 0)) {}
  ReaderClaim& operator=(ReaderClaim&& other) noexcept;
  ReaderClaim(const ReaderClaim&) = delete;
  ReaderClaim& operator=(const ReaderClaim&) = delete;
  ~ReaderClaim() { release(); }

 private:
  void release();

  std::weak_ptr<ConsumerGroups*> groups_;
  std::uint64_t id_ = 0;
};

// ConsumerGroups owns the consumer groups of the events endpoint and knows who reads which partition for
// them, on all shards (spec amqp.md 6.4). A reader with an owner level (epoch) puts out those without one and
// those of its own or a lower level; of those without any there are five for each partition at most.
// "$Default" is always there. Positions of readers are their own business: nothing of them is kept.
//
// Owner: the application; it outlives the shards' loops. Threads: the operations may be called on any shard;
// work runs on shard 0, replies and `on_lost` go home. Reply: a change is answered after its commit.
// Bound: limits::kConsumerGroupsMax groups, limits::kAdministrationQueueMax changes that wait (Errc::busy).
class ConsumerGroups {
 public:
  static constexpr std::string_view kDefault = "$Default";

  ConsumerGroups(Executor& shard0, DocumentStore& store);
  ~ConsumerGroups();
  ConsumerGroups(const ConsumerGroups&) = delete;
  ConsumerGroups& operator=(const ConsumerGroups&) = delete;

  // From any thread: reads what is stored; operations wait for it.
  void start();

  // By name. Errors: busy.
  void list(Reply<std::vector<ConsumerGroup>> reply);
  // One that is there already stays as it is. Errors: argument_invalid, quota_exceeded, busy, storage_failed.
  void put(std::string name, Reply<ConsumerGroup> reply);
  // Its readers are put out. Errors: argument_invalid for $Default, not_found, busy, storage_failed.
  void erase(std::string name, Reply<void> reply);

  // `on_lost` runs on `home` at most once, after the reply: Errc::conflict when a reader of a higher or the
  // same level came, not_found when the group was deleted. Errors: not_found for the group; conflict when the
  // partition belongs to a higher level; quota_exceeded; busy.
  using OnLost = UniqueFunction<void(Error)>;
  void claim(ReaderRequest request, Executor& home, OnLost on_lost, Reply<ReaderClaim> reply);

 private:
  friend class ReaderClaim;
  struct Reader {
    std::uint64_t id = 0;
    std::optional<std::int64_t> epoch;
    Executor* home = nullptr;
    OnLost on_lost;
  };
  using Place = std::pair<std::string, PartitionId>;  // lower-case name of the group

  void load(std::string after);
  void on_loaded_page(Result<std::vector<Document>> page);
  void loaded();
  void when_loaded(Task task);
  bool too_many_wait() const;
  // One change at a time.
  void run(Task change);
  void done();
  void do_put(const std::string& name, Reply<ConsumerGroup> reply);
  void do_erase(const std::string& name, Reply<void> reply);
  void do_claim(const ReaderRequest& request, Executor& home, OnLost on_lost, Reply<ReaderClaim> reply);
  void release(std::uint64_t id);
  void put_out(Reader& reader, const Error& why);
  std::size_t readers_of(const std::string& key) const;

  Executor& shard0_;
  DocumentStore& store_;
  std::map<std::string, ConsumerGroup> groups_;  // by lower-case name
  std::map<Place, std::vector<Reader>> readers_;
  std::map<std::uint64_t, Place> places_;  // of the readers
  std::uint64_t next_id_ = 1;
  bool is_loaded_ = false;
  bool busy_ = false;
  std::deque<Task> waiting_changes_;
  std::vector<Task> waiting_for_load_;
  std::shared_ptr<ConsumerGroups*> self_;  // what claims hold weakly
};

// Letters, digits, dots, hyphens and underscores, with a letter or digit at both ends; or $Default.
bool is_valid_consumer_group(std::string_view name);

}  // namespace kyanite
