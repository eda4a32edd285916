#pragma once

#include <memory>
#include <optional>

#include "protocol/base/limits.h"
#include "server/api/api_call.h"
#include "server/api/wait_query.h"
#include "storage/telemetry_log.h"

namespace kyanite {

// Wait answers one request of GET /kyanite/v1/wait: 200 with what happened, or 408 at the timeout. It asks
// for the state once and again after each change of the device that its owner tells of; messages are told of
// by the telemetry log. Nothing is asked on a timer.
//
// Owner: the ApiContext of its shard, until it has answered. Bound: limits::kWaitsMax a shard.
class Wait : public std::enable_shared_from_this<Wait> {
 public:
  Wait(ApiContext& context, WaitQuery query, Reply<HttpResponse> reply);

  void start();
  // Answers with the refusal, if nothing was answered yet.
  void refuse(const Error& error);
  bool is_done() const { return !reply_; }

 private:
  // Watches for the next change, then looks at the state as it is: none is missed between the two.
  void look();
  void look_at_identity();
  void look_at_twin();
  void on_change(const Result<void>& changed);
  void find_message();
  void read_message();
  void on_page(Result<TelemetryPage> page);

  void succeed(const char* member, Json what);
  void stop();
  template <class T, class Step>
  Reply<T> reply_to_self(Step step);

  ApiContext& context_;
  const WaitQuery query_;
  Reply<HttpResponse> reply_;
  SteadyTime began_;
  TimerId timer_;
  std::uint64_t watch_ = 0;
  bool looking_ = false;  // a question is under way
  bool changed_meanwhile_ = false;
  PartitionId partition_{};
  TelemetryOffset next_{};
  WallTime since_{};  // what was enqueued before is not wanted
  std::optional<WaitId> log_wait_;
};

// Under test control: there only with the setting testControl.
void wait_until(const ApiCall& call, Reply<HttpResponse> reply);

// The waits of one shard.
class WaitRoom {
 public:
  bool is_full() const { return waits_.size() >= limits::kWaitsMax; }
  void admit(std::shared_ptr<Wait> wait) { waits_.push_back(std::move(wait)); }
  void leave(const Wait& wait);
  void refuse_all(const Error& error);
  std::uint64_t next_watch() { return ++watches_; }

 private:
  std::vector<std::shared_ptr<Wait>> waits_;
  std::uint64_t watches_ = 0;
};

}  // namespace kyanite
