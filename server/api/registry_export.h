#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/api/blob_exchange.h"
#include "storage/stores.h"

namespace kyanite {

// What a transfer reports; all on its executor.
struct TransferHooks {
  std::function<void(unsigned)> progress;  // percent, growing
  // Once, at the end: nothing, or why it failed. The transfer may be destroyed by it.
  std::function<void(Result<void>)> done;
};

// RegistryExport writes every identity as a line of the bulk item form (service-rest.md 4.11): devices by id,
// each followed by its modules, with their twins. It reads what is committed, one device after the other, so
// that a fleet of any size takes the same memory; what changes meanwhile is there or not.
//
// Owner: the job on `executor`'s thread, which keeps it until `done`. Bound: a page of devices, one device
// with its modules, and the bytes of a piece with one line more.
class RegistryExport : public std::enable_shared_from_this<RegistryExport> {
 public:
  RegistryExport(Executor& executor, Stores& stores, std::shared_ptr<BlobOutput> output, bool with_keys,
                 TransferHooks hooks);
  void start();
  // Nothing is reported any more.
  void cancel() { cancelled_ = true; }

 private:
  // The answer of a step, or the end of the export.
  template <class T, class Step>
  Reply<T> then(Step step);
  void next_page();
  void next_device();
  void next_identity();
  void append(void (RegistryExport::*step)());
  void end();
  void finish(Result<void> result);

  Executor& executor_;
  Stores& stores_;
  std::shared_ptr<BlobOutput> output_;
  const bool with_keys_;
  TransferHooks hooks_;
  bool cancelled_ = false;

  std::uint64_t devices_ = 0;  // when it began
  std::uint64_t written_ = 0;
  std::string after_;
  std::vector<IdentityRecord> page_;
  std::size_t at_ = 0;                      // in the page
  std::vector<IdentityRecord> identities_;  // of the device at hand, those to come; the next one last
  std::string pending_;                     // lines that were not appended yet
};

}  // namespace kyanite
