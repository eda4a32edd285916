#pragma once

#include <string>
#include <string_view>

#include "server/api/api_call.h"

namespace kyanite {

// openapi.json as it stands in the source tree, part of the program.
std::string_view openapi_text();

// The same as it is served: without test control the routes for tests are left out.
const std::string& openapi_document(bool test_control);

// GET /kyanite/v1/openapi.json: OpenAPI 3.0 of every route the hub serves.
void get_openapi(const ApiCall& call, Reply<HttpResponse> reply);

}  // namespace kyanite
