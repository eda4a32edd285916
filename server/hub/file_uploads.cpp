#include "server/hub/file_uploads.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/json_limits.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr int kUploadVersion = 1;
constexpr milliseconds kUploadSweepEvery{60'000};
constexpr std::size_t kUploadPage = 256;

std::string upload_key(const std::string& device, const std::string& id) { return device + "/" + id; }

std::int64_t upload_ms(WallTime time) { return time.time_since_epoch().count(); }

std::int64_t upload_number(const Json& json, const char* name) {
  const Json* member = find_member(json, name);
  return member && member->is_number_integer() ? member->get<std::int64_t>() : 0;
}
WallTime upload_time(const Json& json, const char* name) {
  return WallTime(milliseconds(upload_number(json, name)));
}

}  // namespace

FileUploads::FileUploads(Executor& shard0, DocumentStore& store, const Settings::FileUpload& rules,
                         std::optional<Storage> storage)
    : shard0_(shard0),
      store_(store),
      rules_(rules),
      storage_(std::move(storage)),
      receivers_(shard0, {[this](std::size_t limit, Reply<std::vector<FileNotification>> reply) {
                            oldest_notifications(limit, std::move(reply));
                          },
                          [this](std::string id, Reply<void> reply) {
                            erase_notification(std::move(id), std::move(reply));
                          }}) {}

void FileUploads::start() {
  shard0_.post([this] {
    working_ = true;
    count_notifications({});
  });
}

std::string FileUploads::blob_uri(std::string_view own_host, std::string_view blob) const {
  if (!storage_) return {};
  const std::string& host = storage_->account.host;
  std::string uri =
      "https://" + (host.empty() ? std::string(own_host) : host) + "/" + storage_->account.container;
  for (std::size_t at = 0; at <= blob.size();) {
    const std::size_t end = std::min(blob.find('/', at), blob.size());
    uri += "/" + percent_encode(blob.substr(at, end - at));
    at = end + 1;
  }
  return uri;
}

bool FileUploads::is_over(WallTime created) const {
  const milliseconds age = shard0_.wall_now() - created;
  return age >= milliseconds(rules_.ttl);
}

// One after the other.

template <class T>
void FileUploads::enter(Reply<T>& reply, Task operation) {
  if (waiting_.size() >= limits::kAdministrationQueueMax) {
    return reply(Error(Errc::busy, "too many file uploads begin and end at once"));
  }
  enter(std::move(operation));
}

void FileUploads::enter(Task operation) {
  if (working_) {
    waiting_.push_back(std::move(operation));
  } else {
    working_ = true;
    operation();
  }
}

void FileUploads::next() {
  if (waiting_.empty()) {
    working_ = false;
    return;
  }
  Task operation = std::move(waiting_.front());
  waiting_.pop_front();
  operation();
}

void FileUploads::begin(std::string device, std::string generation, std::string blob,
                        Reply<UploadTicket> reply) {
  shard0_.post([this, device = std::move(device), generation = std::move(generation), blob = std::move(blob),
                reply = std::move(reply)]() mutable {
    do_begin(std::move(device), std::move(generation), std::move(blob), std::move(reply));
  });
}

void FileUploads::do_begin(std::string device, std::string generation, std::string blob,
                           Reply<UploadTicket> reply) {
  if (!storage_) return reply(Error(Errc::upload_not_configured));
  std::string name = device + "/" + blob;
  if (!is_valid_blob_name(blob) || !is_valid_blob_name(name)) {
    return reply(Error(
        Errc::argument_invalid,
        "blobName must be a path of 1 to 1024 bytes with the device's id, without empty parts, . and .."));
  }
  auto shared = std::make_shared<Reply<UploadTicket>>(std::move(reply));
  enter(*shared, [this, device, upload = Upload{std::move(generation), std::move(name), {}},
                  shared]() mutable {
    store_.scan(Collection::uploads, upload_key(device, {}), {}, kUploadPage,
                Reply<std::vector<Document>>(shard0_, [this, device, upload = std::move(upload),
                                                       shared](Result<std::vector<Document>> found) mutable {
                  if (!found) {
                    (*shared)(found.error());
                    return next();
                  }
                  DocumentChange change;
                  std::size_t open = 0;
                  for (const Document& document : *found) {
                    const auto known = decode_upload(document.value);
                    if (known && known->generation == upload.generation && !is_over(known->created)) ++open;
                  }
                  if (open >= limits::kFileUploadsOpenMax) {
                    (*shared)(Error(Errc::too_many_uploads));
                    return next();
                  }
                  upload.created = shard0_.wall_now();
                  UploadTicket made = ticket(upload, random_guid());
                  change.puts.push_back(
                      {Collection::uploads, upload_key(device, made.correlation_id), encode(upload)});
                  store_.commit(std::move(change), Reply<void>(shard0_, [this, made = std::move(made),
                                                                         shared](Result<void> done) mutable {
                                  if (done) {
                                    (*shared)(std::move(made));
                                  } else {
                                    (*shared)(done.error());
                                  }
                                  next();
                                }));
                }));
  });
}

