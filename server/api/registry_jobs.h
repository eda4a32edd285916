#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/api/blob_exchange.h"
#include "server/api/registry_export.h"
#include "server/api/registry_import.h"
#include "server/api/registry_job.h"
#include "server/hub/registry_service.h"
#include "storage/document_store.h"

namespace kyanite {

class ConfigurationService;

// RegistryJobs runs import and export jobs, one at a time, and remembers the last ones
// (service-rest.md 4.11).
//
// A job is stored when it begins and when it ends. One that was under way when the hub ended is failed at the
// next start: its container's address, a secret, is not kept. A hub that stops leaves the same.
//
// Owner: the application. Threads: the methods may be called on any shard; work runs on shard 0 and replies
// go home. Bound: limits::kRegistryJobsKept jobs, the oldest go first; kRegistryJobCallsMax calls that wait
// for the start (Errc::internal beyond).
class RegistryJobs {
 public:
  RegistryJobs(Executor& shard0, RegistryService& registry, ConfigurationService& configurations,
               Stores& stores, BlobExchange& blobs);
  ~RegistryJobs();
  RegistryJobs(const RegistryJobs&) = delete;
  RegistryJobs& operator=(const RegistryJobs&) = delete;

  // Reads what is stored; once, before the shards start or on shard 0.
  void start();

  // Answered when the containers have been tried and the job is stored. Errors: job_quota_exceeded,
  // blob_container_invalid, busy, storage_failed.
  void create(RegistryJobRequest request, Reply<RegistryJob> reply);
  void list(Reply<std::vector<RegistryJob>> reply);    // the latest first
  void get(std::string id, Reply<RegistryJob> reply);  // job_not_found
  // Ends the job; one that is over stays as it is. Answered when that is stored. Errors: job_not_found.
  void cancel(std::string id, Reply<void> reply);

 private:
  // The job under way.
  struct Active {
    RegistryJobRequest request;
    Reply<RegistryJob> created;  // until it is answered
    std::shared_ptr<BlobOutput> output;
    std::shared_ptr<RegistryExport> exporting;
    std::shared_ptr<RegistryImport> importing;
    bool ending = false;
    std::shared_ptr<bool> cancelled = std::make_shared<bool>(false);  // for what outlives this
  };

  void run(Task task);
  void on_loaded(const std::vector<Document>& page);
  void begin(RegistryJobRequest request, Reply<RegistryJob> reply);
  void on_output(Result<std::shared_ptr<BlobOutput>> output);
  void refuse(const Error& error);
  void store_begun();
  void transfer();
  void open_configurations();
  void open_input(std::string error_lines);
  void write_configurations();
  TransferHooks hooks();
  void end(RegistryJob::Status status, const std::string& reason, Reply<void> reply);
  void forget_oldest(DocumentChange& change);
  // Only while the job that it was made for is the active one.
  template <class T, class Step>
  Reply<T> then(Step step);

  Executor& shard0_;
  RegistryService& registry_;
  ConfigurationService& configurations_;
  Stores& stores_;
  BlobExchange& blobs_;
  bool loaded_ = false;
  std::deque<Task> waiting_;
  std::map<std::string, RegistryJob> jobs_;  // by id
  std::unique_ptr<Active> active_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // tells late answers of the end
};

}  // namespace kyanite
