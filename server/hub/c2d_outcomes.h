#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/hub/device_host.h"

namespace kyanite {

// C2dOutcomes writes down what became of the messages of one device: one write at a time, with everything
// that came up since the last one. Nobody waits for it, but nothing is given up either: a write that the
// store refuses is tried again, since a message that was completed must not come back.
//
// Owner: a C2dQueue. Bound: limits::kC2dDepthMax messages wait, since those the store still holds count
// towards the queue's depth.
class C2dOutcomes {
 public:
  explicit C2dOutcomes(DeviceHost& host) : host_(host) {}
  ~C2dOutcomes() { host_.executor().cancel(retry_); }
  C2dOutcomes(const C2dOutcomes&) = delete;
  C2dOutcomes& operator=(const C2dOutcomes&) = delete;

  // The message is completed or dead.
  void remove(std::uint64_t sequence, std::optional<FeedbackRecord> feedback);
  // It stays, and was sent or counted.
  void mark(C2dOutcome::Delivery delivery);
  void write();
  // The same, and answers once all that was noted so far is written; a refused write is tried again first.
  // Bound: a device's messages, since each of those that wait has settled one.
  void write(Reply<void> reply);

  // Messages that are gone for the device, but not for the store, which refused the write.
  std::size_t refused() const { return refused_; }
  bool is_quiet() const { return !writing_ && !retry_; }
  // The device was deleted with all it had.
  void forget();

 private:
  void on_written(C2dOutcome outcome, std::vector<Reply<void>> waiting, const Result<void>& written);

  DeviceHost& host_;
  C2dOutcome next_;
  std::vector<Reply<void>> waiting_;  // for what is in next_
  bool writing_ = false;
  std::size_t refused_ = 0;
  std::uint64_t life_ = 0;  // of the device
  TimerId retry_{};
};

}  // namespace kyanite
