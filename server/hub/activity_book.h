#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/reply.h"
#include "storage/activity.h"
#include "storage/document_store.h"

namespace kyanite {

// ActivityBook writes down when the identities of one shard were last heard of, so that a restart does not
// forget it (spec device-mqtt.md 10.6). Identities are noted as they connect, speak and disconnect, and
// written together: soon after a connection ended, else every few minutes. What a crash loses is that.
//
// Owner: its shard's DeviceDirectory; all calls there. Bound: each noted identity once; one commit of
// limits::kActivityBatchMax of them is in flight. What the store refuses is written with the next round.
class ActivityBook {
 public:
  // What is to be written of an identity; nothing when there is nothing.
  using Look = std::function<std::optional<ActivityRecord>(const Identity& id)>;

  ActivityBook(Executor& executor, DocumentStore& documents, Look look)
      : executor_(executor), documents_(documents), look_(std::move(look)) {}
  ~ActivityBook() { executor_.cancel(timer_); }
  ActivityBook(const ActivityBook&) = delete;
  ActivityBook& operator=(const ActivityBook&) = delete;

  enum class When : std::uint8_t { soon, later };
  void note(const Identity& id, When when);
  // The identity was erased, and its document with it: a write under way must not bring that back.
  void forget(const Identity& id);
  // Hands over all that is noted without waiting; for the end of the hub.
  void flush();

 private:
  void arm(milliseconds wait);
  void write();
  void on_written(const Result<void>& written);
  std::set<Identity> submit(Reply<void> reply);

  Executor& executor_;
  DocumentStore& documents_;
  Look look_;
  std::set<Identity> noted_;
  std::set<Identity> writing_;  // the commit in flight
  bool in_flight_ = false;
  TimerId timer_{};
  SteadyTime due_{};  // of the timer
};

// What is stored of the devices from `first` to `last` and their modules, in order.
void read_activity(DocumentStore& documents, Executor& executor, const std::string& first,
                   const std::string& last, Reply<std::vector<ActivityRecord>> reply);

}  // namespace kyanite
