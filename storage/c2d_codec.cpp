#include <limits>
#include <utility>

#include "storage/property_bytes.h"
#include "storage/record_codec.h"

// The binary records of cloud-to-device queues and of feedback (format.md). What the key says is not in them.
namespace kyanite {
namespace {

constexpr std::uint8_t kC2dVersion = 1;
constexpr std::uint8_t kOldestC2dReader = 1;
constexpr std::uint64_t kExplicitExpiry = 1;
constexpr std::uint64_t kWasSent = 2;

Error damaged_c2d(std::string_view kind, std::string_view why) {
  return Error(Errc::storage_failed, std::string(kind) + " record: " + std::string(why));
}

std::string c2d_head() { return {static_cast<char>(kC2dVersion), static_cast<char>(kOldestC2dReader)}; }

Result<ByteCursor> after_head(std::string_view kind, std::string_view bytes) {
  if (bytes.size() < 2) return damaged_c2d(kind, "shorter than its head");
  if (static_cast<std::uint8_t>(bytes[1]) > kC2dVersion)
    return damaged_c2d(kind, "written by a newer program");
  return ByteCursor(bytes.substr(2));
}

void append_time(std::string& out, WallTime time) {
  append_varint(out, static_cast<std::uint64_t>(time.time_since_epoch().count()));
}

WallTime read_time(ByteCursor& cursor) {
  return WallTime(milliseconds(static_cast<std::int64_t>(cursor.varint())));
}

std::uint32_t read_32(ByteCursor& cursor, bool& ok) {
  const std::uint64_t value = cursor.varint();
  if (value > std::numeric_limits<std::uint32_t>::max()) ok = false;
  return static_cast<std::uint32_t>(value);
}

}  // namespace

std::string encode_c2d_header(const C2dHeader& header) {
  std::string out = c2d_head();
  append_time(out, header.enqueued);
  append_time(out, header.expiry);
  append_varint(out, (header.explicit_expiry ? kExplicitExpiry : 0) | (header.was_sent ? kWasSent : 0));
  append_varint(out, header.delivery_count);
  append_varint(out, static_cast<std::uint64_t>(header.ack));
  append_varint(out, header.bytes);
  append_counted(out, header.message_id);
  return out;
}

Result<C2dHeader> decode_c2d_header(std::uint64_t sequence, std::string_view bytes) {
  Result<ByteCursor> cursor = after_head("message header", bytes);
  if (!cursor) return cursor.error();
  C2dHeader header;
  bool in_range = true;
  header.sequence = sequence;
  header.enqueued = read_time(*cursor);
  header.expiry = read_time(*cursor);
  const std::uint64_t flags = cursor->varint();  // bits not known here belong to later versions
  header.explicit_expiry = (flags & kExplicitExpiry) != 0;
  header.was_sent = (flags & kWasSent) != 0;
  header.delivery_count = read_32(*cursor, in_range);
  const std::uint64_t ack = cursor->varint();
  header.bytes = read_32(*cursor, in_range);
  header.message_id = cursor->counted();
  if (!cursor->ok()) return damaged_c2d("message header", "cut short or malformed");
  if (!in_range || ack > static_cast<std::uint64_t>(AckRequest::full)) {
    return damaged_c2d("message header", "a number is out of range");
  }
  header.ack = static_cast<AckRequest>(ack);
  return header;
}

std::string encode_c2d_message(const C2dMessage& message) {
  std::string out = c2d_head();
  out.reserve(64 + message.to.size() + message.user_id.size() + message.correlation_id.size() +
              properties_size(message.application) + message.body.size());
  for (const std::string* text : {&message.to, &message.correlation_id, &message.user_id,
                                  &message.content_type, &message.content_encoding}) {
    append_counted(out, *text);
  }
  append_properties(out, message.application);
  append_counted(out, message.body);
  return out;
}

Result<C2dMessage> decode_c2d_message(std::string_view bytes) {
  Result<ByteCursor> cursor = after_head("message", bytes);
  if (!cursor) return cursor.error();
  C2dMessage message;
  for (std::string* text : {&message.to, &message.correlation_id, &message.user_id, &message.content_type,
                            &message.content_encoding}) {
    *text = cursor->counted();
  }
  message.application = read_properties(*cursor);
  message.body = cursor->counted();
  if (!cursor->ok()) return damaged_c2d("message", "cut short or malformed");
  return message;
}

std::string encode_feedback(const FeedbackRecord& record) {
  std::string out = c2d_head();
  append_time(out, record.time);
  append_varint(out, static_cast<std::uint64_t>(record.status));
  append_counted(out, record.original_message_id);
  append_counted(out, record.device);
  append_counted(out, record.generation_id);
  return out;
}

Result<FeedbackRecord> decode_feedback(std::uint64_t sequence, std::string_view bytes) {
  Result<ByteCursor> cursor = after_head("feedback", bytes);
  if (!cursor) return cursor.error();
  FeedbackRecord record;
  record.sequence = sequence;
  record.time = read_time(*cursor);
  const std::uint64_t status = cursor->varint();
  record.original_message_id = cursor->counted();
  record.device = cursor->counted();
  record.generation_id = cursor->counted();
  if (!cursor->ok()) return damaged_c2d("feedback", "cut short or malformed");
  if (status > static_cast<std::uint64_t>(FeedbackStatus::purged)) {
    return damaged_c2d("feedback", "unknown status");
  }
  record.status = static_cast<FeedbackStatus>(status);
  return record;
}

}  // namespace kyanite
