#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/assert.h"
#include "protocol/topics/device_topic.h"

// The input: one byte that chooses an identity, then a text that is tried as a topic and as a filter.
namespace {

using namespace kyanite;

const Identity kIdentities[] = {{"d1", ""}, {"d1", "m1"}, {"a+b#c", ""}, {"a+b#c", "$m+"}};

bool inside(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_topic(const DeviceTopic& parsed, std::string_view topic, const Identity& self) {
  if (const auto* telemetry = std::get_if<TelemetryTopic>(&parsed)) {
    KYANITE_ASSERT(inside(telemetry->bag, topic));
    KYANITE_ASSERT(telemetry->bag.find_first_of("+#") == std::string_view::npos);
    KYANITE_ASSERT(topic.starts_with("devices/" + self.device + "/"));
  } else if (const auto* get = std::get_if<TwinGetTopic>(&parsed)) {
    KYANITE_ASSERT(inside(get->request_id, topic) && !get->request_id.empty());
  } else if (const auto* patch = std::get_if<TwinPatchReportedTopic>(&parsed)) {
    KYANITE_ASSERT(inside(patch->request_id, topic) && inside(patch->version, topic));
  } else if (const auto* response = std::get_if<MethodResponseTopic>(&parsed)) {
    KYANITE_ASSERT(inside(response->status, topic) && !response->status.empty());
    KYANITE_ASSERT(inside(response->request_id, topic) && !response->request_id.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Identity& self = kIdentities[data[0] % std::size(kIdentities)];
  // A copy of exactly this size, so that reading beyond it is seen.
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto topic = parse_device_topic(text, self);
  if (topic) check_topic(*topic, text, self);
  const auto filter = parse_device_filter(text, self);
  KYANITE_ASSERT(!topic || !filter);  // no text is both
  if (filter) KYANITE_ASSERT(text.ends_with("#"));
  return 0;
}
