#include "server/app/blob_worker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <utility>

#include "protocol/base/percent_encoding.h"
#include "server/app/blob_transfer.h"
#include "server/app/first_start/files.h"

namespace kyanite {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFileScheme = "file://";

Error container_fault(std::string sentence) {
  return Error(Errc::blob_container_invalid, std::move(sentence));
}

bool is_file_container(std::string_view container) {
  return equals_ignoring_case(container.substr(0, kFileScheme.size()), kFileScheme);
}

// A file that is open; owned by whoever shares it.
struct OpenFile {
  int descriptor;
  explicit OpenFile(int fd) : descriptor(fd) {}
  ~OpenFile() {
    if (descriptor >= 0) ::close(descriptor);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
};
using OpenFilePtr = std::shared_ptr<OpenFile>;

// A new file from a template that ends with XXXXXX, which becomes its name; for the owner alone.
Result<OpenFilePtr> make_file(std::string& name) {
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return container_fault("no file can be made there: " + system_reason(errno));
  return std::make_shared<OpenFile>(fd);
}

Result<OpenFilePtr> make_spool(const fs::path& folder) {
  std::string name = (folder / "transfer-XXXXXX").string();
  Result<OpenFilePtr> file = make_file(name);
  if (file) ::unlink(name.c_str());
  return file;
}

Result<void> write_at(int file, std::string_view bytes, std::uint64_t at) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return Error(Errc::io_failed, "a file cannot be written: " + system_reason(errno));
    at += static_cast<std::uint64_t>(wrote);
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return {};
}

// What an output is made of; the worker's thread alone touches it.
struct OutputState {
  OpenFilePtr file;
  std::uint64_t size = 0;
  std::string url;        // of a blob service, else
  fs::path part, target;  // the file as it grows, and as it is called when it is whole
  bool finished = false;

  OutputState() = default;
  OutputState(const OutputState&) = delete;
  OutputState& operator=(const OutputState&) = delete;
  ~OutputState() {
    if (!part.empty() && !finished) ::unlink(part.c_str());
  }

  Result<void> finish(const TransferStop& stop) {
    if (!url.empty()) return put_blob(url, file->descriptor, size, stop);
    if (::fsync(file->descriptor) != 0 || ::rename(part.c_str(), target.c_str()) != 0) {
      return Error(Errc::io_failed, "a file cannot be written: " + system_reason(errno));
    }
    finished = true;
    return {};
  }
};

class WorkerOutput final : public BlobOutput {
 public:
  WorkerOutput(BlobWorker& worker, std::shared_ptr<OutputState> state)
      : worker_(worker), state_(std::move(state)) {}
  ~WorkerOutput() override {
    worker_.run([state = std::move(state_)] {});  // files are closed over there
  }

  void append(std::string bytes, Reply<void> reply) override {
    worker_.run(
        [&worker = worker_, state = state_, bytes = std::move(bytes), reply = std::move(reply)]() mutable {
          Result<void> done = worker.check_free_space(state->file->descriptor, bytes.size());
          if (done && state->size + bytes.size() > kBlobBytesMax) {
            done = Error(Errc::io_failed, "the blob would be larger than a blob may be");
          }
          if (done) done = write_at(state->file->descriptor, bytes, state->size);
          state->size += bytes.size();
          reply(std::move(done));
        });
  }

  void finish(Reply<void> reply) override {
    worker_.run([stop = worker_.stop_signal(), state = state_, reply = std::move(reply)]() mutable {
      reply(state->finish(stop));
    });
  }

 private:
  BlobWorker& worker_;
  std::shared_ptr<OutputState> state_;
};

class WorkerInput final : public BlobInput {
 public:
  WorkerInput(BlobWorker& worker, OpenFilePtr file, std::uint64_t size)
      : worker_(worker), file_(std::move(file)), size_(size) {}
  ~WorkerInput() override {
    worker_.run([file = std::move(file_)] {});
  }

  std::uint64_t size() const override { return size_; }

  void read(Reply<std::string> reply) override {
    worker_.run([file = file_, at = at_, reply = std::move(reply), size = size_]() mutable {
      std::string bytes(std::min<std::uint64_t>(kBlobPieceBytes, size - std::min(at, size)), '\0');
      const ssize_t got =
          bytes.empty() ? 0 : ::pread(file->descriptor, bytes.data(), bytes.size(), static_cast<off_t>(at));
      if (got < 0) return reply(Error(Errc::io_failed, "a file cannot be read: " + system_reason(errno)));
      bytes.resize(static_cast<std::size_t>(got));
      reply(std::move(bytes));
    });
    at_ += kBlobPieceBytes;
  }

