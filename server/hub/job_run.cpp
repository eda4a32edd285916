#include "server/hub/job_run.h"

#include <utility>

#include "protocol/base/limits.h"
#include "server/hub/device_router.h"

namespace kyanite {
namespace {

// A store or a device that is busy is asked again after so long.
constexpr milliseconds kJobRetry{250};
constexpr std::size_t kDonePage = 1024;
// Outcomes beyond the cursor, about: they are read again by the next hub, and the record may be large.
constexpr std::uint64_t kCheckpointEvery = 1024;
constexpr std::string_view kOutOfTime = "the job ran longer than maxExecutionTimeInSeconds";

}  // namespace

JobRun::JobRun(JobService& service, JobRecord job)
    : service_(service), job_(std::move(job)), counted_(job_.counts) {}

WallTime JobRun::now() const { return service_.shard0_.wall_now(); }

bool JobRun::is_out_of_time() const { return now() >= job_.started + job_.execution_max; }

JobView JobRun::view() const {
  JobView view{job_, in_flight_, pending_.size()};
  view.job.counts = counted_;
  return view;
}

void JobRun::start() {
  Result<QueryCondition> condition = parse_condition(job_.condition);
  if (!condition) return finish(JobStatus::failed, condition.error().detail);
  condition_ = std::move(*condition);
  page_end_ = job_.cursor;
  reading_ = true;
  load_done(job_.cursor == Identity() ? std::string() : job_device_key(job_.id, job_.cursor));
}

void JobRun::load_done(std::string after) {
  service_.stores_.documents().scan(
      Collection::job_devices, job_device_prefix(job_.id), after, kDonePage,
      Reply<std::vector<Document>>(
          service_.shard0_, [self = shared_from_this(), after](const Result<std::vector<Document>>& rows) {
            if (!rows) return self->load_done_later(after, rows.error());
            if (rows->empty()) return self->next_page();
            for (const Document& row : *rows) {
              Result<JobDeviceOutcome> outcome = read_job_outcome(row.value);
              if (!outcome) return self->finish(JobStatus::failed, "its outcomes cannot be read");
              ++(outcome->failed ? self->counted_.failed : self->counted_.succeeded);
              self->done_.insert(std::move(outcome->id));
            }
            self->load_done(rows->back().key);
          }));
}

void JobRun::load_done_later(std::string after, const Error& error) {
  if (error.code == Errc::shutting_down) return;
  service_.shard0_.after(kJobRetry, [self = shared_from_this(), after = std::move(after)]() mutable {
    if (self->is_out_of_time()) return self->finish(JobStatus::failed, std::string(kOutOfTime));
    self->load_done(std::move(after));
  });
}

void JobRun::next_page() {
  if (is_out_of_time()) return finish(JobStatus::failed, std::string(kOutOfTime));
  reading_ = true;
  service_.queries_.find(
      condition_, page_end_, limits::kTargetPageMax,
      Reply<FoundIdentities>(service_.shard0_, [self = shared_from_this()](Result<FoundIdentities> page) {
        self->on_page(std::move(page));
      }));
}

void JobRun::on_page(Result<FoundIdentities> page) {
  if (!page) {
    if (page.error().code == Errc::shutting_down) {
      abandoned_ = true;
      return;
    }
    service_.shard0_.after(kJobRetry, [self = shared_from_this()] { self->next_page(); });
    return;
  }
  reading_ = false;
  last_page_ = page->at_end;
  page_end_ = std::move(page->last);
  for (Identity& id : page->identities) {
    if (!done_.contains(id)) pending_.push_back(std::move(id));
  }
  pump();
}

void JobRun::pump() {
  if (service_.stopping_) abandoned_ = true;
  if (abandoned_ || ending_) return;
  if (!pending_.empty() && is_out_of_time()) {
    pending_.clear();
    cut_ = true;
  }
  while (!pending_.empty() && in_flight_ < limits::kJobConcurrencyMax) {
    Identity id = std::move(pending_.front());
    pending_.pop_front();
    ++in_flight_;
    carry_out(std::move(id));
  }
  if (pending_.empty() && in_flight_ == 0 && !reading_) checkpoint();
}

void JobRun::carry_out(Identity id) {
  if (const auto* update = std::get_if<JobTwinUpdate>(&job_.work)) return update_twin(*update, std::move(id));
  call_method(std::get<JobMethod>(job_.work), std::move(id));
}

void JobRun::update_twin(const JobTwinUpdate& update, Identity id) {
  JobDeviceRecord outcome{.id = id, .started = now(), .ended = now(), .method = {}, .error = {}};
  UpdateTwin message;
  message.identity = id;
  message.tags = update.tags;
  message.desired = update.desired;
  message.record =
      DocumentPut{Collection::job_devices, job_device_key(job_.id, id), encode_job_device(job_, outcome)};
  message.reply = Reply<TwinView>(service_.shard0_, [self = shared_from_this(), outcome = std::move(outcome)](
                                                        const Result<TwinView>& updated) mutable {
    if (!updated) return self->on_failed(std::move(outcome), updated.error());
    self->on_done(false);  // its record came with the twin
  });
  service_.router_.send(std::move(message));
}

void JobRun::call_method(const JobMethod& method, Identity id) {
  JobDeviceRecord outcome{.id = id, .started = now(), .ended = {}, .method = {}, .error = {}};
  InvokeMethod message;
  message.identity = std::move(id);
  message.method = method.method;
  message.payload = method.payload;
  message.response_timeout = method.response_timeout;
  message.connect_timeout = method.connect_timeout;
  message.reply = Reply<MethodResult>(
      service_.shard0_,
      [self = shared_from_this(), outcome = std::move(outcome)](Result<MethodResult> result) mutable {
        if (!result) return self->on_failed(std::move(outcome), result.error());
        outcome.method = std::move(*result);
        self->record(std::move(outcome));
      });
  service_.router_.send(std::move(message));
}

// What says nothing about the device is no outcome: it is tried again, by the next hub if this one goes down.
// A twin that cannot be read is one: a store that fails altogether takes no record of it either.
void JobRun::on_failed(JobDeviceRecord outcome, const Error& error) {
  if (service_.stopping_ || error.code == Errc::shutting_down) {
    abandoned_ = true;
    return;
  }
  if (error.code == Errc::busy || error.code == Errc::too_many_calls) return retry(std::move(outcome.id));
  outcome.error = error;
  record(std::move(outcome));
}

void JobRun::retry(Identity id) {
  service_.shard0_.after(kJobRetry, [self = shared_from_this(), id = std::move(id)]() mutable {
    --self->in_flight_;
    self->pending_.push_back(std::move(id));
    self->pump();
  });
}

void JobRun::record(JobDeviceRecord outcome) {
  outcome.ended = now();
  const bool failed = outcome.error.has_value();
  DocumentChange change;
  change.puts.push_back(
      {Collection::job_devices, job_device_key(job_.id, outcome.id), encode_job_device(job_, outcome)});
  service_.commit(std::move(change), [self = shared_from_this(), failed] { self->on_done(failed); });
}

void JobRun::on_done(bool failed) {
  --in_flight_;
  ++(failed ? counted_.failed : counted_.succeeded);
  pump();
}

// The outcomes of the page are all committed. While the page ends before what an earlier hub did, the cursor
// stays: those outcomes would be counted by it and found beyond it.
void JobRun::checkpoint() {
  if (cut_ || is_out_of_time()) return finish(JobStatus::failed, std::string(kOutOfTime));
  if (last_page_) return finish(JobStatus::completed, {});
  if (!done_.empty() && page_end_ < *done_.rbegin()) return next_page();
  const auto sum = [](const JobCounts& counts) { return counts.succeeded + counts.failed; };
  if (sum(counted_) - sum(job_.counts) < kCheckpointEvery) return next_page();
  done_.clear();
  job_.cursor = page_end_;
  job_.counts = counted_;
  DocumentChange change;
  change.puts.push_back({Collection::jobs, job_.id, encode_job(job_)});
  ending_ = true;  // nothing is begun before it is there
  service_.commit(std::move(change), [self = shared_from_this()] {
    self->ending_ = false;
    self->next_page();
  });
}

void JobRun::finish(JobStatus status, std::string failure) {
  if (ending_) return;
  ending_ = true;
  job_.status = status;
  job_.failure = std::move(failure);
  job_.ended = now();
  job_.counts = counted_;
  DocumentChange change;
  change.puts.push_back({Collection::jobs, job_.id, encode_job(job_)});
  service_.commit(std::move(change),
                  [self = shared_from_this()] { self->service_.on_run_ended(self->job_); });
}

void JobRun::on_tick() {
  if (!reading_ && !ending_) pump();
}

}  // namespace kyanite
