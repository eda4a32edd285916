#include "storage/rocksdb/commit_queue.h"

#include <algorithm>
#include <exception>
#include <utility>

namespace kyanite {

CommitQueue::CommitQueue(CommitTarget& target, std::shared_ptr<PressureGauge> gauge, Limits limits,
                         std::function<void(const Error&)> on_fatal)
    : target_(target), gauge_(std::move(gauge)), limits_(limits), on_fatal_(std::move(on_fatal)) {
  thread_ = std::thread([this] { run(); });
}

CommitQueue::~CommitQueue() { close(); }

void CommitQueue::append(TelemetryBatch batch) {
  if (batch.appends.empty()) return;
  Amount amount{batch.appends.size(), 0};
  for (const TelemetryAppend& append : batch.appends) amount.bytes += append.record.size();
  Operation operation = Appends{std::move(batch), 0, std::chrono::steady_clock::now()};
  submit(operation, amount);  // what a closed queue refuses is not acknowledged, and that is all
}

void CommitQueue::write(StoreStep step, std::size_t bytes, Reply<void> reply) {
  Operation operation = Write{std::move(step), bytes, std::move(reply)};
  if (submit(operation, {1, bytes})) return;
  const bool failed = [&] {
    const std::lock_guard lock(mutex_);
    return state_ == State::failed;
  }();
  if (Reply<void>& refused = std::get<Write>(operation).reply) {
    refused(failed ? Error(Errc::storage_failed, "an earlier commit failed")
                   : Error(Errc::shutting_down, "the store is closed"));
  }
}

bool CommitQueue::submit(Operation& operation, Amount amount) {
  bool wake = false;
  bool became_full = false;
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::open) return false;
    incoming_.push_back(std::move(operation));
    waiting_amount_.operations += amount.operations;
    waiting_amount_.bytes += amount.bytes;
    const bool group_waits = waiting_amount_.operations >= limits_.group_operations ||
                             waiting_amount_.bytes >= limits_.group_bytes;
    wake = waiting_ == Waiting::for_work || (waiting_ == Waiting::for_pace && group_waits);
    const bool over =
        waiting_amount_.operations > limits_.high_operations || waiting_amount_.bytes > limits_.high_bytes;
    became_full = over && !gauge_->queue_full.exchange(true);
  }
  if (wake) wake_.notify_one();
  if (became_full) gauge_->notify();
  return true;
}

void CommitQueue::close() {
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::open) state_ = State::closed;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

CommitQueue::Totals CommitQueue::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

void CommitQueue::run() {
  Group group;
  try {
    while (take_work()) {
      last_start_ = std::chrono::steady_clock::now();
      group = stage_group();
      last_group_ = group.amount.operations;
      if (const Result<void> committed = target_.commit(); !committed) {
        return fail(std::move(group), committed.error());
      }
      target_.publish();
      count(group, std::chrono::steady_clock::now());
      const Amount amount = group.amount;
      answer(std::exchange(group, {}));
      release(amount);
    }
  } catch (const std::exception& thrown) {
    fail(std::move(group), Error(Errc::storage_failed, std::string("the commit thread: ") + thrown.what()));
  }
}

// Waits until there is something to commit and it is time to; false when the queue is closed and empty.
bool CommitQueue::take_work() {
  std::unique_lock lock(mutex_);
  if (taken_.empty()) {
    waiting_ = Waiting::for_work;
    wake_.wait(lock, [&] { return !incoming_.empty() || state_ != State::open; });
    const bool alone = waiting_amount_.operations <= 1 && last_group_ <= 1;
    if (!alone && limits_.pace.count() > 0) {
      waiting_ = Waiting::for_pace;
      wake_.wait_until(lock, last_start_ + limits_.pace, [&] {
        return state_ != State::open || waiting_amount_.operations >= limits_.group_operations ||
               waiting_amount_.bytes >= limits_.group_bytes;
      });
    }
    waiting_ = Waiting::no;
  }
  std::move(incoming_.begin(), incoming_.end(), std::back_inserter(taken_));
  incoming_.clear();
  return !taken_.empty();
}

bool CommitQueue::fits(const Group& group, std::size_t bytes) const {
  return group.amount.operations == 0 || (group.amount.operations < limits_.group_operations &&
                                          group.amount.bytes + bytes <= limits_.group_bytes);
}

