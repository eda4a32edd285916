#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "protocol/base/reply.h"
#include "storage/records.h"

namespace kyanite {

// What became of messages of one device, committed as a whole.
struct C2dOutcome {
  struct Delivery {
    std::uint64_t sequence = 0;
    std::uint32_t delivery_count = 0;
    bool was_sent = false;
  };
  std::string device;
  std::vector<std::uint64_t> removed;  // completed or dead; unknown ones are ignored
  std::vector<Delivery> deliveries;    // still queued; unknown ones are ignored
  // For the hub-wide queue; their sequence is given by the commit.
  std::vector<FeedbackRecord> feedback;
};

// What a message counts in a page of C2dStore::read.
inline std::size_t c2d_page_bytes(const C2dMessage& message) {
  return std::max<std::size_t>(message.header.bytes, message.body.size());
}

// C2dStore keeps the queues of cloud-to-device messages, one per device. Headers are read with the device
// (IdentityStore::load), which costs nothing of the bodies.
//
// Owner: Stores. Replies promise what those of IdentityStore do. Errors: Errc::storage_failed, busy;
// append: device_not_found, precondition_failed when the sequence was used before. settle makes room and is
// never refused for pressure.
class C2dStore {
 public:
  virtual ~C2dStore() = default;
  // The owner gave the sequence; the device's next one becomes one more.
  virtual void append(C2dMessage message, Reply<void> reply) = 0;
  // Messages with `from` and later sequences, in order: at least one when there is any, at most max_messages
  // and about max_bytes.
  virtual void read(std::string device, std::uint64_t from, std::size_t max_messages, std::size_t max_bytes,
                    Reply<std::vector<C2dMessage>> reply) = 0;
  virtual void settle(C2dOutcome outcome, Reply<void> reply) = 0;
  // Devices that hold a message with expiry <= now, each once, at most `limit`: those expired longest first.
  virtual void expired(WallTime now, std::size_t limit, Reply<std::vector<std::string>> reply) = 0;
};

// FeedbackStore is the hub-wide queue of feedback; C2dStore::settle puts records in. Shard 0 takes them out.
//
// Owner: Stores. Replies as in C2dStore. Errors: Errc::storage_failed; read: busy. erase makes room and is
// never refused for pressure; sequences that are not there are ignored.
class FeedbackStore {
 public:
  virtual ~FeedbackStore() = default;
  // Records with a sequence greater than `after`, in order, at most `limit`.
  virtual void read(std::uint64_t after, std::size_t limit, Reply<std::vector<FeedbackRecord>> reply) = 0;
  virtual void erase(std::vector<std::uint64_t> sequences, Reply<void> reply) = 0;
};

}  // namespace kyanite
