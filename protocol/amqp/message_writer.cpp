#include <optional>

#include "protocol/amqp/message.h"
#include "protocol/amqp/type_codes.h"
#include "protocol/amqp/writer.h"

namespace kyanite::amqp {
namespace {

void begin_section(Writer& writer, Section section) { writer.descriptor(static_cast<std::uint8_t>(section)); }

void append_map_section(std::string& out, Section section, const Map& map, bool symbol_keys) {
  if (map.empty()) return;
  Writer writer(out);
  begin_section(writer, section);
  writer.begin_map();
  for (const MapEntry& entry : map.entries) {
    const auto* text = entry.key.as<std::string>();
    if (symbol_keys && text)
      writer.symbol(*text);
    else
      writer.value(entry.key);
    writer.value(entry.value);
  }
  writer.end();
}

void string_field(Writer& writer, const std::optional<std::string>& text) {
  if (text)
    writer.string(*text);
  else
    writer.null();
}

void symbol_field(Writer& writer, const std::optional<std::string>& text) {
  if (text)
    writer.symbol(*text);
  else
    writer.null();
}

void time_field(Writer& writer, const std::optional<Timestamp>& time) {
  if (time)
    writer.timestamp(time->ms);
  else
    writer.null();
}

}  // namespace

void append_delivery_annotations(std::string& out, const Map& map) {
  append_map_section(out, Section::delivery_annotations, map, true);
}

void append_message_annotations(std::string& out, const Map& map) {
  append_map_section(out, Section::message_annotations, map, true);
}

void append_properties(std::string& out, const Properties& properties) {
  Writer writer(out);
  begin_section(writer, Section::properties);
  writer.begin_list();
  writer.value(properties.message_id);
  if (properties.user_id)
    writer.binary(*properties.user_id);
  else
    writer.null();
  string_field(writer, properties.to);
  string_field(writer, properties.subject);
  string_field(writer, properties.reply_to);
  writer.value(properties.correlation_id);
  symbol_field(writer, properties.content_type);
  symbol_field(writer, properties.content_encoding);
  time_field(writer, properties.absolute_expiry_time);
  time_field(writer, properties.creation_time);
  for (int i = 0; i < 3; ++i) writer.null();  // group-id, group-sequence, reply-to-group-id
  writer.end();
}

void append_application_properties(std::string& out, const Map& map) {
  append_map_section(out, Section::application_properties, map, false);
}

void append_data(std::string& out, std::string_view body) {
  Writer writer(out);
  begin_section(writer, Section::data);
  writer.binary(body);
}

void append_amqp_value(std::string& out, const Value& value) {
  Writer writer(out);
  begin_section(writer, Section::amqp_value);
  writer.value(value);
}

}  // namespace kyanite::amqp
