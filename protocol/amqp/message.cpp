#include "protocol/amqp/message.h"

#include <utility>

#include "protocol/amqp/fields.h"
#include "protocol/amqp/reader.h"

namespace kyanite::amqp {
namespace {

Error bad_message(const char* detail) { return {Errc::malformed_packet, detail}; }

// Walks the sections of a message and holds them to their order.
class SectionReader {
 public:
  explicit SectionReader(std::string_view bytes) : reader_(bytes) {}

  bool at_end() const { return reader_.at_end(); }
  Reader& reader() { return reader_; }
  // The next section, whose value follows in reader().
  Result<Section> next() {
    const auto code = reader_.descriptor();
    if (!code) return code.error();
    if (*code < static_cast<std::uint64_t>(Section::header) ||
        *code > static_cast<std::uint64_t>(Section::footer))
      return bad_message("a message has an unknown section");
    const auto section = static_cast<Section>(*code);
    const bool repeats = section == Section::data || section == Section::amqp_sequence;
    if (last_ && (section < *last_ || (section == *last_ && !repeats)))
      return bad_message("the sections of a message are not in their order");
    if (last_ && is_body(*last_) && is_body(section) && section != *last_)
      return bad_message("a message has bodies of two kinds");
    last_ = section;
    return section;
  }

 private:
  static bool is_body(Section section) { return section >= Section::data && section <= Section::amqp_value; }

  Reader reader_;
  std::optional<Section> last_;
};

// An id of the kinds that the standard knows, and other scalars as they are: it is only sent back.
Value id_field(Fields& fields) {
  Value id = fields.value();
  if (id.as<List>() || id.as<Map>() || id.as<Array>() || id.as<Described>()) {
    fields.fail("a message id is no scalar");
    return {};
  }
  return id;
}

std::optional<std::string> owned(std::optional<std::string_view> text) {
  if (!text) return std::nullopt;
  return std::string(*text);
}

std::optional<Timestamp> owned(std::optional<std::int64_t> ms) {
  if (!ms) return std::nullopt;
  return Timestamp{*ms};
}

Result<void> read_header(Reader& reader, Message& message) {
  const auto list = reader.list();
  if (!list) return list.error();
  Fields fields(*list);
  fields.skip();  // durable
  fields.skip();  // priority
  message.ttl_ms = fields.number<std::uint32_t>();
  return fields.finish();
}

Result<void> read_properties(Reader& reader, Properties& properties) {
  const auto list = reader.list();
  if (!list) return list.error();
  Fields fields(*list);
  properties.message_id = id_field(fields);
  properties.user_id = owned(fields.binary());
  properties.to = owned(fields.text());
  properties.subject = owned(fields.text());
  properties.reply_to = owned(fields.text());
  properties.correlation_id = id_field(fields);
  properties.content_type = owned(fields.text());
  properties.content_encoding = owned(fields.text());
  properties.absolute_expiry_time = owned(fields.timestamp());
  properties.creation_time = owned(fields.timestamp());
  return fields.finish();
}

Result<void> read_map(Reader& reader, Map& map) {
  Result<Value> value = reader.value();
  if (!value) return value.error();
  if (value->is_null()) return {};
  auto* read = std::get_if<Map>(&value->of);
  if (!read) return bad_message("a section of a message is no map");
  map = std::move(*read);
  return {};
}

Result<void> read_data(Reader& reader, std::vector<std::string_view>& data) {
  const auto bytes = reader.binary();
  if (!bytes) return bytes.error();
  data.push_back(bytes->value_or(std::string_view()));
  return {};
}

Result<void> read_section(Section section, Reader& reader, Message& message) {
  switch (section) {
    case Section::header:
      return read_header(reader, message);
    case Section::delivery_annotations:
      return read_map(reader, message.delivery_annotations);
    case Section::message_annotations:
      return read_map(reader, message.message_annotations);
    case Section::properties:
      return read_properties(reader, message.properties);
    case Section::application_properties:
      return read_map(reader, message.application_properties);
    case Section::data:
      message.body_kind = BodyKind::data;
      return read_data(reader, message.data);
    case Section::amqp_sequence: {
      message.body_kind = BodyKind::sequence;
      const auto encoded = reader.encoded();
      if (!encoded) return encoded.error();
      if (const auto list = Reader(*encoded).list(); !list) return list.error();
      return {};
    }
    case Section::amqp_value: {
      message.body_kind = BodyKind::value;
      Result<Value> value = reader.value();
      if (!value) return value.error();
      message.value = std::move(*value);
      return {};
    }
    case Section::footer:
      return reader.skip();
  }
  return bad_message("a message has an unknown section");
}

}  // namespace

Result<std::string> Message::body_bytes() const {
  std::string bytes;
  switch (body_kind) {
    case BodyKind::none:
      return bytes;
    case BodyKind::data:
      for (const std::string_view section : data) bytes.append(section);
      return bytes;
    case BodyKind::value:
      if (value.is_null()) return bytes;
      if (const auto* text = value.as<std::string>()) return *text;
      if (const auto* binary = value.as<Binary>()) return binary->bytes;
      return Error(Errc::argument_invalid,
                   "the body of a message is a value that is neither string nor binary");
    case BodyKind::sequence:
      return Error(Errc::argument_invalid, "the body of a message is a sequence");
  }
  return bytes;
}

Result<Message> read_message(std::string_view bytes) {
  Message message;
  SectionReader sections(bytes);
  while (!sections.at_end()) {
    const Result<Section> section = sections.next();
    if (!section) return section.error();
    if (auto read = read_section(*section, sections.reader(), message); !read) return read.error();
  }
  return message;
}

Result<std::vector<std::string_view>> split_batch(std::string_view bytes) {
  std::vector<std::string_view> messages;
  SectionReader sections(bytes);
  while (!sections.at_end()) {
    const Result<Section> section = sections.next();
    if (!section) return section.error();
    if (*section == Section::amqp_sequence || *section == Section::amqp_value)
      return bad_message("a batch has a body that is not data");
    auto read = *section == Section::data ? read_data(sections.reader(), messages) : sections.reader().skip();
    if (!read) return read.error();
  }
  if (messages.empty()) return bad_message("a batch has no message");
  return messages;
}

}  // namespace kyanite::amqp
