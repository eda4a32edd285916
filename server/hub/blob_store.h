#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/reply.h"
#include "protocol/http/etag.h"

namespace kyanite {

struct BlobInfo {
  std::string name;
  std::uint64_t bytes = 0;
  WallTime modified = kNever;
  std::string etag;  // without quotes
  std::string content_type;
  std::string content_md5;  // base64; empty when nobody knows it
};

// How a blob comes into being.
struct BlobWrite {
  std::string name;
  std::string content_type;
  std::string content_md5;          // what the content must have, base64; empty: anything
  std::string stated_md5;           // kept with the blob instead of the content's own, where that is unknown
  std::optional<IfMatch> if_match;  // of a blob that is there
  bool only_new = false;            // If-None-Match: *
};

// The bytes of a blob or of a block of one on their way to the disk. Destroyed, they are gone.
class BlobBody {
 public:
  virtual ~BlobBody() = default;
  // One piece at a time. Errors: request_too_large past a limit, io_failed.
  virtual void write(std::string piece, Reply<void> taken) = 0;
};

// Where it is known which blobs there are.
class BlobLookup {
 public:
  virtual ~BlobLookup() = default;
  // Errors: not_found; others when nobody knows.
  virtual void find(std::string name, Reply<BlobInfo> reply) = 0;
};

// BlobStore keeps uploaded files. A blob is there as a whole or not at all, also after a crash; a reply to a
// write comes after its bytes are synced.
//
// Owner: the application; outlives the shards' adapters. Threads: any. Errors: not_found, conflict
// (only_new), precondition_failed, argument_invalid ("Md5Mismatch: …", "InvalidBlockList: …"),
// request_too_large for what goes over the size of a blob or of the whole store, io_failed, shutting_down.
class BlobStore : public BlobLookup {
 public:
  virtual std::unique_ptr<BlobBody> start_body() = 0;
  virtual void put_blob(std::unique_ptr<BlobBody> body, BlobWrite blob, Reply<BlobInfo> reply) = 0;
  // A block waits for its list, and takes the place of an earlier one of the same id. Answers its MD5.
  virtual void put_block(std::unique_ptr<BlobBody> body, BlobWrite blob, std::string block_id,
                         Reply<std::string> reply) = 0;
  // The blob becomes its blocks in this order; those that are not in the list are gone.
  virtual void put_block_list(BlobWrite blob, std::vector<std::string> block_ids, Reply<BlobInfo> reply) = 0;
  // Answered when nothing of it would come back after a crash.
  virtual void erase(std::string name, std::optional<IfMatch> if_match, Reply<void> reply) = 0;
  // Bytes of the blob with this etag; precondition_failed when it is another one by now.
  virtual void read(std::string name, std::string etag, std::uint64_t offset, std::size_t bytes,
                    Reply<std::string> reply) = 0;
  // Blobs whose name begins with `prefix`, in order, the first one after `after`.
  virtual void list(std::string prefix, std::string after, std::size_t limit,
                    Reply<std::vector<BlobInfo>> reply) = 0;
};

}  // namespace kyanite
