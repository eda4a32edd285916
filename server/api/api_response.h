#pragma once

#include <string_view>

#include "protocol/base/json_limits.h"
#include "protocol/http/response.h"

namespace kyanite {

HttpResponse json_response(const Json& document);

// 200 with the entity tag in quotes in the header (service-rest.md 1.7). `etag` is without quotes.
HttpResponse entity_response(const Json& document, std::string_view etag);

// 204: a success without any body (service-rest.md 0.2, rule 8).
HttpResponse no_content();

// null for an empty text: clients cannot read "" where a value is absent (service-rest.md 0.2, rule 5).
Json text_or_null(std::string_view text);

}  // namespace kyanite
