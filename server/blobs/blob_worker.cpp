#include "server/blobs/blob_worker.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "protocol/auth/symmetric_key.h"
#include "protocol/auth/thumbprint.h"
#include "protocol/base/base64.h"
#include "protocol/base/json_limits.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::size_t kHeadBytes = 4096;
constexpr std::size_t kCopyBytes = 256 * 1024;
constexpr std::size_t kHashHexBytes = 64;
constexpr seconds kSweepEvery{300};
constexpr mode_t kOwnerOnly = 0600;

std::string hash_of(const std::string& name) { return to_lower_ascii(sha256_thumbprint(name)); }

Error file_failed(std::string_view what) {
  return Error(Errc::io_failed, std::string(what) + ": " + std::strerror(errno));
}

EVP_MD_CTX* context_of(void* digest) { return static_cast<EVP_MD_CTX*>(digest); }

std::string finished_md5(void* digest) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  EVP_DigestFinal_ex(context_of(digest), bytes.data(), &size);
  return encode_base64(std::string_view(reinterpret_cast<const char*>(bytes.data()), size));
}

Result<void> write_all(int file, std::string_view bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return file_failed("a file cannot be written");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

// Fewer bytes at the end of the file.
Result<std::string> read_at(int file, std::uint64_t offset, std::size_t bytes) {
  std::string text(bytes, '\0');
  std::size_t have = 0;
  while (have < bytes) {
    const ssize_t got = ::pread(file, text.data() + have, bytes - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_failed("a file cannot be read");
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  text.resize(have);
  return text;
}

FileDescriptor open_file(const std::filesystem::path& path, int flags) {
  return FileDescriptor(::open(path.c_str(), flags | O_CLOEXEC, kOwnerOnly));
}

Result<void> sync_folder(const std::filesystem::path& path) {
  const FileDescriptor folder = open_file(path, O_RDONLY | O_DIRECTORY);
  if (!folder || ::fsync(folder.number()) != 0) return file_failed("a folder cannot be synced");
  return {};
}

// A rename is durable when its folder is.
Result<void> rename_synced(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return file_failed("a file cannot be renamed");
  return sync_folder(to.parent_path());
}

std::string head_of(const BlobInfo& info) {
  Json json;
  json["v"] = 1;
  json["name"] = info.name;
  json["etag"] = info.etag;
  json["modified"] = info.modified.time_since_epoch().count();
  json["contentType"] = info.content_type;
  json["md5"] = info.content_md5;
  std::string head = dump_json(json);
  if (head.size() >= kHeadBytes) return {};
  head.resize(kHeadBytes - 1, ' ');
  head += '\n';
  return head;
}

}  // namespace

OpenPart::OpenPart() : digest(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_of(digest), EVP_md5(), nullptr); }
OpenPart::~OpenPart() { EVP_MD_CTX_free(context_of(digest)); }

BlobFiles::Worker::Worker(std::filesystem::path folder, BlobLimits limits,
                          std::function<WallTime()> wall_clock)
    : folder_(std::move(folder)), limits_(limits), wall_clock_(std::move(wall_clock)) {
  run([this] { load(); });
  thread_ = std::thread([this] { serve(); });
}

BlobFiles::Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void BlobFiles::Worker::run(Task task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
}

void BlobFiles::Worker::serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait_for(lock, kSweepEvery, [this] { return stopping_ || !tasks_.empty(); });
    if (tasks_.empty() && stopping_) return;
    Task task;
    if (!tasks_.empty()) {
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    lock.unlock();
    if (task) task();
    task = nullptr;
    sweep();
    lock.lock();
  }
}

// What is there

void BlobFiles::Worker::load() {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "blobs", error)) {
    load_blob(entry.path());
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder_ / "parts", error)) {
    load_part(entry.path());
  }
}

