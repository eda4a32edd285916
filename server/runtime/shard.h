#pragma once

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "protocol/base/executor.h"
#include "server/runtime/hub_clock.h"
#include "server/runtime/lag_meter.h"
#include "server/runtime/mailbox.h"
#include "server/runtime/timer_wheel.h"
#include "server/runtime/turn_hook.h"

namespace kyanite {

// Shard is one thread's world: an Asio loop, a mailbox into it, and a timer wheel. Connections and devices
// belong to one shard for life and are touched only by its thread.
//
// Owner: ShardGroup. Threads: post, post_all, the clocks, is_current, mailbox_depth and stop from anywhere;
// everything else on the shard's thread, or before start / after the thread was joined.
//
// A *turn* is one readiness event, one batch of the mailbox, or one round of timers. Hooks registered with
// at_turn_end run once when the turn ends, so that a channel written ten times in a turn sends once; posts to
// other shards wake them then, once each.
class Shard final : public Executor {
 public:
  // Without a clock the wall clock is the system's. The clock outlives the shard.
  explicit Shard(unsigned index, const HubClock* clock = nullptr);
  ~Shard() override;

  unsigned index() const { return index_; }
  // For server/net and server/http only.
  boost::asio::io_context& io() { return *io_; }

  void post(Task task) override;
  void post_all(std::vector<Task> tasks) override;
  TimerId after(milliseconds delay, Task task) override;
  void cancel(TimerId timer) override;
  SteadyTime now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall_now() const override;
  bool is_current() const override;

  // Calls the hook once when this turn ends; outside a turn, soon. Asking again before that changes nothing.
  void at_turn_end(TurnHook& hook);

  // Marks a turn. Who runs code from an Asio handler that may write to channels puts one on its stack; nested
  // ones belong to the outermost. (Without it hooks still run, one loop step later.)
  class Turn {
   public:
    explicit Turn(Shard& shard) : shard_(shard) { ++shard_.turn_depth_; }
    ~Turn() {
      if (shard_.turn_depth_ == 1) shard_.end_turn();
      --shard_.turn_depth_;
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    Shard& shard_;
  };

  // Scratch space that all connections of the shard read into; what is in it is valid until the handler
  // returns.
  static constexpr std::size_t kReadBufferBytes = 64 * 1024;
  std::span<char> read_buffer();

  // Looks once a second how long something that is due waits for this loop. Before start, or on its thread.
  void watch_lag();
  // Own thread only. Timers tell it by themselves.
  LagMeter& lag() { return lag_; }

  std::size_t mailbox_depth() const { return mailbox_.depth(); }
  std::size_t timer_count() const { return wheel_.size(); }  // own thread only

  // For ShardGroup: runs the loop on the calling thread until stop() was asked for. What was posted before
  // stop() by the same thread still runs.
  void run();
  void stop();
  // Drops tasks and timers that will never run; only after run() returned. True when there were any: dropping
  // a task may post another.
  bool discard();

 private:
  using WaitableTimer = boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                                          boost::asio::wait_traits<std::chrono::steady_clock>,
                                                          boost::asio::io_context::executor_type>;
  using WorkGuard = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;

  void wake();
  void wake_now();
  void drain_mailbox();
  void end_turn();
  void run_turn_hooks();
  void arm_wheel();
  void run_timers();

  const unsigned index_;
  const HubClock* const clock_;
  Mailbox mailbox_;
  std::vector<Task> batch_;     // taken from the mailbox
  std::size_t batch_next_ = 0;  // first of batch_ not yet run
  TimerWheel wheel_;
  LagMeter lag_;
  std::optional<SteadyTime> wheel_armed_for_;
  TurnHookList hooks_;
  unsigned turn_depth_ = 0;
  bool hooks_posted_ = false;
  std::vector<Shard*> to_wake_;  // got their first post of this turn
  std::unique_ptr<char[]> read_buffer_;
  std::atomic<bool> running_{false};
  std::unique_ptr<boost::asio::io_context> io_;
  std::unique_ptr<WorkGuard> work_;
  std::unique_ptr<WaitableTimer> wheel_timer_;
};

}  // namespace kyanite
