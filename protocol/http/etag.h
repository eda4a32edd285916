#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kyanite {

// If-Match as clients write it: "etag", etag, W/"etag", * and "*" (service-rest.md 1.6).
struct IfMatch {
  bool any = false;  // *
  std::string etag;  // without quotes
  bool matches(std::string_view current) const { return any || etag == current; }
};
std::optional<IfMatch> parse_if_match(std::optional<std::string_view> header);

std::string quote_etag(std::string_view etag);

}  // namespace kyanite