void BlobFiles::Worker::load_blob(const std::filesystem::path& path) {
  const FileDescriptor file = open_file(path, O_RDONLY);
  struct stat facts {};
  if (!file || ::fstat(file.number(), &facts) != 0) return;
  const auto head = read_at(file.number(), 0, kHeadBytes);
  if (!head || head->size() != kHeadBytes) return;
  const Result<Json> json = parse_json(*head);
  if (!json || !json->is_object()) return;
  BlobInfo info;
  info.name = text_member(*json, "name");
  if (hash_of(info.name) != path.filename()) return;  // not one of ours: left alone
  info.etag = text_member(*json, "etag");
  info.content_type = text_member(*json, "contentType");
  info.content_md5 = text_member(*json, "md5");
  if (const Json* modified = find_member(*json, "modified"); modified && modified->is_number_integer()) {
    info.modified = WallTime(milliseconds(modified->get<std::int64_t>()));
  }
  info.bytes = static_cast<std::uint64_t>(facts.st_size) - kHeadBytes;
  used_bytes_ += info.bytes;
  blobs_[info.name] = std::move(info);
}

// Blocks stay, bodies that were under way go.
void BlobFiles::Worker::load_part(const std::filesystem::path& path) {
  const std::string name = path.filename();
  struct stat facts {};
  const bool is_block = name.size() > kHashHexBytes + 1 && name[kHashHexBytes] == '-';
  const auto id = is_block ? decode_hex(name.substr(kHashHexBytes + 1)) : std::nullopt;
  if (!id || ::stat(path.c_str(), &facts) != 0) {
    ::unlink(path.c_str());
    return;
  }
  const auto bytes = static_cast<std::uint64_t>(facts.st_size) -
                     std::min<std::uint64_t>(kHeadBytes, static_cast<std::uint64_t>(facts.st_size));
  blocks_[name.substr(0, kHashHexBytes)][*id] = {bytes, wall_clock_()};
  used_bytes_ += bytes;
}

void BlobFiles::Worker::sweep() {
  const WallTime now = wall_clock_();
  if (now < next_sweep_ && next_sweep_ - now <= kSweepEvery) return;
  next_sweep_ = now + kSweepEvery;
  for (auto blob = blocks_.begin(); blob != blocks_.end();) {
    for (auto block = blob->second.begin(); block != blob->second.end();) {
      if (now - block->second.written < limits_.block_life) {
        ++block;
        continue;
      }
      ::unlink(block_path(blob->first, block->first).c_str());
      used_bytes_ -= block->second.bytes;
      block = blob->second.erase(block);
    }
    blob = blob->second.empty() ? blocks_.erase(blob) : std::next(blob);
  }
}

// Bodies

Result<void> BlobFiles::Worker::open_part(OpenPart& part) {
  part.path = folder_ / "parts" / (std::to_string(next_part_++) + ".tmp");
  part.file = open_file(part.path, O_RDWR | O_CREAT | O_TRUNC);
  if (!part.file) return file_failed("a file cannot be made");
  return {};
}

Result<void> BlobFiles::Worker::append(OpenPart& part, std::string_view piece) {
  if (!part.file) {
    if (const auto opened = open_part(part); !opened) return opened;
  }
  if (part.bytes + piece.size() > limits_.blob_bytes_max) {
    return Error(Errc::request_too_large, "a file is larger than fileUpload.blobBytesMax");
  }
  if (used_bytes_ + piece.size() > limits_.total_bytes_max) {
    return Error(Errc::request_too_large, "the files kept have reached fileUpload.totalBytesMax");
  }
  if (const auto written = write_all(part.file.number(), piece, kHeadBytes + part.bytes); !written) {
    return written;
  }
  EVP_DigestUpdate(context_of(part.digest), piece.data(), piece.size());
  part.bytes += piece.size();
  used_bytes_ += piece.size();
  return {};
}

void BlobFiles::Worker::discard(OpenPart& part) {
  if (part.path.empty()) return;
  used_bytes_ -= part.bytes;
  ::unlink(part.path.c_str());
  part.path.clear();
  part.file.close();
}

