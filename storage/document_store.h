#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "protocol/base/reply.h"

namespace kyanite {

// Whose documents they are. Stored: only append.
enum class Collection : std::uint8_t {
  jobs,                // scheduled jobs
  job_devices,         // the outcome of a job for one device
  registry_jobs,       // import and export
  configurations,      // automatic configurations
  uploads,             // file uploads that devices began
  file_notifications,  // uploads that ended, waiting for a reader
  activity,            // when a device was last heard of
  consumer_groups,     // of those who read events
};

struct DocumentPut {
  Collection collection;
  std::string key;
  std::string value;
};

struct DocumentErase {
  Collection collection;
  std::string key;
};

// One step of a service, committed as a whole; puts come before erases.
struct DocumentChange {
  std::vector<DocumentPut> puts;
  std::vector<DocumentErase> erases;
};

struct Document {
  std::string key;
  std::string value;
  friend bool operator==(const Document&, const Document&) = default;
};

// DocumentStore keeps the records of hub-wide services that belong to no identity alone: each service has a
// collection, writes it from one shard, and gives the bytes their meaning by a typed codec of its own.
//
// Owner: Stores. Replies promise what those of IdentityStore do: success means committed (and fsynced when
// durability is fsync), changes commit in the order submitted, reads see committed state. A put replaces; an
// erase of what is not there succeeds. Errors: Errc::storage_failed, busy. A change that only erases makes
// room and is never refused for pressure.
// Bound: a page is at most `limit` documents and about kDocumentPageBytes.
class DocumentStore {
 public:
  virtual ~DocumentStore() = default;
  virtual void load(Collection collection, std::string key, Reply<std::optional<std::string>> reply) = 0;
  // Documents whose key begins with `prefix`, in the order of their bytes, the first one after `after`
  // (empty: from the start). Fewer than `limit` may come though more are there; none come only at the end.
  virtual void scan(Collection collection, std::string prefix, std::string after, std::size_t limit,
                    Reply<std::vector<Document>> reply) = 0;
  virtual void commit(DocumentChange change, Reply<void> reply) = 0;
};

inline constexpr std::size_t kDocumentPageBytes =
    1024 * 1024;  // a page ends with the document that reaches it

}  // namespace kyanite
