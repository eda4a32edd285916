#include "server/hub/job_service.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/hub/device_router.h"
#include "server/hub/job_run.h"

namespace kyanite {
namespace {

constexpr milliseconds kStoreRetry{250};
constexpr milliseconds kTickBusy{1000};  // something runs or is due
constexpr milliseconds kTickIdle{60'000};
constexpr std::size_t kJobsPage = 64;
constexpr std::size_t kOutcomesPage = 1024;

// Readers may have too much to do for a while; only a hub that ends has no use for another try.
bool may_read_again(const Error& error) { return error.code != Errc::shutting_down; }

}  // namespace

struct JobService::Listing {
  JobFilter filter;
  std::string after;
  std::size_t limit = 0;
  JobPage page;
  Reply<JobPage> reply;

  bool wants(const JobRecord& job) const {
    if (filter.type && !equals_ignoring_case(*filter.type, job.type())) return false;
    return !filter.status || *filter.status == job.status;
  }
};

static_assert(limits::kJobsRunningMax <= limits::kQueriesMax);  // each looks for one page at a time

JobService::JobService(Executor& shard0, DeviceRouter& router, Stores& stores)
    : shard0_(shard0), router_(router), stores_(stores), queries_(shard0, router, stores) {}

JobService::~JobService() = default;

void JobService::start() {
  shard0_.post([this] { load({}); });
}

// What other shards send after they were told to drain comes behind it.
void JobService::stop() {
  shard0_.post([this] { stopping_ = true; });
}

void JobService::load(std::string after) {
  stores_.documents().scan(
      Collection::jobs, "", after, kJobsPage,
      Reply<std::vector<Document>>(shard0_, [this, after](const Result<std::vector<Document>>& page) {
        if (page) return on_loaded_page(*page);
        if (may_read_again(page.error())) shard0_.after(kStoreRetry, [this, after] { load(after); });
      }));
}

void JobService::on_loaded_page(const std::vector<Document>& page) {
  if (page.empty()) return on_loaded();
  for (const Document& document : page) {
    Entry& entry = jobs_[document.key];
    const Result<JobRecord> job = decode_job(document.value);
    if (!job) {
      // Of a newer program perhaps: it keeps its name and is left alone.
      entry.status = JobStatus::failed;
      entry.ended = shard0_.wall_now();
      continue;
    }
    entry.status = job->status;
    entry.created = job->created;
    entry.start = job->start;
    entry.ended = job->ended;
    if (!is_over(job->status)) ++active_;
  }
  load(page.back().key);
}

void JobService::on_loaded() {
  loaded_ = true;
  for (Task& task : std::exchange(waiting_, {})) task();
  work();
}

template <class T>
void JobService::when_loaded(Reply<T> reply, UniqueFunction<void(Reply<T>)> task) {
  shard0_.post([this, reply = std::move(reply), task = std::move(task)]() mutable {
    if (loaded_) return task(std::move(reply));
    if (waiting_.size() >= limits::kAdministrationQueueMax) return reply(Error(Errc::busy));
    waiting_.emplace_back(
        [reply = std::move(reply), task = std::move(task)]() mutable { task(std::move(reply)); });
  });
}

void JobService::create(JobRecord wanted, Reply<JobView> reply) {
  when_loaded<JobView>(std::move(reply), [this, wanted = std::move(wanted)](Reply<JobView> home) mutable {
    do_create(std::move(wanted), std::move(home));
  });
}

void JobService::get(std::string id, Reply<std::optional<JobView>> reply) {
  when_loaded<std::optional<JobView>>(
      std::move(reply),
      [this, id = std::move(id)](Reply<std::optional<JobView>> home) { do_get(id, std::move(home)); });
}

void JobService::cancel(std::string id, Reply<JobView> reply) {
  when_loaded<JobView>(std::move(reply),
                       [this, id = std::move(id)](Reply<JobView> home) { do_cancel(id, std::move(home)); });
}

void JobService::list(JobFilter filter, std::string after, std::size_t limit, Reply<JobPage> reply) {
  when_loaded<JobPage>(std::move(reply), [this, limit, filter = std::move(filter),
                                          after = std::move(after)](Reply<JobPage> home) mutable {
    auto listing = std::make_shared<Listing>();
    listing->filter = std::move(filter);
    listing->after = std::move(after);
    listing->limit = limit;
    listing->reply = std::move(home);
    list_page(std::move(listing));
  });
}

void JobService::do_create(JobRecord wanted, Reply<JobView> reply) {
  if (jobs_.contains(wanted.id)) return reply(Error(Errc::job_already_exists));
  if (active_ >= limits::kJobsActiveMax) return reply(Error(Errc::too_many_jobs));
  const WallTime now = shard0_.wall_now();
  wanted.created = now;
  if (wanted.start < now) wanted.start = now;
  wanted.status = wanted.start > now ? JobStatus::scheduled : JobStatus::queued;
  Entry& entry = jobs_[wanted.id];
  entry.status = wanted.status;
  entry.created = now;
  entry.start = wanted.start;
  entry.busy = true;
  ++active_;
  DocumentChange change;
  change.puts.push_back({Collection::jobs, wanted.id, encode_job(wanted)});
  stores_.documents().commit(std::move(change),
                             Reply<void>(shard0_, [this, wanted = std::move(wanted),
                                                   reply = std::move(reply)](Result<void> committed) mutable {
                               const auto made = jobs_.find(wanted.id);
                               if (!committed) {
                                 jobs_.erase(made);
                                 --active_;
                                 return reply(committed.error());
                               }
                               made->second.busy = false;
                               reply(JobView{std::move(wanted)});
                               work();
                             }));
}

void JobService::do_get(const std::string& id, Reply<std::optional<JobView>> reply) {
  const auto known = jobs_.find(id);
  if (known == jobs_.end()) return reply(std::optional<JobView>());
  if (known->second.run) return reply(std::optional(known->second.run->view()));
  stores_.documents().load(
      Collection::jobs, id,
      Reply<std::optional<std::string>>(
          shard0_, [reply = std::move(reply)](Result<std::optional<std::string>> text) mutable {
            if (!text) return reply(text.error());
            if (!*text) return reply(std::optional<JobView>());
            Result<JobRecord> job = decode_job(**text);
            if (!job) return reply(job.error());
            reply(std::optional(JobView{std::move(*job)}));
          }));
}

void JobService::do_cancel(const std::string& id, Reply<JobView> reply) {
  const auto known = jobs_.find(id);
  if (known == jobs_.end()) return reply(Error(Errc::job_not_found));
  Entry& entry = known->second;
  if (entry.busy || entry.run || is_over(entry.status) || entry.status == JobStatus::running) {
    return reply(Error(Errc::operation_not_allowed, "only a job that has not begun can be cancelled"));
  }
  entry.busy = true;
  do_get(id, Reply<std::optional<JobView>>(
                 shard0_, [this, id, reply = std::move(reply)](Result<std::optional<JobView>> found) mutable {
                   Entry& cancelled = jobs_.at(id);
                   if (!found || !*found) {
                     cancelled.busy = false;
                     return reply(found ? Error(Errc::job_not_found) : found.error());
                   }
                   JobRecord job = std::move((*found)->job);
                   job.status = JobStatus::cancelled;
                   job.ended = shard0_.wall_now();
                   DocumentChange change;
                   change.puts.push_back({Collection::jobs, id, encode_job(job)});
                   stores_.documents().commit(
                       std::move(change),
                       Reply<void>(shard0_, [this, job = std::move(job),
                                             reply = std::move(reply)](Result<void> committed) mutable {
                         Entry& entry_now = jobs_.at(job.id);
                         entry_now.busy = false;
                         if (!committed) return reply(committed.error());
                         entry_now.status = job.status;
                         entry_now.ended = job.ended;
                         --active_;
                         reply(JobView{std::move(job)});
                         work();
                       }));
                 }));
}

void JobService::list_page(std::shared_ptr<Listing> listing) {
  const std::string after = listing->after;
  stores_.documents().scan(
      Collection::jobs, "", after, kJobsPage,
      Reply<std::vector<Document>>(
          shard0_, [this, listing = std::move(listing)](Result<std::vector<Document>> rows) mutable {
            if (!rows) return listing->reply(rows.error());
            for (const Document& row : *rows) {
              listing->after = row.key;
              const auto known = jobs_.find(row.key);
              Result<JobRecord> job = decode_job(row.value);
              // One that is being erased, or of a newer program.
              if (known == jobs_.end() || !job) continue;
              JobView view = known->second.run ? known->second.run->view() : JobView{std::move(*job)};
              if (!listing->wants(view.job)) continue;
              if (listing->page.jobs.size() == listing->limit) {
                listing->page.more = true;
                return listing->reply(std::move(listing->page));
              }
              listing->page.jobs.push_back(std::move(view));
            }
            if (rows->empty()) return listing->reply(std::move(listing->page));
            list_page(std::move(listing));
          }));
}

void JobService::work() {
  if (!loaded_ || stopping_) return;
  const WallTime now = shard0_.wall_now();
  while (running_ < limits::kJobsRunningMax) {
    // Those a hub left running come before new ones, then the one that is due longest.
    Entries::iterator next = jobs_.end();
    for (auto job = jobs_.begin(); job != jobs_.end(); ++job) {
      const Entry& entry = job->second;
      if (entry.busy || entry.run || is_over(entry.status)) continue;
      const bool is_left = entry.status == JobStatus::running;
      if (!is_left && entry.start > now) continue;
      if (next == jobs_.end() || (is_left && next->second.status != JobStatus::running) ||
          (is_left == (next->second.status == JobStatus::running) && entry.start < next->second.start)) {
        next = job;
      }
    }
    if (next == jobs_.end()) break;
    begin(next->first, next->second);
  }
  expire();
  arm();
}

void JobService::begin(const std::string& id, Entry& entry) {
  entry.busy = true;
  ++running_;
  do_get(id, Reply<std::optional<JobView>>(shard0_, [this, id](Result<std::optional<JobView>> found) {
           Entry& begun = jobs_.at(id);
           if (!found || !*found) {
             begun.busy = false;
             --running_;
             return;  // the next tick tries again
           }
           JobRecord job = std::move((*found)->job);
           job.status = JobStatus::running;
           if (job.started == kNever) job.started = shard0_.wall_now();
           begun.status = job.status;
           DocumentChange change;
           change.puts.push_back({Collection::jobs, id, encode_job(job)});
           commit(std::move(change), [this, job = std::move(job)]() mutable {
             Entry& running = jobs_.at(job.id);
             running.busy = false;
             running.run = std::make_shared<JobRun>(*this, std::move(job));
             running.run->start();
           });
         }));
}

void JobService::on_run_ended(const JobRecord& job) {
  Entry& entry = jobs_.at(job.id);
  entry.status = job.status;
  entry.ended = job.ended;
  entry.run.reset();
  --running_;
  --active_;
  work();
}

// One finished job at a time: its outcomes, then itself.
void JobService::expire() {
  if (expiring_) return;
  const WallTime too_old = shard0_.wall_now() - limits::kJobKept;
  Entries::iterator oldest = jobs_.end();
  std::size_t finished = 0;
  for (auto job = jobs_.begin(); job != jobs_.end(); ++job) {
    if (!is_over(job->second.status) || job->second.busy) continue;
    ++finished;
    if (oldest == jobs_.end() || job->second.ended < oldest->second.ended) oldest = job;
  }
  if (oldest == jobs_.end()) return;
  if (finished <= limits::kJobsKeptMax && oldest->second.ended > too_old) return;
  expiring_ = true;
  oldest->second.busy = true;
  erase_outcomes(oldest->first);
}

void JobService::erase_outcomes(const std::string& id) {
  stores_.documents().scan(
      Collection::job_devices, job_device_prefix(id), "", kOutcomesPage,
      Reply<std::vector<Document>>(shard0_, [this, id](Result<std::vector<Document>> rows) {
        if (!rows) {
          if (may_read_again(rows.error())) shard0_.after(kStoreRetry, [this, id] { erase_outcomes(id); });
          return;
        }
        DocumentChange change;
        for (Document& row : *rows) change.erases.push_back({Collection::job_devices, std::move(row.key)});
        const bool all = change.erases.empty();
        if (all) change.erases.push_back({Collection::jobs, id});
        commit(std::move(change), [this, id, all] {
          if (!all) return erase_outcomes(id);
          jobs_.erase(id);
          expiring_ = false;
          expire();
        });
      }));
}

void JobService::on_clock_shift() {
  if (loaded_) on_tick();
}

void JobService::arm() {
  shard0_.cancel(std::exchange(timer_, TimerId{}));  // what is due may be due sooner now
  if (jobs_.empty()) return;
  WallTime next = shard0_.wall_now() + kTickIdle;
  for (const auto& [id, entry] : jobs_) {
    if (!is_over(entry.status)) next = std::min(next, entry.start);
  }
  const milliseconds pause =
      running_ > 0 ? kTickBusy : std::clamp(next - shard0_.wall_now(), milliseconds(10), kTickIdle);
  timer_ = shard0_.after(pause, [this] {
    timer_ = {};
    on_tick();
  });
}

void JobService::on_tick() {
  shard0_.cancel(std::exchange(timer_, TimerId{}));
  for (const auto& [id, entry] : jobs_) {
    if (entry.run) entry.run->on_tick();
  }
  work();
}

void JobService::commit(DocumentChange change, Task committed) {
  DocumentChange copy = change;
  stores_.documents().commit(
      std::move(copy),
      Reply<void>(shard0_, [this, change = std::move(change),
                            committed = std::move(committed)](const Result<void>& done) mutable {
        if (done) return committed();
        if (done.error().code != Errc::busy) return;  // the hub ends
        shard0_.after(kStoreRetry,
                      [this, change = std::move(change), committed = std::move(committed)]() mutable {
                        commit(std::move(change), std::move(committed));
                      });
      }));
}

}  // namespace kyanite