Result<void> BlobFiles::Worker::check_conditions(const BlobWrite& blob) const {
  const auto known = blobs_.find(blob.name);
  if (known == blobs_.end()) {
    if (blob.if_match) return Error(Errc::precondition_failed, "there is no such blob");
    if (blobs_.size() >= limits::kBlobsMax) {
      return Error(Errc::request_too_large, "the hub keeps its maximum number of files");
    }
    return {};
  }
  if (blob.only_new) return Error(Errc::conflict, "the blob is there already");
  if (blob.if_match && !blob.if_match->matches(known->second.etag)) {
    return Error(Errc::precondition_failed, "the blob has another ETag");
  }
  return {};
}

std::string BlobFiles::Worker::new_etag() { return "0x" + random_hex(8); }

Result<BlobInfo> BlobFiles::Worker::publish(OpenPart& part, const BlobWrite& blob, std::string md5) {
  BlobInfo info;
  info.name = blob.name;
  info.bytes = part.bytes;
  info.modified = wall_clock_();
  info.etag = new_etag();
  info.content_type = blob.content_type;
  info.content_md5 = std::move(md5);
  const std::string head = head_of(info);
  if (head.empty()) return Error(Errc::argument_invalid, "InvalidHeaderValue: the properties are too long");
  if (const auto written = write_all(part.file.number(), head, 0); !written) return written.error();
  if (::fdatasync(part.file.number()) != 0) return file_failed("a file cannot be synced");
  const std::string hash = hash_of(blob.name);
  if (const auto renamed = rename_synced(part.path, folder_ / "blobs" / hash); !renamed)
    return renamed.error();
  part.path.clear();
  const auto replaced = blobs_.find(blob.name);
  if (replaced != blobs_.end()) used_bytes_ -= replaced->second.bytes;
  blobs_[blob.name] = info;
  drop_blocks(hash);
  return info;
}

void BlobFiles::Worker::drop_blocks(const std::string& hash) {
  const auto found = blocks_.find(hash);
  if (found == blocks_.end()) return;
  for (const auto& [id, block] : found->second) {
    ::unlink(block_path(hash, id).c_str());
    used_bytes_ -= block.bytes;
  }
  blocks_.erase(found);
}

Result<BlobInfo> BlobFiles::Worker::keep_blob(OpenPart& part, const BlobWrite& blob) {
  if (!part.file) {
    if (const auto opened = open_part(part); !opened) return opened.error();
  }
  if (const auto good = check_conditions(blob); !good) return good.error();
  std::string md5 = finished_md5(part.digest);
  if (!blob.content_md5.empty() && blob.content_md5 != md5) {
    return Error(Errc::argument_invalid, "Md5Mismatch: the content has another MD5");
  }
  return publish(part, blob, std::move(md5));
}

// Blocks

std::filesystem::path BlobFiles::Worker::block_path(const std::string& hash,
                                                    const std::string& block_id) const {
  return folder_ / "parts" / (hash + "-" + encode_hex(block_id));
}

Result<std::string> BlobFiles::Worker::keep_block(OpenPart& part, const BlobWrite& blob,
                                                  const std::string& block_id) {
  if (!part.file) {
    if (const auto opened = open_part(part); !opened) return opened.error();
  }
  std::string md5 = finished_md5(part.digest);
  if (!blob.content_md5.empty() && blob.content_md5 != md5) {
    return Error(Errc::argument_invalid, "Md5Mismatch: the content has another MD5");
  }
  const std::string hash = hash_of(blob.name);
  const auto waiting = blocks_.find(hash);
  if (waiting == blocks_.end() ? blocks_.size() >= limits::kBlobsMax
                               : waiting->second.size() >= limits::kBlocksPerBlobMax) {
    return Error(Errc::request_too_large, "too many blocks wait for their list");
  }
  if (::fdatasync(part.file.number()) != 0) return file_failed("a file cannot be synced");
  if (const auto renamed = rename_synced(part.path, block_path(hash, block_id)); !renamed) {
    return renamed.error();
  }
  part.path.clear();
  Block& block = blocks_[hash][block_id];
  used_bytes_ -= block.bytes;  // of the one replaced
  block = {part.bytes, wall_clock_()};
  return md5;
}

