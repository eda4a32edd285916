#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "server/blobs/blob_files.h"
#include "server/blobs/file_descriptor.h"

namespace kyanite {

// A body under way, as the worker knows it.
struct OpenPart {
  OpenPart();
  ~OpenPart();
  OpenPart(const OpenPart&) = delete;
  OpenPart& operator=(const OpenPart&) = delete;

  FileDescriptor file;
  std::filesystem::path path;
  std::uint64_t bytes = 0;  // of the content, behind the head
  void* digest = nullptr;   // EVP_MD_CTX
};

// The thread of BlobFiles and everything it alone may touch.
class BlobFiles::Worker {
 public:
  Worker(std::filesystem::path folder, BlobLimits limits, std::function<WallTime()> wall_clock);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void run(Task task);  // on the worker's thread, in order

  // What follows is for tasks only.
  void load();
  Result<void> append(OpenPart& part, std::string_view piece);
  void discard(OpenPart& part);
  Result<BlobInfo> keep_blob(OpenPart& part, const BlobWrite& blob);
  Result<std::string> keep_block(OpenPart& part, const BlobWrite& blob, const std::string& block_id);
  Result<BlobInfo> join_blocks(const BlobWrite& blob, const std::vector<std::string>& block_ids);
  Result<BlobInfo> find(const std::string& name) const;
  Result<void> erase(const std::string& name, const std::optional<IfMatch>& if_match);
  Result<std::string> read(const std::string& name, const std::string& etag, std::uint64_t offset,
                           std::size_t bytes) const;
  std::vector<BlobInfo> list(const std::string& prefix, const std::string& after, std::size_t limit) const;

 private:
  struct Block {
    std::uint64_t bytes = 0;
    WallTime written = kNever;
  };
  using Blocks = std::map<std::string, Block>;  // by id

  void serve();
  void sweep();
  void load_blob(const std::filesystem::path& path);
  void load_part(const std::filesystem::path& path);
  Result<void> open_part(OpenPart& part);
  Result<void> check_conditions(const BlobWrite& blob) const;
  Result<BlobInfo> publish(OpenPart& part, const BlobWrite& blob, std::string md5);
  Result<void> copy_block(OpenPart& part, const std::filesystem::path& block);
  void drop_blocks(const std::string& hash);
  std::filesystem::path block_path(const std::string& hash, const std::string& block_id) const;
  std::string new_etag();

  const std::filesystem::path folder_;
  const BlobLimits limits_;
  const std::function<WallTime()> wall_clock_;
  std::map<std::string, BlobInfo> blobs_;
  std::map<std::string, Blocks> blocks_;  // by the hash of the blob's name
  std::uint64_t used_bytes_ = 0;
  std::uint64_t next_part_ = 1;
  WallTime next_sweep_ = kNever;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;  // protected by mutex_, and so is the next
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace kyanite
