#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/amqp/message.h"
#include "protocol/base/assert.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/amqp/c2d_conversion.h"
#include "server/amqp/method_conversion.h"
#include "server/amqp/telemetry_conversion.h"
#include "server/amqp/twin_conversion.h"

namespace {

using namespace kyanite;

void check_telemetry(std::uint32_t format, std::string_view payload) {
  const auto items = read_telemetry(format, payload);
  if (!items) return;
  KYANITE_ASSERT(!items->empty());
  std::size_t bytes = 0;
  for (const TelemetryItem& item : *items) {
    bytes += item.bytes();
    for (const auto* list : {&item.properties.system, &item.properties.application}) {
      for (const Property& property : *list) {
        KYANITE_ASSERT(!property.name.empty() && is_valid_utf8(property.name));
        KYANITE_ASSERT(!property.value || is_valid_utf8(*property.value));
      }
    }
  }
  KYANITE_ASSERT(bytes <= limits::kTelemetryBytesMax);
}

// What a back end sent is what the device reads.
void check_c2d(const amqp::Message& message, WallTime now) {
  const auto send = read_c2d_send(message, now);
  if (!send) return;
  const C2dMessage& sent = send->message;
  KYANITE_ASSERT(!sent.device.empty() && sent.header.bytes <= limits::kC2dBytesMax);
  KYANITE_ASSERT(!sent.header.explicit_expiry || sent.header.expiry > now);
  const std::string bytes = write_c2d(sent);
  const auto read = amqp::read_message(bytes);
  KYANITE_ASSERT(read);
  KYANITE_ASSERT(amqp::text_of(read->properties.message_id) == sent.header.message_id);
  KYANITE_ASSERT(read->properties.to == sent.to);
  KYANITE_ASSERT(read->properties.content_type.value_or("") == sent.content_type);
  KYANITE_ASSERT(*read->body_bytes() == sent.body);
  const std::size_t with_ack = sent.header.ack == AckRequest::none ? 0 : 1;
  KYANITE_ASSERT(read->application_properties.entries.size() == sent.application.size() + with_ack);
  for (const Property& property : sent.application) {
    KYANITE_ASSERT(read->application_properties.find(property.name)->text() == *property.value);
  }
}

}  // namespace

// The first byte chooses a batch; the rest is a message as each kind of link reads it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view payload(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_telemetry(data[0] & 1 ? amqp::kFormatBatch : amqp::kFormatStandard, payload);
  const auto message = amqp::read_message(payload);
  if (!message) return 0;
  check_c2d(*message, WallTime{seconds{1'767'607'200}});
  const auto twin = read_twin_request(*message);
  KYANITE_ASSERT(!twin || twin->kind != TwinRequest::Kind::patch_reported || twin->patch.is_object());
  const auto answer = read_method_answer(*message);
  KYANITE_ASSERT(!answer || !answer->correlation_id.empty());
  return 0;
}