Result<void> BlobFiles::Worker::copy_block(OpenPart& part, const std::filesystem::path& block) {
  const FileDescriptor file = open_file(block, O_RDONLY);
  if (!file) return file_failed("a block cannot be read");
  for (std::uint64_t offset = kHeadBytes;;) {
    const auto piece = read_at(file.number(), offset, kCopyBytes);
    if (!piece) return piece.error();
    if (piece->empty()) return {};
    if (const auto appended = append(part, *piece); !appended) return appended;
    offset += piece->size();
  }
}

Result<BlobInfo> BlobFiles::Worker::join_blocks(const BlobWrite& blob,
                                                const std::vector<std::string>& block_ids) {
  if (const auto good = check_conditions(blob); !good) return good.error();
  const std::string hash = hash_of(blob.name);
  const auto waiting = blocks_.find(hash);
  for (const std::string& id : block_ids) {
    if (waiting == blocks_.end() || !waiting->second.contains(id)) {
      return Error(Errc::argument_invalid, "InvalidBlockList: a block in the list was not uploaded");
    }
  }
  OpenPart part;
  if (const auto opened = open_part(part); !opened) return opened.error();
  for (const std::string& id : block_ids) {
    if (const auto copied = copy_block(part, block_path(hash, id)); !copied) {
      discard(part);
      return copied.error();
    }
  }
  // The service knows no MD5 of a list of blocks but the one it is told.
  Result<BlobInfo> published = publish(part, blob, blob.stated_md5);
  if (!published) discard(part);
  return published;
}

// Reading

Result<BlobInfo> BlobFiles::Worker::find(const std::string& name) const {
  const auto found = blobs_.find(name);
  if (found == blobs_.end()) return Error(Errc::not_found, "there is no such blob");
  return found->second;
}

// Blocks that wait for a list are another blob's, as far as anybody knows.
Result<void> BlobFiles::Worker::erase(const std::string& name, const std::optional<IfMatch>& if_match) {
  const auto found = blobs_.find(name);
  if (found == blobs_.end()) return Error(Errc::not_found, "there is no such blob");
  if (if_match && !if_match->matches(found->second.etag)) {
    return Error(Errc::precondition_failed, "the blob has another ETag");
  }
  const std::filesystem::path path = folder_ / "blobs" / hash_of(name);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return file_failed("a file cannot be removed");
  used_bytes_ -= found->second.bytes;
  blobs_.erase(found);
  return sync_folder(path.parent_path());
}

Result<std::string> BlobFiles::Worker::read(const std::string& name, const std::string& etag,
                                            std::uint64_t offset, std::size_t bytes) const {
  const auto found = blobs_.find(name);
  if (found == blobs_.end()) return Error(Errc::not_found, "there is no such blob");
  if (found->second.etag != etag) return Error(Errc::precondition_failed, "the blob was replaced");
  const FileDescriptor file = open_file(folder_ / "blobs" / hash_of(name), O_RDONLY);
  if (!file) return file_failed("a file cannot be opened");
  return read_at(file.number(), kHeadBytes + offset, bytes);
}

std::vector<BlobInfo> BlobFiles::Worker::list(const std::string& prefix, const std::string& after,
                                              std::size_t limit) const {
  std::vector<BlobInfo> found;
  auto blob = after.empty() || after < prefix ? blobs_.lower_bound(prefix) : blobs_.upper_bound(after);
  for (; blob != blobs_.end() && found.size() < limit && blob->first.starts_with(prefix); ++blob) {
    found.push_back(blob->second);
  }
  return found;
}

}  // namespace kyanite
