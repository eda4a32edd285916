#pragma once

#include <cstddef>

#include "protocol/base/result.h"
#include "protocol/http/request.h"

namespace kyanite {

// x-ms-max-item-count: 1 to 1000, other numbers are moved into that range silently, 100 when it is absent
// (service-rest.md 6.1). Errors: Errc::argument_invalid for what is no whole number.
Result<std::size_t> rows_of_page(const HttpRequest& request);

}  // namespace kyanite
