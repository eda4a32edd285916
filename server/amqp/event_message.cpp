#include "server/amqp/event_message.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "protocol/amqp/message.h"
#include "protocol/amqp/writer.h"
#include "protocol/base/iso_time.h"
#include "server/hub/message_source.h"

namespace kyanite {
namespace {

using amqp::Section;
using amqp::Writer;

std::int64_t event_ms(WallTime time) { return time.time_since_epoch().count(); }

// Decimal digits without an allocation.
struct Digits {
  explicit Digits(std::uint64_t number)
      : length(static_cast<std::size_t>(std::to_chars(text.data(), text.data() + text.size(), number).ptr -
                                        text.data())) {}
  std::string_view view() const { return {text.data(), length}; }
  std::array<char, 20> text{};
  std::size_t length;
};

// The system properties of a record that have a field in the properties section; the others are annotations,
// but for the creation time, which stays beside the device's own (6.5).
struct EventFields {
  const std::string* message_id = nullptr;
  const std::string* user_id = nullptr;
  const std::string* to = nullptr;
  const std::string* correlation_id = nullptr;
  const std::string* content_type = nullptr;
  const std::string* content_encoding = nullptr;
  std::optional<WallTime> expiry;
  const std::string* creation_time = nullptr;
};

// Where a system property goes: its place in EventFields, or nothing for an annotation.
const std::string** field_of(EventFields& fields, std::string_view name) {
  if (name == "message-id") return &fields.message_id;
  if (name == "user-id") return &fields.user_id;
  if (name == "to") return &fields.to;
  if (name == "correlation-id") return &fields.correlation_id;
  if (name == "content-type") return &fields.content_type;
  if (name == "content-encoding") return &fields.content_encoding;
  if (name == "iothub-creation-time-utc") return &fields.creation_time;
  return nullptr;
}

// An expiry time that cannot be read is shown as it came, among the annotations.
std::optional<WallTime> expiry_of(const Property& property) {
  if (property.name != "absolute-expiry-time") return std::nullopt;
  return parse_iso_time(*property.value);
}

void annotate(Writer& writer, std::string_view name, std::string_view text) {
  writer.symbol(name);
  writer.string(text);
}

void annotate_time(Writer& writer, std::string_view name, WallTime time) {
  writer.symbol(name);
  writer.timestamp(event_ms(time));
}

EventFields write_annotations(Writer& writer, const TelemetryRecord& record) {
  EventFields fields;
  const Digits offset(record.offset.value);
  writer.descriptor(static_cast<std::uint8_t>(Section::message_annotations));
  writer.begin_map();
  writer.symbol("x-opt-sequence-number");
  writer.int64(static_cast<std::int64_t>(record.offset.value));
  annotate(writer, "x-opt-offset", offset.view());
  annotate_time(writer, "x-opt-enqueued-time", record.enqueued);
  annotate(writer, "iothub-connection-device-id", record.sender.device);
  if (record.sender.is_module()) annotate(writer, "iothub-connection-module-id", record.sender.module);
  // Events of the hub itself came over no connection.
  if (!record.auth_method.empty()) annotate(writer, "iothub-connection-auth-method", record.auth_method);
  if (!record.generation_id.empty())
    annotate(writer, "iothub-connection-auth-generation-id", record.generation_id);
  annotate_time(writer, "iothub-enqueuedtime", record.enqueued);
  annotate(writer, "iothub-message-source", to_text(record.source));
  if (!record.model_id.empty()) annotate(writer, "dt-dataschema", record.model_id);
  for (const Property& property : record.system) {
    if (!property.value) continue;
    if (const std::string** field = field_of(fields, property.name)) {
      *field = &*property.value;
    } else if (const auto expiry = expiry_of(property)) {
      fields.expiry = expiry;
    } else {
      annotate(writer, property.name, *property.value);
    }
  }
  writer.end();
  return fields;
}

// The address that the event was sent to, unless the sender wrote another.
void write_to(Writer& writer, const EventFields& fields, const TelemetryRecord& record,
              std::string& scratch) {
  if (fields.to) return writer.string(*fields.to);
  if (record.source != MessageSource::telemetry) return writer.null();
  scratch = "/devices/" + record.sender.device;
  if (record.sender.is_module()) scratch += "/modules/" + record.sender.module;
  scratch += "/messages/events";
  writer.string(scratch);
}

void write_properties(Writer& writer, const EventFields& fields, const TelemetryRecord& record) {
  const auto text = [&](const std::string* value) { value ? writer.string(*value) : writer.null(); };
  const auto symbol = [&](const std::string* value) { value ? writer.symbol(*value) : writer.null(); };
  std::string scratch;
  writer.descriptor(static_cast<std::uint8_t>(Section::properties));
  writer.begin_list();
  text(fields.message_id);
  fields.user_id ? writer.binary(*fields.user_id) : writer.null();
  write_to(writer, fields, record, scratch);
  writer.null();  // subject
  writer.null();  // reply-to
  text(fields.correlation_id);
  symbol(fields.content_type);
  symbol(fields.content_encoding);
  if (fields.expiry) writer.timestamp(event_ms(*fields.expiry));
  writer.end();
}

// A property without a value has an empty one here: clients expect text (6.5).
void write_application(Writer& writer, const EventFields& fields, const TelemetryRecord& record) {
  static constexpr std::string_view creation = "iothub-creation-time-utc";
  const auto is_creation = [](const Property& property) { return property.name == creation; };
  const bool adds_creation =
      fields.creation_time && std::none_of(record.application.begin(), record.application.end(), is_creation);
  if (record.application.empty() && !adds_creation) return;
  writer.descriptor(static_cast<std::uint8_t>(Section::application_properties));
  writer.begin_map();
  for (const Property& property : record.application) {
    writer.string(property.name);
    writer.string(property.value ? std::string_view(*property.value) : std::string_view());
  }
  if (adds_creation) {
    writer.string(creation);
    writer.string(*fields.creation_time);
  }
  writer.end();
}

}  // namespace

void append_event(std::string& out, const TelemetryRecord& record) {
  Writer writer(out);
  const EventFields fields = write_annotations(writer, record);
  write_properties(writer, fields, record);
  write_application(writer, fields, record);
  writer.descriptor(static_cast<std::uint8_t>(Section::data));
  writer.binary(record.body);
}

std::string last_offset_text(const TelemetryRange& range) {
  return range.end.value == 0 ? "-1" : std::to_string(range.end.value - 1);
}

void append_runtime_metric(std::string& out, const TelemetryRange& range, WallTime now) {
  Writer writer(out);
  writer.descriptor(static_cast<std::uint8_t>(Section::delivery_annotations));
  writer.begin_map();
  writer.symbol("last_enqueued_sequence_number");
  writer.int64(static_cast<std::int64_t>(range.end.value) - 1);
  writer.symbol("last_enqueued_offset");
  writer.string(last_offset_text(range));
  annotate_time(writer, "last_enqueued_time_utc", range.last_enqueued);
  annotate_time(writer, "runtime_info_retrieval_time_utc", now);
  writer.end();
}

}  // namespace kyanite
