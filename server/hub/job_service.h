#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/executor.h"
#include "protocol/base/reply.h"
#include "server/hub/job_record.h"
#include "server/hub/query_service.h"
#include "storage/stores.h"

namespace kyanite {

class DeviceRouter;
class JobRun;

// A job as a service sees it: what is stored, and for how many devices it is under way.
struct JobView {
  JobRecord job;
  std::uint64_t running = 0;
  std::uint64_t pending = 0;
};

// Which jobs a list shows; a type the hub has no jobs of shows none.
struct JobFilter {
  std::optional<std::string> type;  // as JobRecord::type() has it, in any case
  std::optional<JobStatus> status;
};
struct JobPage {
  std::vector<JobView> jobs;  // by id
  bool more = false;
};

// JobService runs scheduled jobs (spec service-rest.md 9.1). A job goes through the devices in the order of
// their ids. Each outcome is stored: a twin update together with the twin in one commit, so that it happens
// exactly once whenever the hub is killed; a direct method after its answer, so that a hub that was killed in
// between calls the device again. Each device is counted once.
//
// Owner: the application. Threads: the operations may be called on any shard; work runs on shard 0 and
// replies go home. Bound: limits::kJobsActiveMax jobs that are not over (too_many_jobs beyond),
// kJobsRunningMax at a time, kJobsKeptMax finished ones for limits::kJobKept; of each but the running ones a
// few words are in memory.
class JobService {
 public:
  JobService(Executor& shard0, DeviceRouter& router, Stores& stores);
  ~JobService();
  JobService(const JobService&) = delete;
  JobService& operator=(const JobService&) = delete;

  // From any thread: reads what is stored and goes on with it.
  void start();
  // On shard 0: the wall clock was shifted.
  void on_clock_shift();
  // From any thread, before owners are told that devices are disconnected because the hub goes down: what
  // happens to them from then on is no outcome of a job.
  void stop();

  // `wanted` has id, work, condition, execution_max and, if asked for, start; the rest is the service's.
  // Answered when it is committed. Errors: job_already_exists, too_many_jobs, busy.
  void create(JobRecord wanted, Reply<JobView> reply);
  void get(std::string id, Reply<std::optional<JobView>> reply);
  // A job that has not begun. Errors: job_not_found, operation_not_allowed, busy.
  void cancel(std::string id, Reply<JobView> reply);
  // Jobs with an id after `after`.
  void list(JobFilter filter, std::string after, std::size_t limit, Reply<JobPage> reply);

 private:
  friend class JobRun;
  struct Entry {
    JobStatus status = JobStatus::queued;
    WallTime created = kNever;
    WallTime start = kNever;
    WallTime ended = kNever;
    bool busy = false;  // something of it is being written or read
    std::shared_ptr<JobRun> run;
  };
  using Entries = std::map<std::string, Entry>;
  struct Listing;

  // Runs on shard 0 when the stored jobs are known.
  template <class T>
  void when_loaded(Reply<T> reply, UniqueFunction<void(Reply<T>)> work);
  void load(std::string after);
  void on_loaded_page(const std::vector<Document>& page);
  void on_loaded();

  void do_create(JobRecord wanted, Reply<JobView> reply);
  void do_get(const std::string& id, Reply<std::optional<JobView>> reply);
  void do_cancel(const std::string& id, Reply<JobView> reply);
  void list_page(std::shared_ptr<Listing> listing);

  // Starts what is due and has a place; looks after what is old.
  void work();
  void begin(const std::string& id, Entry& entry);
  void on_run_ended(const JobRecord& job);
  void expire();
  void erase_outcomes(const std::string& id);
  void arm();
  void on_tick();
  // The change, again and again while the store is busy, then the task.
  void commit(DocumentChange change, Task committed);

  Executor& shard0_;
  DeviceRouter& router_;
  Stores& stores_;
  // Of its own: running jobs neither wait for the queries of back ends nor take their places.
  QueryService queries_;
  Entries jobs_;
  std::deque<Task> waiting_;  // for the stored jobs
  bool stopping_ = false;
  bool loaded_ = false;
  bool expiring_ = false;
  std::size_t active_ = 0;   // not over
  std::size_t running_ = 0;  // with a run, or about to have one
  TimerId timer_{};
};

}  // namespace kyanite
