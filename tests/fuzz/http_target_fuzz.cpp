// The first byte chooses the verb, the rest is a request target. Matching a route never invents ids.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/base/assert.h"
#include "protocol/http/routes.h"

namespace {

bool is_segment(const kyanite::HttpRequest& request, const std::string& text) {
  return std::find(request.segments.begin(), request.segments.end(), text) != request.segments.end();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  kyanite::HttpRequest request;
  request.verb = static_cast<kyanite::HttpVerb>(data[0] % 8);
  kyanite::parse_http_target({reinterpret_cast<const char*>(data + 1), size - 1}, request);
  for (const std::string& segment : request.segments) {
    KYANITE_ASSERT(!segment.empty() && segment.find('/') == std::string::npos);
  }
  const auto match = kyanite::match_route(request);
  if (!match) {
    const kyanite::Errc code = match.error().code;
    KYANITE_ASSERT(code == kyanite::Errc::route_not_found || code == kyanite::Errc::method_not_allowed);
  } else {
    KYANITE_ASSERT(match->needed.rights != kyanite::Rights());
    for (const std::string& id : match->parameters) KYANITE_ASSERT(is_segment(request, id));
  }
  const auto checked = kyanite::check_api_version(request);
  KYANITE_ASSERT(!checked || request.query_value("api-version").has_value());
  return 0;
}
