// Any text is the body of a fault rule, and a route of one; what is accepted is within its limits and comes
// back the same when it is written and read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/base/assert.h"
#include "server/api/fault_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kyanite;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto route = parse_fault_route(text)) {
    route->matches(HttpVerb::get, {"twins", "d1"});
    KYANITE_ASSERT(route->text == text);
  }
  const Result<Json> json = parse_json(text);
  if (!json) return 0;
  const Result<FaultRule> rule = fault_from_json(*json);
  if (!rule) {
    KYANITE_ASSERT(rule.error().code == Errc::argument_invalid);
    return 0;
  }
  KYANITE_ASSERT(rule->duration <= limits::kFaultDurationMax &&
                 rule->begins_after <= limits::kFaultDurationMax);
  KYANITE_ASSERT(rule->wait <= limits::kFaultDelayMax && rule->routes.size() <= limits::kFaultRoutesMax);
  KYANITE_ASSERT(rule->nth >= 1 && (!rule->count || *rule->count >= 1));
  KYANITE_ASSERT(rule->connack_code >= 1 && rule->connack_code <= 5);
  const Json written = fault_to_json(FaultView{*rule});
  KYANITE_ASSERT(written["kind"].is_string() && !written["kind"].get<std::string>().empty());
  return 0;
}
