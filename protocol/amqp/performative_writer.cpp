#include <array>

#include "protocol/amqp/frame_decoder.h"
#include "protocol/amqp/performative_codes.h"
#include "protocol/amqp/performatives.h"
#include "protocol/amqp/type_codes.h"
#include "protocol/amqp/writer.h"
#include "protocol/base/assert.h"

namespace kyanite::amqp {
namespace {

constexpr std::size_t kFrameHeadSize = 8;
constexpr std::uint8_t kDataOffset = 2;  // in words of four bytes: no extended header
constexpr std::size_t kTagBytesMax = 32;

// A frame with one list. finish() closes the list and writes the size.
class FrameWriter {
 public:
  FrameWriter(std::string& out, FrameType type, std::uint16_t channel, std::uint8_t descriptor)
      : out_(out), at_(out.size()), fields_(out) {
    const char head[kFrameHeadSize] = {0,
                                       0,
                                       0,
                                       0,
                                       static_cast<char>(kDataOffset),
                                       static_cast<char>(type),
                                       static_cast<char>(channel >> 8),
                                       static_cast<char>(channel & 0xff)};
    out_.append(head, kFrameHeadSize);
    fields_.descriptor(descriptor);
    fields_.begin_list();
  }
  Writer& fields() { return fields_; }
  void finish() {
    fields_.end();
    code::store(&out_[at_], static_cast<std::uint32_t>(out_.size() - at_));
  }

 private:
  std::string& out_;
  std::size_t at_;
  Writer fields_;
};

void nulls(Writer& writer, int count) {
  while (count-- > 0) writer.null();
}

void text_or_null(Writer& writer, std::string_view text) {
  if (text.empty())
    writer.null();
  else
    writer.string(text);
}

void number_or_null(Writer& writer, std::optional<std::uint32_t> number) {
  if (number)
    writer.uint(*number);
  else
    writer.null();
}

void encoded_or_null(Writer& writer, std::string_view encoded) {
  if (encoded.empty())
    writer.null();
  else
    writer.encoded(encoded);
}

void map_value(Writer& writer, const Map& map) {
  writer.begin_map();
  for (const MapEntry& entry : map.entries) {
    writer.value(entry.key);
    writer.value(entry.value);
  }
  writer.end();
}

void condition_or_null(Writer& writer, const std::optional<Condition>& condition) {
  if (!condition) return writer.null();
  writer.descriptor(code::kError);
  writer.begin_list();
  writer.symbol(condition->name);
  writer.string(condition->description);
  map_value(writer, condition->info);
  writer.end();
}

void outcome(Writer& writer, const Outcome& outcome) {
  switch (outcome.kind) {
    case OutcomeKind::accepted:
      writer.descriptor(code::kAccepted);
      writer.begin_list();
      break;
    case OutcomeKind::released:
      writer.descriptor(code::kReleased);
      writer.begin_list();
      break;
    case OutcomeKind::rejected:
      writer.descriptor(code::kRejected);
      writer.begin_list();
      condition_or_null(writer, outcome.error);
      break;
    case OutcomeKind::modified:
      writer.descriptor(code::kModified);
      writer.begin_list();
      writer.boolean(outcome.delivery_failed);
      writer.boolean(outcome.undeliverable_here);
      writer.null();  // message-annotations
      break;
  }
  writer.end();
}

std::string terminus_of(std::uint8_t descriptor, int fields, std::string_view address) {
  std::string out;
  Writer writer(out);
  writer.descriptor(descriptor);
  writer.begin_list();
  if (!address.empty()) {
    writer.string(address);
    nulls(writer, fields - 1);
  }
  writer.end();
  return out;
}

// Frames of every message are made in place, without a Writer: bytes one behind the other, the sizes last.
class FastFrame {
 public:
  FastFrame(std::uint16_t channel, std::uint8_t descriptor, std::uint8_t count) {
    byte(0);
    byte(0);
    byte(0);
    byte(0);
    byte(kDataOffset);
    byte(static_cast<std::uint8_t>(FrameType::amqp));
    byte(static_cast<std::uint8_t>(channel >> 8));
    byte(static_cast<std::uint8_t>(channel & 0xff));
    byte(code::kDescribed);
    byte(code::kSmallUlong);
    byte(descriptor);
    byte(code::kList8);
    byte(0);
    byte(count);
  }
  void byte(std::uint8_t value) { bytes_[size_++] = static_cast<char>(value); }
  void null() { byte(code::kNull); }
  void boolean(bool value) { byte(value ? code::kTrue : code::kFalse); }
  void uint(std::uint32_t value) {
    if (value == 0) return byte(code::kUint0);
    if (value <= 0xff) {
      byte(code::kSmallUint);
      return byte(static_cast<std::uint8_t>(value));
    }
    byte(code::kUint);
    code::store(&bytes_[size_], value);
    size_ += 4;
  }
  void tag(std::string_view tag) {
    byte(code::kBinary8);
    byte(static_cast<std::uint8_t>(tag.size()));
    tag.copy(&bytes_[size_], tag.size());
    size_ += tag.size();
  }
  void append_to(std::string& out, std::size_t payload_bytes) {
    code::store(bytes_.data(), static_cast<std::uint32_t>(size_ + payload_bytes));
    bytes_[kFrameHeadSize + 4] = static_cast<char>(size_ - kFrameHeadSize - 5);  // of count and items
    out.append(bytes_.data(), size_);
  }

