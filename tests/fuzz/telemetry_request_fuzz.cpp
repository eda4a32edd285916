#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/base/assert.h"
#include "protocol/base/limits.h"
#include "server/api/telemetry_request.h"

// Headers as lines "name: value", an empty line, the body. Whatever is accepted fits its limits, and says its
// size truly.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kyanite;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  HttpRequest request;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) break;
    const std::size_t colon = std::min(line.find(": "), line.size());
    request.headers.emplace_back(line.substr(0, colon), line.substr(std::min(colon + 2, line.size())));
  }
  request.body = rest;
  const auto items = parse_telemetry_request(request);
  if (!items) return 0;
  KYANITE_ASSERT(!items->empty() && items->size() <= limits::kTelemetryBatchMax);
  std::size_t bytes = 0;
  for (const TelemetryItem& item : *items) {
    KYANITE_ASSERT(item.properties.size_bytes == counted_property_bytes(item.properties));
    bytes += item.bytes();
    for (const Property& property : item.properties.system) KYANITE_ASSERT(property.value.has_value());
  }
  KYANITE_ASSERT(bytes <= limits::kTelemetryBytesMax);
  return 0;
}
