#include "server/app/remote_blobs.h"

#include <algorithm>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/app/http_fetch.h"
#include "server/observe/log.h"

namespace kyanite {
namespace {

constexpr seconds kAskSignatureLife{600};

std::string path_of(const std::string& container, std::string_view name) {
  std::string path = "/" + container;
  for (std::size_t at = 0; at <= name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    path += "/" + percent_encode(name.substr(at, end - at));
    at = end + 1;
  }
  return path;
}

}  // namespace

RemoteBlobs::RemoteBlobs(BlobAccount account) : RemoteBlobs(std::move(account), {}, Times{}) {}

RemoteBlobs::RemoteBlobs(BlobAccount account, std::string base, Times times)
    : account_(std::move(account)),
      base_(base.empty() ? "https://" + account_.host : std::move(base)),
      times_(times),
      thread_(limits::kAdministrationQueueMax) {}

void RemoteBlobs::find(std::string name, Reply<BlobInfo> reply) {
  post_with_reply<BlobInfo>(
      thread_, [this, name = std::move(name)](Reply<BlobInfo> answer) { answer(ask(name)); },
      std::move(reply));
}

Result<BlobInfo> RemoteBlobs::ask(const std::string& name) {
  constexpr int kOk = 200, kNotFound = 404;
  const SteadyTime now = std::chrono::steady_clock::now();
  if (now < asks_again_) return Error(Errc::busy, "the account did not answer a moment ago");
  const auto wall = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
  HttpQuestion question;
  question.url = base_ + path_of(account_.container, name) +
                 make_blob_sas(account_, name, "r", wall + kAskSignatureLife);
  question.head_only = true;
  question.connect_time = times_.connect;
  question.time = times_.whole;
  const Result<HttpAnswer> answer = fetch_http(question, [this] { return thread_.is_stopping(); });
  if (answer && answer->status == kNotFound) return Error(Errc::not_found, "there is no such blob");
  if (!answer || answer->status != kOk || !answer->length) {
    const std::string why =
        answer ? "the account answered " + std::to_string(answer->status) : answer.error().detail;
    asks_again_ = now + times_.pause;
    if (!thread_.is_stopping()) log::warning("storage_account_unasked", {{"blob", name}, {"reason", why}});
    return Error(Errc::io_failed, why);
  }
  BlobInfo info;
  info.name = name;
  info.bytes = *answer->length;
  info.modified = answer->modified == kNever ? wall : answer->modified;
  return info;
}

}  // namespace kyanite