CommitQueue::Group CommitQueue::stage_group() {
  Group group;
  while (!taken_.empty()) {
    if (auto* write = std::get_if<Write>(&taken_.front())) {
      if (!fits(group, write->bytes)) return group;
      group.amount.operations += 1;
      group.amount.bytes += write->bytes;
      group.answers.emplace_back(std::move(write->reply), target_.stage(write->step));
    } else {
      auto& [batch, next, submitted] = std::get<Appends>(taken_.front());
      if (next < batch.appends.size()) group.telemetry.emplace_back(submitted, 0);
      for (; next < batch.appends.size(); ++next) {
        TelemetryAppend& append = batch.appends[next];
        if (!fits(group, append.record.size())) return group;
        ++group.telemetry.back().second;
        group.amount.operations += 1;
        group.amount.bytes += append.record.size();
        target_.stage(append);
        if (append.wants_ack) stage_acks(group, batch.sink, append.ack);
      }
    }
    taken_.pop_front();
  }
  return group;
}

void CommitQueue::stage_acks(Group& group, TelemetryAckSink* sink, const TelemetryAckSink::Ack& ack) {
  // As many sinks as shards: a walk is quicker than a map.
  for (auto& [known, acks] : group.acks) {
    if (known == sink) return acks.push_back(ack);
  }
  group.acks.push_back({sink, {ack}});
}

void CommitQueue::answer(Group group) {
  for (auto& [sink, acks] : group.acks) sink->on_committed(std::move(acks));
  std::vector<std::pair<Executor*, std::vector<Task>>> posts;
  for (auto& [reply, result] : group.answers) {
    if (!reply) continue;
    Executor* const home = &reply.home();
    auto at =
        std::find_if(posts.begin(), posts.end(), [&](const auto& entry) { return entry.first == home; });
    if (at == posts.end()) {
      posts.emplace_back(home, std::vector<Task>());
      at = posts.end() - 1;
    }
    at->second.push_back(reply.into_task(std::move(result)));
  }
  for (auto& [home, tasks] : posts) home->post_all(std::move(tasks));
}

// One clock reading for a group and a few numbers for each batch in it: nothing for a message.
void CommitQueue::count(const Group& group, SteadyTime committed) {
  const auto since = [committed](SteadyTime then) {
    return std::chrono::duration<double>(committed - then).count();
  };
  const std::lock_guard lock(mutex_);
  statistics_.group_operations.observe(static_cast<double>(group.amount.operations));
  statistics_.commit_seconds.observe(since(last_start_));
  for (const auto& [submitted, messages] : group.telemetry)
    statistics_.telemetry_seconds.observe(since(submitted), messages);
}

CommitQueue::Statistics CommitQueue::statistics() const {
  const std::lock_guard lock(mutex_);
  Statistics now = statistics_;
  now.waiting_operations = waiting_amount_.operations;
  now.waiting_bytes = waiting_amount_.bytes;
  return now;
}

void CommitQueue::release(Amount amount) {
  bool eased = false;
  {
    const std::lock_guard lock(mutex_);
    waiting_amount_.operations -= amount.operations;
    waiting_amount_.bytes -= amount.bytes;
    totals_.groups += 1;
    totals_.operations += amount.operations;
    const bool under = waiting_amount_.operations <= limits_.high_operations / 2 &&
                       waiting_amount_.bytes <= limits_.high_bytes / 2;
    eased = under && gauge_->queue_full.exchange(false);
  }
  if (eased) gauge_->notify();
}

// Nothing is answered as success any more. The callback comes first: normally the process ends inside it.
void CommitQueue::fail(Group group, const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    state_ = State::failed;
    std::move(incoming_.begin(), incoming_.end(), std::back_inserter(taken_));
    incoming_.clear();
  }
  if (on_fatal_) on_fatal_(error);
  group.acks.clear();
  for (auto& [reply, result] : group.answers) result = error;
  for (Operation& operation : std::exchange(taken_, {})) {
    auto* write = std::get_if<Write>(&operation);
    if (write && write->reply) group.answers.emplace_back(std::move(write->reply), error);
  }
  answer(std::move(group));
}

}  // namespace kyanite
