#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "protocol/base/unique_function.h"
#include "server/api/blob_exchange.h"
#include "server/app/task_thread.h"

namespace kyanite {

// BlobWorker is the exchange with blob services and folders, on a thread of its own. A blob is spooled in the
// data directory, in a file without a name, so that memory stays small whatever its size and a hub that is
// killed leaves nothing behind.
//
// Owner: the application, which stops it before the executors of the replies go. Bound: what one job asks
// for; kBlobBytesMax of disk for each blob, and never below the free space that the store needs.
class BlobWorker final : public BlobExchange {
 public:
  struct Rules {
    std::filesystem::path spool_folder;
    std::vector<std::string> folders;  // what file:// may name, with all below
    std::uint64_t free_bytes_floor = 0;
  };
  explicit BlobWorker(Rules rules);
  // Breaks off what is under way; later calls are answered with an error.
  void stop() { thread_.stop(); }

  void create(std::string container, std::string name, Reply<std::shared_ptr<BlobOutput>> reply) override;
  void probe(std::string container, std::string name, Reply<void> reply) override;
  void open(std::string container, std::string name, Reply<std::shared_ptr<BlobInput>> reply) override;
  void break_off() override { ++breaks_; }

  // For its inputs and outputs.
  void run(Task task);
  // Tells of break_off() and stop(), from now on.
  std::function<bool()> stop_signal() const;
  Result<void> check_free_space(int file, std::size_t bytes) const;

 private:
  using Stop = std::function<bool()>;
  Result<std::shared_ptr<BlobOutput>> create_now(const std::string& container, const std::string& name,
                                                 const Stop& stop);
  Result<std::shared_ptr<BlobInput>> open_now(const std::string& container, const std::string& name,
                                              const Stop& stop);
  Result<void> probe_now(const std::string& container, const std::string& name, const Stop& stop);
  // Where a blob of a file:// container lies. Errors: blob_container_invalid outside the folders.
  Result<std::filesystem::path> path_of(const std::string& container, const std::string& name) const;

  const Rules rules_;
  std::atomic<std::uint64_t> breaks_{0};
  TaskThread thread_;
};

}  // namespace kyanite
