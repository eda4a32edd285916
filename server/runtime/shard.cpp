#include "server/runtime/shard.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace kyanite {
namespace {

// One turn runs at most so many tasks or timers before sockets get their chance.
constexpr std::size_t kTasksPerTurn = 1024;
// A batch vector that grew beyond this in a burst is given back.
constexpr std::size_t kBatchCapacityKept = 8192;
constexpr milliseconds kLagProbe{1'000};
// Hooks may ask again while hooks run (a drained channel is written to); after so many rounds the loop goes
// on.
constexpr int kHookRoundsPerTurn = 4;

thread_local Shard* current_shard = nullptr;

}  // namespace

Shard::Shard(unsigned index, const HubClock* clock)
    : index_(index),
      clock_(clock),
      wheel_(std::chrono::steady_clock::now()),
      lag_(std::chrono::steady_clock::now()),
      io_(std::make_unique<boost::asio::io_context>(1)),
      work_(std::make_unique<WorkGuard>(io_->get_executor())),
      wheel_timer_(std::make_unique<WaitableTimer>(*io_)) {}

Shard::~Shard() {
  // Tasks and handlers own sockets, and sockets need the loop: empty everything before the loop goes.
  // Destroying the loop destroys pending handlers, whose objects may still cancel timers or post.
  while (discard()) {
  }
  wheel_timer_.reset();
  work_.reset();
  io_.reset();
  batch_.clear();
}

void Shard::post(Task task) {
  if (mailbox_.push(std::move(task))) wake();
}

void Shard::post_all(std::vector<Task> tasks) {
  if (mailbox_.push_all(std::move(tasks))) wake();
}

TimerId Shard::after(milliseconds delay, Task task) {
  KYANITE_ASSERT(is_current() || !running_.load(std::memory_order_relaxed));
  const TimerId timer = wheel_.add(now(), delay, std::move(task));
  arm_wheel();
  return timer;
}

void Shard::cancel(TimerId timer) {
  KYANITE_ASSERT(is_current() || !running_.load(std::memory_order_relaxed));
  wheel_.cancel(timer);
}

WallTime Shard::wall_now() const { return clock_ != nullptr ? clock_->now() : HubClock::real_now(); }

bool Shard::is_current() const { return current_shard == this; }

void Shard::at_turn_end(TurnHook& hook) {
  if (hook.is_linked()) return;
  hooks_.push_back(hook);
  if (turn_depth_ > 0 || hooks_posted_ || !io_) return;
  hooks_posted_ = true;
  boost::asio::post(*io_, [this] {
    hooks_posted_ = false;
    const Turn turn(*this);
  });
}

// The timer has nothing to do: that it comes is the measurement, see run_timers().
void Shard::watch_lag() {
  after(kLagProbe, [this] { watch_lag(); });
}

std::span<char> Shard::read_buffer() {
  if (!read_buffer_) read_buffer_.reset(new char[kReadBufferBytes]);
  return {read_buffer_.get(), kReadBufferBytes};
}

void Shard::run() {
  current_shard = this;
  running_.store(true, std::memory_order_relaxed);
  io_->run();
  running_.store(false, std::memory_order_relaxed);
  current_shard = nullptr;
}

void Shard::stop() {
  post([this] { io_->stop(); });
}

bool Shard::discard() {
  bool any = batch_next_ < batch_.size() || wheel_.size() > 0;
  std::vector<Task> dropped = std::exchange(batch_, {});
  batch_next_ = 0;
  dropped.clear();
  if (mailbox_.take(dropped)) any = true;
  dropped.clear();
  wheel_.clear();
  return any;
}

// A shard that posts to another wakes it when its own turn ends: woken at the first of many posts, the other
// thread would run at once, find one task and sleep again (bench/micro/mailbox_bench.cpp).
void Shard::wake() {
  if (current_shard && current_shard != this && current_shard->turn_depth_ > 0) {
    current_shard->to_wake_.push_back(this);
  } else {
    wake_now();
  }
}

void Shard::wake_now() {
  if (!io_) return;  // the loop is being destroyed
  boost::asio::post(*io_, [this] { drain_mailbox(); });
}

void Shard::drain_mailbox() {
  const Turn turn(*this);
  for (std::size_t ran = 0; ran < kTasksPerTurn; ++ran) {
    if (batch_next_ == batch_.size()) {
      if (batch_.capacity() > kBatchCapacityKept) {
        batch_ = std::vector<Task>();
      } else {
        batch_.clear();
      }
      batch_next_ = 0;
      if (!mailbox_.take(batch_)) return;  // the next post wakes us
    }
    Task& task = batch_[batch_next_++];  // stays where it is: only this loop touches batch_
    task();
    task.reset();
  }
  wake_now();  // more is waiting; sockets first
}

void Shard::end_turn() {
  run_turn_hooks();
  for (Shard* other : to_wake_) other->wake_now();
  to_wake_.clear();
}

void Shard::run_turn_hooks() {
  for (int round = 0; round < kHookRoundsPerTurn && !hooks_.empty(); ++round) {
    TurnHookList due;
    due.swap(hooks_);
    while (!due.empty()) {
      TurnHook& hook = due.front();
      due.pop_front();
      hook.on_turn_end();
    }
  }
  if (hooks_.empty() || hooks_posted_) return;
  hooks_posted_ = true;
  boost::asio::post(*io_, [this] {
    hooks_posted_ = false;
    const Turn turn(*this);
  });
}

// One Asio timer serves the wheel: it sleeps until the wheel's next event and is not set while no timer is
// pending.
void Shard::arm_wheel() {
  const std::optional<SteadyTime> due = wheel_.next_due();
  if (!due || (wheel_armed_for_ && *wheel_armed_for_ <= *due)) return;
  wheel_armed_for_ = *due;
  wheel_timer_->expires_at(*due);
  wheel_timer_->async_wait([this](const boost::system::error_code& error) {
    if (!error) run_timers();  // an error: set anew for an earlier moment
  });
}

void Shard::run_timers() {
  const std::optional<SteadyTime> due = std::exchange(wheel_armed_for_, std::nullopt);
  {
    const Turn turn(*this);
    const SteadyTime time = now();
    if (due) lag_.observe(time, std::max(time - *due, SteadyTime::duration::zero()));
    for (std::size_t ran = 0; ran < kTasksPerTurn; ++ran) {
      std::optional<Task> task = wheel_.pop_due(time);
      if (!task) break;
      (*task)();
    }
  }
  arm_wheel();
}

}  // namespace kyanite
