#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/registry_export.h"
#include "server/hub/registry_batch.h"

namespace kyanite {

// RegistryImport carries out the lines of a blob as items of bulk requests (service-rest.md 4.9, 4.11), in
// the order of the lines. A line that is none, or whose item is refused, becomes a line of the errors' blob;
// the import goes on and ends well all the same. What the hub is too busy for is tried again for a minute.
//
// `error_lines` stand before its own in the errors' blob.
//
// Owner: the job on `executor`'s thread, the registry's, which keeps it until `done`. Bound: a request's
// items at a time, one piece, and a line of kImportLineBytesMax.
class RegistryImport : public std::enable_shared_from_this<RegistryImport> {
 public:
  RegistryImport(Executor& executor, RegistryService& registry, std::shared_ptr<BlobInput> input,
                 std::shared_ptr<BlobOutput> errors, std::string error_lines, TransferHooks hooks);
  void start() { work(); }
  // Nothing is reported any more, and no further request begun.
  void cancel() { cancelled_ = true; }

 private:
  template <class T, class Step>
  Reply<T> then(Step step);
  void work();
  void read();
  bool take_line();
  bool take(std::string_view line);
  void apply();
  void on_applied(const ItemErrors& outcomes);
  void note(const Identity& id, const Error& error);
  void write_errors();
  void finish(Result<void> result);

  Executor& executor_;
  RegistryService& registry_;
  std::shared_ptr<BlobInput> input_;
  std::shared_ptr<BlobOutput> errors_;
  TransferHooks hooks_;
  bool cancelled_ = false;

  std::string text_;         // read and not yet taken
  std::size_t taken_ = 0;    // bytes of it that are done with
  bool at_end_ = false;      // of the blob
  bool skipping_ = false;    // the rest of a line that is too long
  std::uint64_t bytes_ = 0;  // read so far
  std::vector<RegistryItem> batch_;
  std::vector<RegistryItem> sent_;  // the request under way
  unsigned tries_ = 0;              // of it, so far
  std::set<Identity> in_batch_;
  bool repeated_ = false;    // the line at hand waits for the batch to be applied
  std::string error_lines_;  // not appended yet
};

inline constexpr std::size_t kImportLineBytesMax = 512 * 1024;

}  // namespace kyanite