// The signature ends with the upload; what has begun by then is not cut off.
UploadTicket FileUploads::ticket(const Upload& upload, std::string id) const {
  const BlobAccount& account = storage_->account;
  return {std::move(id), account.host, account.container, upload.blob,
          make_blob_sas(account, upload.blob, "rw", upload.created + rules_.ttl)};
}

void FileUploads::finish(std::string device, std::string generation, UploadOutcome outcome,
                         Reply<void> reply) {
  shard0_.post([this, device = std::move(device), generation = std::move(generation),
                outcome = std::move(outcome), reply = std::move(reply)]() mutable {
    do_finish(std::move(device), std::move(generation), std::move(outcome), std::move(reply));
  });
}

void FileUploads::do_finish(std::string device, std::string generation, UploadOutcome outcome,
                            Reply<void> reply) {
  if (!storage_) return reply(Error(Errc::upload_not_configured));
  if (!storage_->blobs && storage_->lookup && outcome.is_success) {
    return look_then_finish(std::move(device), std::move(generation), std::move(outcome), std::move(reply));
  }
  finish_found(std::move(device), std::move(generation), std::move(outcome), std::nullopt, std::move(reply));
}

void FileUploads::look_then_finish(std::string device, std::string generation, UploadOutcome outcome,
                                   Reply<void> reply) {
  const std::string key = upload_key(device, outcome.correlation_id);
  store_.load(
      Collection::uploads, key,
      Reply<std::optional<std::string>>(
          shard0_,
          [this, device = std::move(device), generation = std::move(generation), outcome = std::move(outcome),
           reply = std::move(reply)](const Result<std::optional<std::string>>& loaded) mutable {
            const auto upload = loaded && *loaded ? decode_upload(**loaded) : std::nullopt;
            if (!upload || upload->generation != generation || is_over(upload->created)) {  // which says why
              return finish_found(std::move(device), std::move(generation), std::move(outcome), std::nullopt,
                                  std::move(reply));
            }
            storage_->lookup->find(
                upload->blob,
                Reply<BlobInfo>(shard0_, [this, device = std::move(device),
                                          generation = std::move(generation), outcome = std::move(outcome),
                                          reply = std::move(reply)](Result<BlobInfo> blob) mutable {
                  finish_found(std::move(device), std::move(generation), std::move(outcome), std::move(blob),
                               std::move(reply));
                }));
          }));
}

void FileUploads::finish_found(std::string device, std::string generation, UploadOutcome outcome,
                               std::optional<Result<BlobInfo>> looked, Reply<void> reply) {
  const std::string key = upload_key(device, outcome.correlation_id);
  auto shared = std::make_shared<Reply<void>>(std::move(reply));
  const auto on_found = [this, device, key, shared, own_host = outcome.own_host](
                            const Upload& upload, const Result<BlobInfo>& blob) {
    if (!blob) {
      (*shared)(blob.error().code == Errc::not_found ? Error(Errc::upload_blob_missing) : blob.error());
      return next();
    }
    FileNotification notification;
    notification.device = device;
    notification.blob = upload.blob;
    notification.blob_uri = blob_uri(own_host, upload.blob);
    notification.last_updated = blob->modified;
    notification.blob_bytes = blob->bytes;
    notification.enqueued = shard0_.wall_now();
    end_upload(key, rules_.notifications ? std::optional(std::move(notification)) : std::nullopt,
               std::move(*shared));
  };
  enter(*shared, [this, key, generation, is_success = outcome.is_success, shared, on_found, looked] {
    store_.load(Collection::uploads, key,
                Reply<std::optional<std::string>>(
                    shard0_, [this, key, generation, is_success, shared, on_found,
                              looked](const Result<std::optional<std::string>>& loaded) {
                      const auto upload = loaded && *loaded ? decode_upload(**loaded) : std::nullopt;
                      std::optional<Error> refusal;
                      if (!loaded) {
                        refusal = loaded.error();
                      } else if (!upload || upload->generation != generation) {
                        refusal = Error(Errc::upload_id_invalid);
                      } else if (is_over(upload->created)) {
                        refusal = Error(Errc::upload_id_expired);
                      }
                      if (refusal) {
                        (*shared)(*refusal);
                        return next();
                      }
                      if (!is_success) return end_upload(key, std::nullopt, std::move(*shared));
                      if (storage_->blobs == nullptr) {  // somebody else's account
                        const bool is_missing = looked && !*looked && looked->error().code == Errc::not_found;
                        if (looked && (*looked || is_missing)) return on_found(*upload, *looked);
                        BlobInfo unseen;
                        unseen.modified = shard0_.wall_now();
                        return on_found(*upload, unseen);
                      }
                      storage_->blobs->find(
                          upload->blob, Reply<BlobInfo>(shard0_, [upload = *upload,
                                                                  on_found](const Result<BlobInfo>& blob) {
                            on_found(upload, blob);
                          }));
                    }));
  });
}

