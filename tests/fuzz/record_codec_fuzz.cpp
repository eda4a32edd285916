#include <cstdint>
#include <string_view>

#include "protocol/base/assert.h"
#include "storage/record_codec.h"

// Stored bytes, damaged in any way: each decoder refuses or reads, and what telemetry it reads it writes
// again as something that reads the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kyanite;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)decode_identity(bytes);
  (void)decode_twin(bytes);
  (void)decode_policies(bytes);
  (void)decode_ca_certificate(bytes);
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
