#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/amqp/value.h"
#include "protocol/amqp/writer.h"
#include "protocol/base/result.h"

// Messages of AMQP 1.0 (part 3 of the standard), cut into sections and put together from them.
namespace kyanite::amqp {

inline constexpr std::uint32_t kFormatStandard = 0;
inline constexpr std::uint32_t kFormatBatch =
    0x80013700;  // each data section is a message (spec amqp.md 2.7)

// The properties section, read. Text is nothing when absent.
struct Properties {
  Value message_id;  // string, ulong, uuid, binary or null
  std::optional<std::string> user_id;
  std::optional<std::string> to;
  std::optional<std::string> subject;
  std::optional<std::string> reply_to;
  Value correlation_id;
  std::optional<std::string> content_type;      // a symbol on the wire
  std::optional<std::string> content_encoding;  // a symbol on the wire
  std::optional<Timestamp> absolute_expiry_time;
  std::optional<Timestamp> creation_time;
};

enum class BodyKind : std::uint8_t { none, data, value, sequence };

// A message that came, read as far as the hub needs it. Views go into its bytes.
struct Message {
  std::optional<std::uint32_t> ttl_ms;  // of the header
  Map delivery_annotations;
  Map message_annotations;
  Properties properties;
  Map application_properties;
  BodyKind body_kind = BodyKind::none;
  std::vector<std::string_view> data;  // of body_kind data, one for each section
  Value value;                         // of body_kind value

  // The body as bytes (spec 2.7): data sections joined, a value that is string or binary, nothing for none
  // and null. Errors: argument_invalid for another value and for sequences.
  Result<std::string> body_bytes() const;
};

// Sections in their order, each at most once but for data and sequences; unknown ones are malformed. Errors:
// malformed_packet.
Result<Message> read_message(std::string_view bytes);

// What a batch (kFormatBatch) holds: the bytes of each message. Errors: malformed_packet when a body has
// anything but data, or no message at all.
Result<std::vector<std::string_view>> split_batch(std::string_view bytes);

// Sections of a message to be sent, each appended as a whole; to be called in the order of the standard.
// Maps that are empty write nothing.
void append_delivery_annotations(std::string& out, const Map& map);
void append_message_annotations(std::string& out, const Map& map);  // keys become symbols
void append_properties(std::string& out, const Properties& properties);
void append_application_properties(std::string& out, const Map& map);
void append_data(std::string& out, std::string_view body);
void append_amqp_value(std::string& out, const Value& value);

// Descriptor codes of the sections, for who writes them without building maps.
enum class Section : std::uint8_t {
  header = 0x70,
  delivery_annotations = 0x71,
  message_annotations = 0x72,
  properties = 0x73,
  application_properties = 0x74,
  data = 0x75,
  amqp_sequence = 0x76,
  amqp_value = 0x77,
  footer = 0x78
};

}  // namespace kyanite::amqp
