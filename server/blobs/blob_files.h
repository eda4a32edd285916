#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "protocol/base/result.h"
#include "server/hub/blob_store.h"

namespace kyanite {

struct BlobLimits {
  std::uint64_t blob_bytes_max = 0;
  std::uint64_t total_bytes_max = 0;  // of blobs, waiting blocks and bodies under way
  seconds block_life{0};              // blocks without a list go after so long
};

// BlobFiles keeps blobs as files below one folder:
//
//   blobs/<SHA-256 of the name>           a head of kHeadBytes, JSON with the name, then the content
//   parts/<SHA-256 of the name>-<block>   a block that waits for its list
//   parts/<number>.tmp                    a body under way; removed at the next start
//   account.key                           signs the URLs that devices get
//
// A file is written under a temporary name, synced, renamed, and its folder synced, before it is answered
// for.
//
// Owner: the application. Threads: one of its own does all work with files, in the order asked; the index of
// blobs is that thread's. Bound: limits::kBlobsMax blobs; callers have one piece each under way.
class BlobFiles final : public BlobStore {
 public:
  static constexpr const char* kFolder = "files";  // in the store's: both become another one together

  // Makes what is missing, and starts the thread, which reads what is there first. Errors: io_failed with a
  // sentence for the operator.
  static Result<std::unique_ptr<BlobFiles>> open(const std::filesystem::path& folder,
                                                 const BlobLimits& limits,
                                                 std::function<WallTime()> wall_clock);
  ~BlobFiles() override;  // after what was asked is done

  const std::string& account_key() const { return account_key_; }  // base64

  std::unique_ptr<BlobBody> start_body() override;
  void put_blob(std::unique_ptr<BlobBody> body, BlobWrite blob, Reply<BlobInfo> reply) override;
  void put_block(std::unique_ptr<BlobBody> body, BlobWrite blob, std::string block_id,
                 Reply<std::string> reply) override;
  void put_block_list(BlobWrite blob, std::vector<std::string> block_ids, Reply<BlobInfo> reply) override;
  void find(std::string name, Reply<BlobInfo> reply) override;
  void erase(std::string name, std::optional<IfMatch> if_match, Reply<void> reply) override;
  void read(std::string name, std::string etag, std::uint64_t offset, std::size_t bytes,
            Reply<std::string> reply) override;
  void list(std::string prefix, std::string after, std::size_t limit,
            Reply<std::vector<BlobInfo>> reply) override;

 private:
  class Worker;
  class Body;
  BlobFiles() = default;

  std::shared_ptr<Worker> worker_;
  std::string account_key_;
};

}  // namespace kyanite
