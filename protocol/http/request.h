#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/base/peer_info.h"

namespace kyanite {

enum class HttpVerb { get, put, post, patch, del, head, options, other };

// A request as the API layer sees it: decoded once, no Beast types.
struct HttpRequest {
  HttpVerb verb = HttpVerb::other;    // after X-HTTP-Method-Override (service-rest.md 1.5)
  std::string target;                 // as sent, for logs (no query)
  std::vector<std::string> segments;  // decoded path, empty ones dropped (1.4)
  std::vector<std::pair<std::string, std::string>> query;    // decoded, names lower-cased
  std::vector<std::pair<std::string, std::string>> headers;  // names as sent; header() ignores case
  std::string body;
  PeerInfo peer;
  bool was_judged_early = false;  // HttpRequestHandler::refuse_early has seen the head
  std::string tracking_id;        // 32 hex digits, also the x-ms-request-id

  std::optional<std::string_view> header(std::string_view lower_name) const;
  std::optional<std::string_view> query_value(std::string_view lower_name) const;
};

// Splits and decodes a request target: path segments and query (service-rest.md 1.4). '+' stays '+' in both.
// Never fails: what is not a known path ends at match_route().
void parse_http_target(std::string_view target, HttpRequest& request);

HttpVerb parse_http_verb(std::string_view text);
std::string_view to_text(HttpVerb verb);

// X-HTTP-Method-Override of a POST: PATCH, PUT or DELETE, before routing (service-rest.md 1.5). Needs the
// headers.
void apply_method_override(HttpRequest& request);

}  // namespace kyanite
