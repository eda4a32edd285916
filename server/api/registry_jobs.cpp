#include "server/api/registry_jobs.h"

#include <algorithm>
#include <utility>

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/limits.h"
#include "server/api/configuration_transfer.h"

namespace kyanite {
namespace {

constexpr std::string_view kHubStopped = "the hub was stopped while the job was under way";
constexpr std::size_t kJobIdBytes = 16;
constexpr milliseconds kReadAgain{250};

// Newest first; jobs that began together by id.
bool began_later(const RegistryJob& a, const RegistryJob& b) {
  return a.start != b.start ? a.start > b.start : a.id < b.id;
}

DocumentPut put_of(const RegistryJob& job) {
  return {Collection::registry_jobs, job.id, encode_registry_job(job)};
}

}  // namespace

RegistryJobs::RegistryJobs(Executor& shard0, RegistryService& registry, ConfigurationService& configurations,
                           Stores& stores, BlobExchange& blobs)
    : shard0_(shard0), registry_(registry), configurations_(configurations), stores_(stores), blobs_(blobs) {}

RegistryJobs::~RegistryJobs() = default;

template <class T, class Step>
Reply<T> RegistryJobs::then(Step step) {
  return Reply<T>(shard0_, [this, alive = std::weak_ptr<int>(alive_), id = active_->request.job.id,
                            step = std::move(step)](Result<T> result) mutable {
    if (alive.expired() || !active_ || active_->request.job.id != id) return;
    step(std::move(result));
  });
}

void RegistryJobs::start() {
  stores_.documents().scan(
      Collection::registry_jobs, {}, {}, 2 * limits::kRegistryJobsKept,
      Reply<std::vector<Document>>(
          shard0_, [this, alive = std::weak_ptr<int>(alive_)](const Result<std::vector<Document>>& page) {
            if (alive.expired()) return;
            if (page) return on_loaded(*page);
            if (page.error().code == Errc::shutting_down) return;
            shard0_.after(kReadAgain, [this, alive] {
              if (!alive.expired()) start();
            });
          }));
}

// What cannot be read is left alone: it may be a newer hub's.
void RegistryJobs::on_loaded(const std::vector<Document>& page) {
  DocumentChange change;
  for (const Document& document : page) {
    Result<RegistryJob> job = decode_registry_job(document.value);
    if (!job) continue;
    if (!job->is_over()) {
      job->status = RegistryJob::Status::failed;
      job->failure_reason = kHubStopped;
      job->end = shard0_.wall_now();
      change.puts.push_back(put_of(*job));
    }
    jobs_[job->id] = std::move(*job);
  }
  if (!change.puts.empty()) {
    stores_.documents().commit(std::move(change), Reply<void>(shard0_, [](const Result<void>&) {}));
  }
  loaded_ = true;
  for (Task& task : std::exchange(waiting_, {})) task();
}

void RegistryJobs::run(Task task) {
  shard0_.post([this, alive = std::weak_ptr<int>(alive_), task = std::move(task)]() mutable {
    if (alive.expired()) return;  // the task answers as it is dropped
    if (loaded_) return task();
    if (waiting_.size() < limits::kRegistryJobCallsMax) waiting_.push_back(std::move(task));
  });
}

void RegistryJobs::create(RegistryJobRequest request, Reply<RegistryJob> reply) {
  run([this, request = std::move(request), reply = std::move(reply)]() mutable {
    begin(std::move(request), std::move(reply));
  });
}

void RegistryJobs::list(Reply<std::vector<RegistryJob>> reply) {
  run([this, reply = std::move(reply)]() mutable {
    std::vector<RegistryJob> list;
    for (const auto& [id, job] : jobs_) list.push_back(job);
    std::sort(list.begin(), list.end(), began_later);
    reply(std::move(list));
  });
}

void RegistryJobs::get(std::string id, Reply<RegistryJob> reply) {
  run([this, id = std::move(id), reply = std::move(reply)]() mutable {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return reply(Error(Errc::job_not_found));
    reply(found->second);
  });
}

void RegistryJobs::cancel(std::string id, Reply<void> reply) {
  run([this, id = std::move(id), reply = std::move(reply)]() mutable {
    const auto found = jobs_.find(id);
    if (found == jobs_.end()) return reply(Error(Errc::job_not_found));
    if (found->second.is_over() || !active_ || active_->ending) return reply({});
    blobs_.break_off();
    end(RegistryJob::Status::cancelled, {}, std::move(reply));
  });
}

void RegistryJobs::begin(RegistryJobRequest request, Reply<RegistryJob> reply) {
  if (active_) return reply(Error(Errc::job_quota_exceeded));
  request.job.id = random_hex(kJobIdBytes);
  request.job.start = shard0_.wall_now();
  active_ = std::make_unique<Active>();
  active_->request = std::move(request);
  active_->created = std::move(reply);
  const RegistryJobRequest& begun = active_->request;
  const auto try_output = [this](Result<void> readable) {
    if (!readable) return refuse(readable.error());
    blobs_.create(active_->request.output_container, active_->request.job.output_name,
                  then<std::shared_ptr<BlobOutput>>(
                      [this](Result<std::shared_ptr<BlobOutput>> output) { on_output(std::move(output)); }));
  };
  if (begun.job.type == RegistryJob::Type::exporting) return try_output({});
  blobs_.probe(begun.input_container, begun.job.input_name,
               then<void>([this, try_output](const Result<void>& readable) {
                 const RegistryJobRequest& asked = active_->request;
                 if (!readable || asked.job.configurations_name.empty()) return try_output(readable);
                 blobs_.probe(asked.input_container, asked.job.configurations_name, then<void>(try_output));
               }));
}

void RegistryJobs::on_output(Result<std::shared_ptr<BlobOutput>> output) {
  if (!output) return refuse(output.error());
  active_->output = std::move(*output);
  store_begun();
}

void RegistryJobs::refuse(const Error& error) {
  const std::unique_ptr<Active> refused = std::move(active_);
  refused->created(error);
}

void RegistryJobs::store_begun() {
  RegistryJob& job = active_->request.job;
  job.status = RegistryJob::Status::running;
  DocumentChange change;
  change.puts.push_back(put_of(job));
  jobs_[job.id] = job;
  forget_oldest(change);
  stores_.documents().commit(std::move(change), then<void>([this](Result<void> stored) {
                               if (!stored) {
                                 jobs_.erase(active_->request.job.id);
                                 return refuse(stored.error());
                               }
                               RegistryJob shown = active_->request.job;
                               shown.status =
                                   RegistryJob::Status::enqueued;  // as whoever asks next sees it move
                               active_->created(std::move(shown));
                               if (!active_->ending) transfer();
                             }));
}

void RegistryJobs::transfer() {
  const RegistryJob& job = active_->request.job;
  if (job.type == RegistryJob::Type::importing) {
    if (job.configurations_name.empty()) return open_input({});
    return open_configurations();
  }
  active_->exporting = std::make_shared<RegistryExport>(shard0_, stores_, std::move(active_->output),
                                                        !job.exclude_keys, hooks());
  active_->exporting->start();
}

// Before the devices, which then are judged as they are made.
void RegistryJobs::open_configurations() {
  const auto on_applied = [this](Result<std::string> error_lines) {
    if (active_->ending) return;
    if (!error_lines) return end(RegistryJob::Status::failed, error_lines.error().detail, {});
    open_input(std::move(*error_lines));
  };
  blobs_.open(active_->request.input_container, active_->request.job.configurations_name,
              then<std::shared_ptr<BlobInput>>([this, on_applied](Result<std::shared_ptr<BlobInput>> input) {
                if (active_->ending) return;
                if (!input) return end(RegistryJob::Status::failed, input.error().detail, {});
                import_configurations(shard0_, configurations_, std::move(*input), active_->cancelled,
                                      then<std::string>(on_applied));
              }));
}

// The identities are written.
void RegistryJobs::write_configurations() {
  const RegistryJobRequest& request = active_->request;
  const auto on_written = [this](const Result<void>& written) {
    if (active_->ending) return;
    if (written) return end(RegistryJob::Status::completed, {}, {});
    end(RegistryJob::Status::failed, written.error().detail, {});
  };
  blobs_.create(
      request.output_container, request.job.configurations_name,
      then<std::shared_ptr<BlobOutput>>([this, on_written](Result<std::shared_ptr<BlobOutput>> output) {
        if (active_->ending) return;
        if (!output) return end(RegistryJob::Status::failed, output.error().detail, {});
        export_configurations(shard0_, configurations_, std::move(*output), then<void>(on_written));
      }));
}

void RegistryJobs::open_input(std::string error_lines) {
  blobs_.open(active_->request.input_container, active_->request.job.input_name,
              then<std::shared_ptr<BlobInput>>([this, error_lines = std::move(error_lines)](
                                                   Result<std::shared_ptr<BlobInput>> input) mutable {
                if (active_->ending) return;
                if (!input) return end(RegistryJob::Status::failed, input.error().detail, {});
                active_->importing = std::make_shared<RegistryImport>(shard0_, registry_, std::move(*input),
                                                                      std::move(active_->output),
                                                                      std::move(error_lines), hooks());
                active_->importing->start();
              }));
}

TransferHooks RegistryJobs::hooks() {
  const auto is_active = [this, alive = std::weak_ptr<int>(alive_), id = active_->request.job.id] {
    return !alive.expired() && active_ && active_->request.job.id == id && !active_->ending;
  };
  return {.progress =
              [this, is_active](unsigned percent) {
                if (is_active()) jobs_[active_->request.job.id].progress = percent;
              },
          .done =
              [this, is_active](const Result<void>& result) {
                if (!is_active()) return;
                const RegistryJob& job = active_->request.job;
                const bool exports = job.type == RegistryJob::Type::exporting;
                if (result && exports && !job.configurations_name.empty()) return write_configurations();
                if (result) return end(RegistryJob::Status::completed, {}, {});
                end(RegistryJob::Status::failed, result.error().detail, {});
              }};
}

// The next job may begin when this one's end is stored.
void RegistryJobs::end(RegistryJob::Status status, const std::string& reason, Reply<void> reply) {
  active_->ending = true;
  *active_->cancelled = true;
  if (active_->exporting) active_->exporting->cancel();
  if (active_->importing) active_->importing->cancel();
  active_->output.reset();
  RegistryJob job = jobs_[active_->request.job.id];
  job.status = status;
  job.end = shard0_.wall_now();
  job.failure_reason = reason;
  if (status == RegistryJob::Status::completed) job.progress = 100;
  DocumentChange change;
  change.puts.push_back(put_of(job));
  stores_.documents().commit(
      std::move(change),
      then<void>([this, over = std::move(job), reply = std::move(reply)](const Result<void>& stored) mutable {
        // What could not be stored is told all the same; a new start says "stopped".
        const std::unique_ptr<Active> ended = std::move(active_);
        jobs_[over.id] = over;
        if (reply) reply(stored);
      }));
}

void RegistryJobs::forget_oldest(DocumentChange& change) {
  while (jobs_.size() > limits::kRegistryJobsKept) {
    auto oldest = jobs_.end();
    for (auto it = jobs_.begin(); it != jobs_.end(); ++it) {
      if (it->first != active_->request.job.id &&
          (oldest == jobs_.end() || began_later(oldest->second, it->second))) {
        oldest = it;
      }
    }
    change.erases.push_back({Collection::registry_jobs, oldest->first});
    jobs_.erase(oldest);
  }
}

}  // namespace kyanite