void FileUploads::end_upload(std::string key, std::optional<FileNotification> notification,
                             Reply<void> reply) {
  DocumentChange change;
  change.erases.push_back({Collection::uploads, std::move(key)});
  const bool notifies = notification.has_value();
  if (notification) {
    char id[48];
    std::snprintf(id, sizeof id, "%016llx-%08llx",
                  static_cast<unsigned long long>(upload_ms(notification->enqueued)),
                  static_cast<unsigned long long>(notification_number_++ & 0xffff'ffff));
    // Two runs of the hub in one millisecond would use one id for two.
    const std::string unique = std::string(id) + "-" + random_hex(4);
    change.puts.push_back({Collection::file_notifications, unique, encode(*notification)});
  }
  const auto commit = [this, notifies](DocumentChange whole, Reply<void> answer) {
    const std::size_t erased = whole.erases.size() - 1;
    store_.commit(
        std::move(whole),
        Reply<void>(shard0_, [this, notifies, erased, answer = std::move(answer)](Result<void> done) mutable {
          if (done) notification_count_ += (notifies ? 1 : 0) - std::min(erased, notification_count_);
          const bool added = notifies && done;
          answer(std::move(done));
          if (added) receivers_.on_added();
          next();
        }));
  };
  if (!notifies || notification_count_ < limits::kFileNotificationsMax) {
    return commit(std::move(change), std::move(reply));
  }
  store_.scan(
      Collection::file_notifications, {}, {}, 1,
      Reply<std::vector<Document>>(shard0_, [commit, change = std::move(change), reply = std::move(reply)](
                                                Result<std::vector<Document>> oldest) mutable {
        if (oldest && !oldest->empty()) {
          change.erases.push_back({Collection::file_notifications, oldest->front().key});
        }
        commit(std::move(change), std::move(reply));
      }));
}

// Notifications

void FileUploads::notifications(std::string after, std::size_t limit,
                                Reply<std::vector<FileNotification>> reply) {
  shard0_.post([this, after = std::move(after), limit, reply = std::move(reply)]() mutable {
    store_.scan(
        Collection::file_notifications, {}, std::move(after), limit,
        Reply<std::vector<Document>>(
            shard0_, [this, reply = std::move(reply)](const Result<std::vector<Document>>& found) mutable {
              reply(read_notifications(found));
            }));
  });
}

Result<std::vector<FileNotification>> FileUploads::read_notifications(
    const Result<std::vector<Document>>& found) const {
  if (!found) return found.error();
  std::vector<FileNotification> list;
  for (const Document& document : *found) {
    auto notification = decode_notification(document);
    if (notification && !is_over(notification->enqueued)) list.push_back(*std::move(notification));
  }
  return list;
}

// In its turn: but for what is over, nothing of its answer is being erased meanwhile, so that nobody is given
// what another one completed.
void FileUploads::oldest_notifications(std::size_t limit, Reply<std::vector<FileNotification>> reply) {
  enter([this, limit, reply = std::move(reply)]() mutable {
    store_.scan(
        Collection::file_notifications, {}, {}, limit,
        Reply<std::vector<Document>>(
            shard0_, [this, reply = std::move(reply)](const Result<std::vector<Document>>& found) mutable {
              reply(read_notifications(found));
              next();
            }));
  });
}

void FileUploads::erase_notification(std::string id, Reply<void> reply) {
  shard0_.post([this, id = std::move(id), reply = std::move(reply)]() mutable {
    auto shared = std::make_shared<Reply<void>>(std::move(reply));
    enter(*shared, [this, id, shared] {
      store_.load(Collection::file_notifications, id,
                  Reply<std::optional<std::string>>(
                      shard0_, [this, id, shared](const Result<std::optional<std::string>>& loaded) {
                        if (!loaded || !*loaded) {
                          (*shared)(loaded ? Error(Errc::not_found) : loaded.error());
                          return next();
                        }
                        DocumentChange change;
                        change.erases.push_back({Collection::file_notifications, id});
                        store_.commit(std::move(change),
                                      Reply<void>(shard0_, [this, shared](Result<void> done) {
                                        if (done && notification_count_ > 0) --notification_count_;
                                        (*shared)(std::move(done));
                                        next();
                                      }));
                      }));
    });
  });
}

// What is over goes, page by page: uploads when nobody can tell them from unknown ones any more.

void FileUploads::count_notifications(std::string after) {
  store_.scan(Collection::file_notifications, {}, std::move(after), kUploadPage,
              Reply<std::vector<Document>>(shard0_, [this](const Result<std::vector<Document>>& page) {
                if (page && !page->empty()) {
                  notification_count_ += page->size();
                  return count_notifications(page->back().key);
                }
                next();
                sweep();
              }));
}

void FileUploads::sweep() {
  const auto again = [this] { shard0_.after(kUploadSweepEvery, [this] { sweep(); }); };
  store_.scan(
      Collection::file_notifications, {}, {}, kUploadPage,
      Reply<std::vector<Document>>(shard0_, [this, again](const Result<std::vector<Document>>& old) {
        DocumentChange change;
        if (old) {
          for (const Document& document : *old) {
            const auto notification = decode_notification(document);
            if (!notification || is_over(notification->enqueued)) {
              change.erases.push_back({Collection::file_notifications, document.key});
            }
          }
        }
        const std::size_t notifications = change.erases.size();
        store_.scan(
            Collection::uploads, {}, sweep_after_, kUploadPage,
            Reply<std::vector<Document>>(shard0_, [this, again, notifications, change = std::move(change)](
                                                      const Result<std::vector<Document>>& found) mutable {
              sweep_after_.clear();
              if (found && !found->empty()) {
                sweep_after_ = found->back().key;
                for (const Document& document : *found) {
                  const auto upload = decode_upload(document.value);
                  if (!upload || is_over(upload->created + rules_.ttl)) {
                    change.erases.push_back({Collection::uploads, document.key});
                  }
                }
              }
              if (change.erases.empty()) return again();
              store_.commit(std::move(change),
                            Reply<void>(shard0_, [this, again, notifications](const Result<void>& done) {
                              if (done) {
                                notification_count_ -= std::min(notifications, notification_count_);
                              }
                              again();
                            }));
            }));
      }));
}

// Records: JSON texts with a version; members that a later version adds are passed over.

std::string FileUploads::encode(const Upload& upload) {
  Json json;
  json["v"] = kUploadVersion;
  json["generation"] = upload.generation;
  json["blob"] = upload.blob;
  json["created"] = upload_ms(upload.created);
  return dump_json(json);
}

std::optional<FileUploads::Upload> FileUploads::decode_upload(const std::string& text) {
  const Result<Json> json = parse_json(text);
  if (!json || !json->is_object()) return std::nullopt;
  return Upload{text_member(*json, "generation"), text_member(*json, "blob"), upload_time(*json, "created")};
}

std::string FileUploads::encode(const FileNotification& notification) {
  Json json;
  json["v"] = kUploadVersion;
  json["device"] = notification.device;
  json["blob"] = notification.blob;
  json["uri"] = notification.blob_uri;
  json["bytes"] = notification.blob_bytes;
  json["updated"] = upload_ms(notification.last_updated);
  json["enqueued"] = upload_ms(notification.enqueued);
  return dump_json(json);
}

std::optional<FileNotification> FileUploads::decode_notification(const Document& document) {
  const Result<Json> json = parse_json(document.value);
  if (!json || !json->is_object()) return std::nullopt;
  FileNotification notification;
  notification.id = document.key;
  notification.device = text_member(*json, "device");
  notification.blob = text_member(*json, "blob");
  notification.blob_uri = text_member(*json, "uri");
  notification.blob_bytes = static_cast<std::uint64_t>(upload_number(*json, "bytes"));
  notification.last_updated = upload_time(*json, "updated");
  notification.enqueued = upload_time(*json, "enqueued");
  return notification;
}

}  // namespace kyanite
