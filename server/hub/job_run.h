#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "server/hub/job_service.h"

namespace kyanite {

// JobRun carries out one job: page by page of the devices or modules it is for, at most
// limits::kJobConcurrencyMax of them at a time. When every outcome of a page is committed the job's record
// moves its cursor behind the page. What is beyond the cursor when a run begins was done by a hub that ended
// since: it is counted and not done again.
//
// Owner: JobService, on shard 0; it stays until its last operation is answered. A hub that is shutting down
// leaves it where it stands.
class JobRun : public std::enable_shared_from_this<JobRun> {
 public:
  JobRun(JobService& service, JobRecord job);
  // Until JobService::on_run_ended.
  void start();
  // Looks at the clock.
  void on_tick();
  JobView view() const;

 private:
  void load_done(std::string after);
  void load_done_later(std::string after, const Error& error);
  void next_page();
  void on_page(Result<FoundIdentities> page);
  void pump();
  void carry_out(Identity id);
  void update_twin(const JobTwinUpdate& update, Identity id);
  void call_method(const JobMethod& method, Identity id);
  void retry(Identity id);
  void on_failed(JobDeviceRecord outcome, const Error& error);
  void record(JobDeviceRecord outcome);
  void on_done(bool failed);
  void checkpoint();
  void finish(JobStatus status, std::string failure);
  bool is_out_of_time() const;
  WallTime now() const;

  JobService& service_;
  JobRecord job_;      // as committed but for what is counted below
  JobCounts counted_;  // of all outcomes
  QueryCondition condition_;
  std::set<Identity> done_;  // beyond the cursor, by a hub that ended
  Identity page_end_;        // the last one looked at
  bool last_page_ = false;
  bool reading_ = false;    // what was done, or a page, or a pause before they are read again
  bool ending_ = false;     // a checkpoint or the end is being committed
  bool abandoned_ = false;  // the hub is going down
  bool cut_ = false;        // devices were left out when the time was over
  std::deque<Identity> pending_;
  std::size_t in_flight_ = 0;
};

}  // namespace kyanite