 private:
  std::array<char, 96> bytes_;
  std::size_t size_ = 0;
};

void append_quick_disposition(std::string& out, std::uint16_t channel, const Disposition& disposition) {
  FastFrame frame(channel, code::kDisposition, 6);
  frame.boolean(disposition.role == Role::receiver);
  frame.uint(disposition.first);
  frame.uint(disposition.last);
  frame.boolean(disposition.settled);
  if (disposition.state) {
    for (const std::uint8_t byte : {code::kDescribed, code::kSmallUlong, code::kAccepted, code::kList8,
                                    std::uint8_t{1}, std::uint8_t{0}})
      frame.byte(byte);
  } else {
    frame.null();
  }
  frame.boolean(false);  // batchable
  frame.append_to(out, 0);
}

}  // namespace

void append_open(std::string& out, const Open& open) {
  FrameWriter frame(out, FrameType::amqp, 0, code::kOpen);
  Writer& fields = frame.fields();
  fields.string(open.container_id);
  text_or_null(fields, open.hostname);
  fields.uint(open.max_frame_size);
  fields.ushort(open.channel_max);
  number_or_null(fields, open.idle_time_out_ms);
  nulls(fields, 4);  // locales, capabilities
  if (open.properties.empty())
    fields.null();
  else
    map_value(fields, open.properties);
  frame.finish();
}

void append_begin(std::string& out, std::uint16_t channel, const Begin& begin) {
  FrameWriter frame(out, FrameType::amqp, channel, code::kBegin);
  Writer& fields = frame.fields();
  if (begin.remote_channel)
    fields.ushort(*begin.remote_channel);
  else
    fields.null();
  fields.uint(begin.next_outgoing_id);
  fields.uint(begin.incoming_window);
  fields.uint(begin.outgoing_window);
  fields.uint(begin.handle_max);
  nulls(fields, 3);  // capabilities, properties
  frame.finish();
}

void append_attach(std::string& out, std::uint16_t channel, const Attach& attach) {
  FrameWriter frame(out, FrameType::amqp, channel, code::kAttach);
  Writer& fields = frame.fields();
  fields.string(attach.name);
  fields.uint(attach.handle);
  fields.boolean(attach.role == Role::receiver);
  fields.ubyte(static_cast<std::uint8_t>(attach.sender_mode));
  fields.ubyte(static_cast<std::uint8_t>(attach.receiver_mode));
  encoded_or_null(fields, attach.source.encoded);
  encoded_or_null(fields, attach.target.encoded);
  nulls(fields, 2);  // unsettled, incomplete-unsettled
  if (attach.role == Role::sender)
    fields.uint(attach.initial_delivery_count.value_or(0));
  else
    fields.null();
  if (attach.max_message_size != 0)
    fields.ulong(attach.max_message_size);
  else
    fields.null();
  fields.symbols(attach.offered_capabilities);
  fields.symbols(attach.desired_capabilities);
  map_value(fields, attach.properties);
  frame.finish();
}

void append_flow(std::string& out, std::uint16_t channel, const Flow& flow) {
  FrameWriter frame(out, FrameType::amqp, channel, code::kFlow);
  Writer& fields = frame.fields();
  number_or_null(fields, flow.next_incoming_id);
  fields.uint(flow.incoming_window);
  fields.uint(flow.next_outgoing_id);
  fields.uint(flow.outgoing_window);
  number_or_null(fields, flow.handle);
  number_or_null(fields, flow.delivery_count);
  number_or_null(fields, flow.link_credit);
  number_or_null(fields, flow.available);
  fields.boolean(flow.drain);
  fields.boolean(flow.echo);
  fields.null();  // properties
  frame.finish();
}

void append_transfer_head(std::string& out, std::uint16_t channel, const Transfer& transfer,
                          std::size_t payload_bytes) {
  KYANITE_ASSERT(transfer.delivery_tag.size() <= kTagBytesMax);
  FastFrame frame(channel, code::kTransfer, 11);
  frame.uint(transfer.handle);
  if (transfer.delivery_id)
    frame.uint(*transfer.delivery_id);
  else
    frame.null();
  if (transfer.delivery_tag.empty())
    frame.null();
  else
    frame.tag(transfer.delivery_tag);
  if (transfer.message_format)
    frame.uint(*transfer.message_format);
  else
    frame.null();
  if (transfer.settled)
    frame.boolean(*transfer.settled);
  else
    frame.null();
  frame.boolean(transfer.more);
  frame.null();  // rcv-settle-mode
  frame.null();  // state
  frame.boolean(transfer.resume);
  frame.boolean(transfer.aborted);
  frame.boolean(false);  // batchable
  frame.append_to(out, payload_bytes);
}

std::size_t transfer_head_bytes_max(std::size_t tag_bytes) {
  constexpr std::size_t kNumbers = 3 * 5;  // handle, delivery-id, message-format
  constexpr std::size_t kFlags = 7;        // settled to batchable
  constexpr std::size_t kListHead = 6;     // descriptor, list8, size, count
  return kFrameHeadSize + kListHead + kNumbers + 2 + tag_bytes + kFlags;
}

void append_disposition(std::string& out, std::uint16_t channel, const Disposition& disposition) {
  if (!disposition.state || disposition.state->kind == OutcomeKind::accepted)
    return append_quick_disposition(out, channel, disposition);
  FrameWriter frame(out, FrameType::amqp, channel, code::kDisposition);
  Writer& fields = frame.fields();
  fields.boolean(disposition.role == Role::receiver);
  fields.uint(disposition.first);
  fields.uint(disposition.last);
  fields.boolean(disposition.settled);
  outcome(fields, *disposition.state);
  fields.boolean(false);  // batchable
  frame.finish();
}

void append_detach(std::string& out, std::uint16_t channel, const Detach& detach) {
  FrameWriter frame(out, FrameType::amqp, channel, code::kDetach);
  frame.fields().uint(detach.handle);
  frame.fields().boolean(detach.closed);
  condition_or_null(frame.fields(), detach.error);
  frame.finish();
}

void append_end(std::string& out, std::uint16_t channel, const End& end) {
  FrameWriter frame(out, FrameType::amqp, channel, code::kEnd);
  condition_or_null(frame.fields(), end.error);
  frame.finish();
}

void append_close(std::string& out, const Close& close) {
  FrameWriter frame(out, FrameType::amqp, 0, code::kClose);
  condition_or_null(frame.fields(), close.error);
  frame.finish();
}

void append_empty_frame(std::string& out) {
  const char frame[kFrameHeadSize] = {0, 0, 0, kFrameHeadSize, static_cast<char>(kDataOffset), 0, 0, 0};
  out.append(frame, kFrameHeadSize);
}

void append_sasl_mechanisms(std::string& out, const std::vector<std::string>& mechanisms) {
  FrameWriter frame(out, FrameType::sasl, 0, code::kSaslMechanisms);
  frame.fields().symbols(mechanisms);
  frame.finish();
}

void append_sasl_outcome(std::string& out, std::uint8_t outcome_code) {
  FrameWriter frame(out, FrameType::sasl, 0, code::kSaslOutcome);
  frame.fields().ubyte(outcome_code);
  frame.fields().null();  // additional-data
  frame.finish();
}

std::string empty_source() { return terminus_of(code::kSource, 11, {}); }
std::string empty_target() { return terminus_of(code::kTarget, 7, {}); }
std::string source_of(std::string_view address) { return terminus_of(code::kSource, 11, address); }
std::string target_of(std::string_view address) { return terminus_of(code::kTarget, 7, address); }

}  // namespace kyanite::amqp