 private:
  BlobWorker& worker_;
  OpenFilePtr file_;
  const std::uint64_t size_;
  std::uint64_t at_ = 0;
};

bool is_below(const fs::path& path, const fs::path& folder) {
  const auto [end, rest] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

}  // namespace

// What one job asks for is all there is: no more needs a bound.
BlobWorker::BlobWorker(Rules rules)
    : rules_(std::move(rules)), thread_(std::numeric_limits<std::size_t>::max()) {}

// What is not taken answers by itself.
void BlobWorker::run(Task task) { thread_.post(task); }

std::function<bool()> BlobWorker::stop_signal() const {
  return [this, breaks = breaks_.load()] { return thread_.is_stopping() || breaks_ != breaks; };
}

void BlobWorker::create(std::string container, std::string name, Reply<std::shared_ptr<BlobOutput>> reply) {
  run([this, stop = stop_signal(), container = std::move(container), name = std::move(name),
       reply = std::move(reply)]() mutable { reply(create_now(container, name, stop)); });
}

void BlobWorker::probe(std::string container, std::string name, Reply<void> reply) {
  run([this, stop = stop_signal(), container = std::move(container), name = std::move(name),
       reply = std::move(reply)]() mutable { reply(probe_now(container, name, stop)); });
}

void BlobWorker::open(std::string container, std::string name, Reply<std::shared_ptr<BlobInput>> reply) {
  run([this, stop = stop_signal(), container = std::move(container), name = std::move(name),
       reply = std::move(reply)]() mutable { reply(open_now(container, name, stop)); });
}

Result<void> BlobWorker::check_free_space(int file, std::size_t bytes) const {
  struct statvfs space {};
  if (::fstatvfs(file, &space) != 0) return {};
  if (std::uint64_t{space.f_bavail} * space.f_frsize >= rules_.free_bytes_floor + bytes) return {};
  return Error(Errc::io_failed, "there is not enough free space on the disk");
}

Result<fs::path> BlobWorker::path_of(const std::string& container, const std::string& name) const {
  std::string_view path = std::string_view(container).substr(kFileScheme.size());
  constexpr std::string_view kLocal = "localhost";
  if (path.starts_with(kLocal)) path.remove_prefix(kLocal.size());
  std::error_code error;
  const fs::path folder = fs::weakly_canonical(percent_decode(path.substr(0, path.find('?'))), error);
  if (error || !folder.is_absolute()) return container_fault("a file:// container needs an absolute path");
  const fs::path file = folder / name;
  const fs::path parent = fs::weakly_canonical(file.parent_path(), error);
  const bool allowed =
      !error && std::any_of(rules_.folders.begin(), rules_.folders.end(), [&](const std::string& allow) {
        std::error_code unknown;
        const fs::path base = fs::canonical(allow, unknown);
        return !unknown && is_below(parent, base);
      });
  if (!allowed) return container_fault("the folder is not one that importExport.folders allows");
  return parent / file.filename();
}

Result<std::shared_ptr<BlobOutput>> BlobWorker::create_now(const std::string& container,
                                                           const std::string& name, const Stop& stop) {
  auto state = std::make_shared<OutputState>();
  if (is_file_container(container)) {
    const Result<fs::path> target = path_of(container, name);
    if (!target) return target.error();
    std::error_code ignored;
    fs::create_directories(target->parent_path(), ignored);
    std::string part = target->string() + ".part-XXXXXX";
    Result<OpenFilePtr> file = make_file(part);
    if (!file) return file.error();
    state->file = std::move(*file);
    state->part = part;
    state->target = *target;
  } else {
    const Result<std::string> url = blob_url(container, name);
    if (!url) return url.error();
    Result<OpenFilePtr> file = make_spool(rules_.spool_folder);
    if (!file) return file.error();
    if (Result<void> put = put_blob(*url, (*file)->descriptor, 0, stop); !put) return put.error();
    state->file = std::move(*file);
    state->url = *url;
  }
  return std::shared_ptr<BlobOutput>(std::make_shared<WorkerOutput>(*this, std::move(state)));
}

Result<void> BlobWorker::probe_now(const std::string& container, const std::string& name, const Stop& stop) {
  if (is_file_container(container)) {
    const Result<fs::path> path = path_of(container, name);
    if (!path) return path.error();
    if (::access(path->c_str(), R_OK) != 0) {
      return container_fault("the blob cannot be read: " + system_reason(errno));
    }
    return {};
  }
  const Result<std::string> url = blob_url(container, name);
  if (!url) return url.error();
  return probe_blob(*url, stop);
}

Result<std::shared_ptr<BlobInput>> BlobWorker::open_now(const std::string& container, const std::string& name,
                                                        const Stop& stop) {
  OpenFilePtr file;
  std::uint64_t size = 0;
  if (is_file_container(container)) {
    const Result<fs::path> path = path_of(container, name);
    if (!path) return path.error();
    file = std::make_shared<OpenFile>(::open(path->c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat status {};
    if (file->descriptor < 0 || ::fstat(file->descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
      return container_fault("the blob cannot be read");
    }
    size = static_cast<std::uint64_t>(status.st_size);
  } else {
    const Result<std::string> url = blob_url(container, name);
    if (!url) return url.error();
    Result<OpenFilePtr> spool = make_spool(rules_.spool_folder);
    if (!spool) return spool.error();
    file = std::move(*spool);
    const FileRoom room = [this, fd = file->descriptor](std::size_t bytes) {
      return check_free_space(fd, bytes).has_value();
    };
    const Result<std::uint64_t> got = get_blob(*url, file->descriptor, room, stop);
    if (!got) return got.error();
    size = *got;
  }
  return std::shared_ptr<BlobInput>(std::make_shared<WorkerInput>(*this, std::move(file), size));
}

}  // namespace kyanite
