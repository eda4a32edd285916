#include <cstdint>
#include <string_view>

#include "protocol/base/assert.h"
#include "storage/record_codec.h"

// Stored bytes, damaged in any way: each decoder refuses or reads, and what a binary record was read as is
// written again as something that reads the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kyanite;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)decode_identity(bytes);
  if (const auto twin = decode_twin(bytes)) {
    const auto slim = decode_twin(bytes, TwinTexts{false, false, false, false});
    KYANITE_ASSERT(slim && slim->version == twin->version && slim->created == twin->created);
  }
  (void)decode_policies(bytes);
  (void)decode_ca_certificate(bytes);
  (void)twin_version(bytes);
  (void)decode_session(bytes);
  if (const auto header = decode_c2d_header(7, bytes)) {
    const auto twice = decode_c2d_header(7, encode_c2d_header(*header));
    KYANITE_ASSERT(twice && *twice == *header);
  }
  if (const auto message = decode_c2d_message(bytes)) {
    const auto twice = decode_c2d_message(encode_c2d_message(*message));
    KYANITE_ASSERT(twice && *twice == *message);
  }
  if (const auto feedback = decode_feedback(7, bytes)) {
    const auto twice = decode_feedback(7, encode_feedback(*feedback));
    KYANITE_ASSERT(twice && *twice == *feedback);
  }
  const auto record = decode_telemetry(TelemetryOffset{3}, bytes);
  if (!record) return 0;
  PropertyBag bag;
  bag.system = record->system;
  bag.application = record->application;
  std::string again = encode_telemetry({record->sender, record->generation_id, record->auth_method,
                                        record->source, record->model_id, bag, record->body});
  stamp_telemetry(again, record->enqueued);
  const auto twice = decode_telemetry(TelemetryOffset{3}, again);
  KYANITE_ASSERT(twice && *twice == *record);
  return 0;
}
