#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "protocol/auth/blob_sas.h"
#include "protocol/base/reply.h"
#include "server/hub/blob_store.h"
#include "server/hub/file_notification_queue.h"
#include "storage/document_store.h"

namespace kyanite {

// Where a device sends its file (service-rest.md 9.7).
struct UploadTicket {
  std::string correlation_id;
  std::string host;  // empty: the hub's own
  std::string container;
  std::string blob;  // begins with the device's id
  std::string sas;   // with its "?"
};

// What a device says of an upload.
struct UploadOutcome {
  std::string correlation_id;
  bool is_success = false;
  std::string own_host;  // for the URI in the notification
};

// FileUploads keeps the uploads that devices began, and the notifications of those that ended.
//
// Owner: the application. Threads: any may ask; everything runs on shard 0, one operation after the other,
// which alone writes the collections `uploads` and `file_notifications`. Reply: after the commit.
// Bound: limits::kFileUploadsOpenMax uploads of a device that are open; limits::kAdministrationQueueMax
// operations that wait (busy beyond); limits::kFileNotificationsMax notifications, the oldest go first. An
// upload ends with fileUpload.ttl, a notification as well.
class FileUploads {
 public:
  struct Storage {
    BlobAccount account;
    BlobStore* blobs = nullptr;    // null: somebody else's account
    BlobLookup* lookup = nullptr;  // of either; null: nobody knows what is there
  };
  // Without storage every upload is refused with upload_not_configured.
  FileUploads(Executor& shard0, DocumentStore& store, const Settings::FileUpload& rules,
              std::optional<Storage> storage);
  FileUploads(const FileUploads&) = delete;
  FileUploads& operator=(const FileUploads&) = delete;

  // Before the shards start, or on shard 0.
  void start();

  const std::optional<Storage>& storage() const { return storage_; }
  // `own_host`: how the asker reaches the hub, for an account of the hub's own.
  std::string blob_uri(std::string_view own_host, std::string_view blob) const;

  // `generation`: of the device, so that one made anew has nothing to do with its predecessor's uploads.
  // Errors: upload_not_configured, argument_invalid (the name), too_many_uploads.
  void begin(std::string device, std::string generation, std::string blob, Reply<UploadTicket> reply);
  // Errors: upload_id_invalid, upload_id_expired, upload_blob_missing.
  void finish(std::string device, std::string generation, UploadOutcome outcome, Reply<void> reply);

  // The oldest ones after `after`, at most `limit`.
  void notifications(std::string after, std::size_t limit, Reply<std::vector<FileNotification>> reply);
  // Errors: not_found.
  void erase_notification(std::string id, Reply<void> reply);
  // For receivers that wait for notifications and settle them.
  FileNotificationQueue& receivers() { return receivers_; }

 private:
  struct Upload {
    std::string generation;
    std::string blob;
    WallTime created = kNever;
  };
  static std::string encode(const Upload& upload);
  static std::optional<Upload> decode_upload(const std::string& text);
  static std::string encode(const FileNotification& notification);
  static std::optional<FileNotification> decode_notification(const Document& document);

  // Runs the operation when those before it ended; it calls next() when it ends itself.
  template <class T>
  void enter(Reply<T>& reply, Task operation);
  void enter(Task operation);  // of which there is one at a time: however many wait
  void next();

  void do_begin(std::string device, std::string generation, std::string blob, Reply<UploadTicket> reply);
  void do_finish(std::string device, std::string generation, UploadOutcome outcome, Reply<void> reply);
  // What a slow account says of the blob is asked for before the operation has its turn.
  void look_then_finish(std::string device, std::string generation, UploadOutcome outcome, Reply<void> reply);
  void finish_found(std::string device, std::string generation, UploadOutcome outcome,
                    std::optional<Result<BlobInfo>> blob, Reply<void> reply);
  void end_upload(std::string key, std::optional<FileNotification> notification, Reply<void> reply);
  UploadTicket ticket(const Upload& upload, std::string id) const;
  bool is_over(WallTime created) const;

  // On shard 0, for the receivers.
  void oldest_notifications(std::size_t limit, Reply<std::vector<FileNotification>> reply);
  Result<std::vector<FileNotification>> read_notifications(const Result<std::vector<Document>>& found) const;

  void sweep();
  void count_notifications(std::string after);

  Executor& shard0_;
  DocumentStore& store_;
  const Settings::FileUpload& rules_;
  std::optional<Storage> storage_;
  bool working_ = false;
  std::deque<Task> waiting_;
  std::size_t notification_count_ = 0;
  std::string sweep_after_;                // the upload looked at last
  std::uint64_t notification_number_ = 0;  // of those made in one millisecond
  FileNotificationQueue receivers_;
};

}  // namespace kyanite
