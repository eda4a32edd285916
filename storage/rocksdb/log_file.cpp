#include "storage/rocksdb/log_file.h"

#include <rocksdb/file_checksum.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

namespace kyanite {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlockBytes = 32 * 1024;
constexpr std::size_t kHeadBytes = 7;           // checksum 4, length 2, kind 1
constexpr std::size_t kRecycledHeadBytes = 11;  // and the number of the file, in kinds 5 to 8
constexpr std::size_t kGroupHeadBytes = 12;     // number of the first change 8, changes 4
constexpr std::uint8_t kFirstRecycledKind = 5;
constexpr std::uint8_t kLastKind = 8;
// Other kinds say how what follows is to be read, in logs of a RocksDB that this program does not come with.
enum class Piece : std::uint8_t { whole = 1, first = 2, middle = 3, last = 4, other = 5 };

std::uint64_t little_endian(const char* bytes, std::size_t count) {
  std::uint64_t number = 0;
  while (count-- > 0) number = number << 8 | static_cast<std::uint8_t>(bytes[count]);
  return number;
}

// The checksum of kind and content, changed as it stands in the file: a checksum over checksums is weak.
std::uint32_t stored_checksum(const char* bytes, std::size_t count) {
  static const std::shared_ptr<rocksdb::FileChecksumGenFactory> factory =
      rocksdb::GetFileChecksumGenCrc32cFactory();
  const auto generator = factory->CreateFileChecksumGenerator({});
  generator->Update(bytes, count);
  generator->Finalize();
  std::uint32_t crc = 0;
  for (const char c : generator->GetChecksum()) crc = crc << 8 | static_cast<std::uint8_t>(c);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

class LogFileReader {
 public:
  LogFileReader(std::FILE* file, const LogFileHooks& hooks) : file_(file), hooks_(hooks) {}

  // False when the file cannot be read.
  bool run() {
    for (bool more = true; more; offset_ += kBlockBytes) {
      size_ = std::fread(block_.data(), 1, block_.size(), file_);
      if (std::ferror(file_) != 0) return false;
      more = size_ == kBlockBytes;
      read_block();
    }
    if (in_record_) damage(record_offset_, end_, true);
    flush_damage();
    return true;
  }

 private:
  struct Fragment {
    Piece piece;
    std::string_view content;
    std::size_t bytes;  // with its head
  };

  void read_block();
  std::optional<Fragment> fragment_at(std::size_t at) const;
  std::size_t next_fragment(std::size_t at) const;
  bool ends_inside(std::size_t at) const;
  void take(const Fragment& fragment, std::uint64_t offset);
  void finish(std::uint64_t offset, std::string_view record, std::uint64_t end);
  void damage(std::uint64_t from, std::uint64_t to, bool is_cut_short);
  void flush_damage();

  std::FILE* file_;
  const LogFileHooks& hooks_;
  std::array<char, kBlockBytes> block_{};
  std::size_t size_ = 0;      // of the block
  std::uint64_t offset_ = 0;  // of the block
  std::uint64_t end_ = 0;     // of what was looked at
  bool in_record_ = false;
  std::uint64_t record_offset_ = 0;
  std::string record_;
  std::optional<LogDamage> damage_;  // not told yet: more of it may follow
};

void LogFileReader::read_block() {
  std::size_t at = 0;
  while (at + kHeadBytes <= size_) {
    if (const auto fragment = fragment_at(at)) {
      take(*fragment, offset_ + at);
      at += fragment->bytes;
      end_ = offset_ + at;
      continue;
    }
    const bool is_filler = kBlockBytes - at < kRecycledHeadBytes &&
                           std::all_of(&block_[at], &block_[0] + size_, [](char c) { return c == 0; });
    if (is_filler) break;
    const std::size_t next = next_fragment(at);
    damage(offset_ + at, offset_ + next, next == size_ && ends_inside(at));
    at = next;
  }
  // Fewer bytes than a head fill up a block; at the end of the file they are a head that was cut off.
  if (at < size_ && size_ < kBlockBytes) damage(offset_ + at, offset_ + size_, true);
  end_ = offset_ + size_;
}

std::optional<LogFileReader::Fragment> LogFileReader::fragment_at(std::size_t at) const {
  if (at + kHeadBytes > size_) return std::nullopt;
  const auto kind = static_cast<std::uint8_t>(block_[at + 6]);
  if (kind == 0) return std::nullopt;
  const bool is_other = kind > kLastKind;
  const bool recycled = kind >= kFirstRecycledKind && !is_other;
  const std::size_t head = recycled ? kRecycledHeadBytes : kHeadBytes;
  const std::size_t length = little_endian(&block_[at + 4], 2);
  if (at + head + length > size_) return std::nullopt;
  if (stored_checksum(&block_[at + 6], head - 6 + length) != little_endian(&block_[at], 4))
    return std::nullopt;
  const auto piece = is_other ? Piece::other : static_cast<Piece>(recycled ? kind - 4 : kind);
  if (piece == Piece::whole && length < kGroupHeadBytes) return std::nullopt;
  return Fragment{piece, std::string_view(&block_[at + head], length), head + length};
}

// Where reading goes on behind damage: mostly the length before the damaged content is right.
std::size_t LogFileReader::next_fragment(std::size_t at) const {
  const std::size_t by_length = at + kHeadBytes + little_endian(&block_[at + 4], 2);
  if (by_length < size_ && fragment_at(by_length)) return by_length;
  for (std::size_t next = at + 1; next + kHeadBytes <= size_; ++next) {
    if (fragment_at(next)) return next;
  }
  return size_;
}

// Whether the head there promises more than the file has, as a write that was cut off leaves it.
bool LogFileReader::ends_inside(std::size_t at) const {
  const auto kind = static_cast<std::uint8_t>(block_[at + 6]);
  return size_ < kBlockBytes && kind >= 1 && kind <= kLastKind &&
         at + kHeadBytes + little_endian(&block_[at + 4], 2) > size_;
}

void LogFileReader::take(const Fragment& fragment, std::uint64_t offset) {
  if (fragment.piece == Piece::other) return;
  const std::uint64_t end = offset + fragment.bytes;
  const bool begins = fragment.piece == Piece::whole || fragment.piece == Piece::first;
  if (begins && in_record_) damage(record_offset_, offset, false);
  if (!begins && !in_record_) return damage(offset, end, false);  // its beginning is not there
  switch (fragment.piece) {
    case Piece::whole:
      return finish(offset, fragment.content, end);
    case Piece::first:
      in_record_ = true;
      record_offset_ = offset;
      record_ = fragment.content;
      return;
    case Piece::other:
      return;
    case Piece::middle:
      record_.append(fragment.content);
      return;
    case Piece::last:
      record_.append(fragment.content);
      in_record_ = false;
      return finish(record_offset_, record_, end);
  }
}

void LogFileReader::finish(std::uint64_t offset, std::string_view record, std::uint64_t end) {
  if (record.size() < kGroupHeadBytes) return damage(offset, end, false);
  flush_damage();
  if (!hooks_.on_record) return;
  hooks_.on_record({offset, little_endian(record.data(), 8),
                    static_cast<std::uint32_t>(little_endian(record.data() + 8, 4)), record});
}

void LogFileReader::damage(std::uint64_t from, std::uint64_t to, bool is_cut_short) {
  if (in_record_) from = std::min(from, record_offset_);
  in_record_ = false;
  if (damage_ && damage_->offset + damage_->bytes >= from) {
    damage_->bytes = to - damage_->offset;
    damage_->is_cut_short = false;
  } else {
    flush_damage();
    damage_ = {from, to - from, is_cut_short};
  }
}

void LogFileReader::flush_damage() {
  if (damage_ && hooks_.on_damage) hooks_.on_damage(*damage_);
  damage_.reset();
}

}  // namespace

Result<void> read_log_file(const fs::path& path, const LogFileHooks& hooks) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"), std::fclose);
  if (file && LogFileReader(file.get(), hooks).run()) return {};
  return Error(Errc::io_failed,
               "cannot read " + path.string() + ": " + std::generic_category().message(errno));
}

