#include <utility>

#include "protocol/base/assert.h"
#include "storage/property_bytes.h"
#include "storage/record_codec.h"

// The telemetry record of format.md: a fixed head that the commit thread stamps in place, then counted
// fields.
namespace kyanite {
namespace {

constexpr std::uint8_t kTelemetryVersion = 1;
constexpr std::uint8_t kOldestTelemetryReader = 1;
constexpr std::size_t kTimeAt = 2;
constexpr std::size_t kHeadBytes = kTimeAt + 8;

}  // namespace

std::string encode_telemetry(const TelemetryFields& fields) {
  const std::size_t size = kHeadBytes + 1 + counted_size(fields.sender.device) +
                           counted_size(fields.sender.module) + counted_size(fields.generation_id) +
                           counted_size(fields.auth_method) + counted_size(fields.model_id) +
                           properties_size(fields.bag.system) + properties_size(fields.bag.application) +
                           counted_size(fields.body);
  std::string out;
  out.reserve(size);
  out.push_back(static_cast<char>(kTelemetryVersion));
  out.push_back(static_cast<char>(kOldestTelemetryReader));
  out.append(8, '\0');
  append_varint(out, static_cast<std::uint64_t>(fields.source));
  append_counted(out, fields.sender.device);
  append_counted(out, fields.sender.module);
  append_counted(out, fields.generation_id);
  append_counted(out, fields.auth_method);
  append_counted(out, fields.model_id);
  append_properties(out, fields.bag.system);
  append_properties(out, fields.bag.application);
  append_counted(out, fields.body);
  KYANITE_ASSERT(out.size() == size);
  return out;
}

void stamp_telemetry(std::string& record, WallTime enqueued) {
  KYANITE_ASSERT(record.size() >= kHeadBytes);
  auto bits = static_cast<std::uint64_t>(enqueued.time_since_epoch().count());
  for (std::size_t at = kHeadBytes; at-- > kTimeAt; bits >>= 8) record[at] = static_cast<char>(bits & 0xff);
}

WallTime telemetry_enqueued(std::string_view bytes) {
  if (bytes.size() < kHeadBytes) return kNever;
  std::uint64_t bits = 0;
  for (std::size_t at = kTimeAt; at < kHeadBytes; ++at)
    bits = bits << 8 | static_cast<std::uint8_t>(bytes[at]);
  return WallTime(milliseconds(static_cast<std::int64_t>(bits)));
}

Result<TelemetryRecord> decode_telemetry(TelemetryOffset offset, std::string_view bytes) {
  if (bytes.size() < kHeadBytes)
    return Error(Errc::storage_failed, "telemetry record: shorter than its head");
  if (static_cast<std::uint8_t>(bytes[1]) > kTelemetryVersion) {
    return Error(Errc::storage_failed, "telemetry record: written by a newer program");
  }
  TelemetryRecord record;
  record.offset = offset;
  record.enqueued = telemetry_enqueued(bytes);
  ByteCursor cursor(bytes.substr(kHeadBytes));
  const std::uint64_t source = cursor.varint();
  record.sender.device = cursor.counted();
  record.sender.module = cursor.counted();
  record.generation_id = cursor.counted();
  record.auth_method = cursor.counted();
  record.model_id = cursor.counted();
  record.system = read_properties(cursor);
  record.application = read_properties(cursor);
  record.body = cursor.counted();  // bytes after it belong to later versions
  if (!cursor.ok()) return Error(Errc::storage_failed, "telemetry record: cut short or malformed");
  if (source > static_cast<std::uint64_t>(MessageSource::operations_monitoring)) {
    return Error(Errc::storage_failed, "telemetry record: unknown message source");
  }
  record.source = static_cast<MessageSource>(source);
  return record;
}

}  // namespace kyanite
