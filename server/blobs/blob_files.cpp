#include "server/blobs/blob_files.h"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/auth/symmetric_key.h"
#include "server/blobs/blob_worker.h"

namespace kyanite {
namespace {

constexpr std::size_t kKeyTextBytesMax = 256;
constexpr mode_t kKeyMode = 0600;

Error operator_error(const std::filesystem::path& path, std::string_view what) {
  return Error(Errc::io_failed, path.string() + " " + std::string(what) + ": " + std::strerror(errno));
}

// Made once; whoever reads it may sign uploads to this hub.
Result<std::string> load_or_make_key(const std::filesystem::path& path) {
  const FileDescriptor kept(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (kept) {
    std::string text(kKeyTextBytesMax, '\0');
    const ssize_t got = ::read(kept.number(), text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    if (is_valid_symmetric_key(text)) return text;
    return Error(Errc::io_failed, path.string() + " holds no key; remove it, and the hub makes a new one");
  }
  if (errno != ENOENT) return operator_error(path, "cannot be read");
  const std::string key = make_symmetric_key();
  const std::filesystem::path fresh = path.string() + ".new";
  const FileDescriptor made(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kKeyMode));
  if (!made || ::write(made.number(), key.data(), key.size()) != static_cast<ssize_t>(key.size()) ||
      ::fsync(made.number()) != 0 || ::rename(fresh.c_str(), path.c_str()) != 0) {
    return operator_error(path, "cannot be written");
  }
  return key;
}

}  // namespace

// The connection's end of a body; the worker's end is shared with tasks under way.
class BlobFiles::Body final : public BlobBody {
 public:
  explicit Body(std::shared_ptr<Worker> worker)
      : worker_(std::move(worker)), part_(std::make_shared<OpenPart>()) {}
  ~Body() override {
    if (!part_) return;
    worker_->run([worker = worker_.get(), part = std::move(part_)] { worker->discard(*part); });
  }
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  void write(std::string piece, Reply<void> taken) override {
    worker_->run([worker = worker_.get(), part = part_, piece = std::move(piece),
                  taken = std::move(taken)]() mutable { taken(worker->append(*part, piece)); });
  }
  std::shared_ptr<OpenPart> part() const { return part_; }

 private:
  std::shared_ptr<Worker> worker_;
  std::shared_ptr<OpenPart> part_;
};

Result<std::unique_ptr<BlobFiles>> BlobFiles::open(const std::filesystem::path& folder,
                                                   const BlobLimits& limits,
                                                   std::function<WallTime()> wall_clock) {
  for (const auto& path : {folder, folder / "blobs", folder / "parts"}) {
    std::error_code error;
    std::filesystem::create_directory(path, error);
    if (error) return Error(Errc::io_failed, path.string() + " cannot be made: " + error.message());
    std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  }
  auto key = load_or_make_key(folder / "account.key");
  if (!key) return key.error();
  std::unique_ptr<BlobFiles> files(new BlobFiles);
  files->account_key_ = std::move(*key);
  files->worker_ = std::make_shared<Worker>(folder, limits, std::move(wall_clock));
  return files;
}

BlobFiles::~BlobFiles() = default;

std::unique_ptr<BlobBody> BlobFiles::start_body() { return std::make_unique<Body>(worker_); }

// The body goes at the end of the task: what became a file has nothing left to discard.
void BlobFiles::put_blob(std::unique_ptr<BlobBody> body, BlobWrite blob, Reply<BlobInfo> reply) {
  const auto part = static_cast<Body&>(*body).part();
  worker_->run([worker = worker_.get(), part, blob = std::move(blob), reply = std::move(reply)]() mutable {
    reply(worker->keep_blob(*part, blob));
  });
}

void BlobFiles::put_block(std::unique_ptr<BlobBody> body, BlobWrite blob, std::string block_id,
                          Reply<std::string> reply) {
  const auto part = static_cast<Body&>(*body).part();
  worker_->run([worker = worker_.get(), part, blob = std::move(blob), id = std::move(block_id),
                reply = std::move(reply)]() mutable { reply(worker->keep_block(*part, blob, id)); });
}

void BlobFiles::put_block_list(BlobWrite blob, std::vector<std::string> block_ids, Reply<BlobInfo> reply) {
  worker_->run([worker = worker_.get(), blob = std::move(blob), ids = std::move(block_ids),
                reply = std::move(reply)]() mutable { reply(worker->join_blocks(blob, ids)); });
}

void BlobFiles::find(std::string name, Reply<BlobInfo> reply) {
  worker_->run([worker = worker_.get(), name = std::move(name), reply = std::move(reply)]() mutable {
    reply(worker->find(name));
  });
}

void BlobFiles::erase(std::string name, std::optional<IfMatch> if_match, Reply<void> reply) {
  worker_->run([worker = worker_.get(), name = std::move(name), if_match = std::move(if_match),
                reply = std::move(reply)]() mutable { reply(worker->erase(name, if_match)); });
}

void BlobFiles::read(std::string name, std::string etag, std::uint64_t offset, std::size_t bytes,
                     Reply<std::string> reply) {
  worker_->run([worker = worker_.get(), name = std::move(name), etag = std::move(etag), offset, bytes,
                reply = std::move(reply)]() mutable { reply(worker->read(name, etag, offset, bytes)); });
}

void BlobFiles::list(std::string prefix, std::string after, std::size_t limit,
                     Reply<std::vector<BlobInfo>> reply) {
  worker_->run([worker = worker_.get(), prefix = std::move(prefix), after = std::move(after), limit,
                reply = std::move(reply)]() mutable { reply(worker->list(prefix, after, limit)); });
}

}  // namespace kyanite