std::vector<LogFile> log_files(const fs::path& directory) {
  std::vector<LogFile> files;
  std::error_code error;
  for (auto entry = fs::directory_iterator(directory, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    if (entry->path().extension() != ".log") continue;
    const std::string digits = entry->path().stem();
    std::uint64_t number = 0;
    const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (bad == std::errc() && end == digits.data() + digits.size()) files.push_back({number, entry->path()});
  }
  std::sort(files.begin(), files.end(),
            [](const LogFile& a, const LogFile& b) { return a.number < b.number; });
  return files;
}

void LogFileWriter::add(std::string_view record) {
  bool first = true;
  do {
    if (kBlockBytes - block_used_ < kHeadBytes) {
      out_.append(kBlockBytes - block_used_, '\0');
      block_used_ = 0;
    }
    const std::size_t length = std::min(record.size(), kBlockBytes - block_used_ - kHeadBytes);
    const bool last = length == record.size();
    const Piece piece = first ? (last ? Piece::whole : Piece::first) : (last ? Piece::last : Piece::middle);
    std::string kind_and_content(1, static_cast<char>(piece));
    kind_and_content.append(record.substr(0, length));
    const std::uint32_t checksum = stored_checksum(kind_and_content.data(), kind_and_content.size());
    for (int shift = 0; shift < 32; shift += 8) out_ += static_cast<char>(checksum >> shift & 0xff);
    out_ += static_cast<char>(length & 0xff);
    out_ += static_cast<char>(length >> 8);
    out_ += kind_and_content;
    block_used_ += kHeadBytes + length;
    record.remove_prefix(length);
    first = false;
  } while (!record.empty());
}

std::string LogFileWriter::take() { return std::exchange(out_, {}); }

}  // namespace kyanite
