#pragma once

#include <string_view>

namespace kyanite {

// The trace id of a W3C traceparent header ("00-<32 hex>-<16 hex>-<2 hex>"): 32 hexadecimal digits in lower
// case, a view into `header`. Empty when the header breaks the rules, which say that it is then to be ignored
// (W3C Trace Context section 3.2): upper case, a zero id, version ff, a wrong length.
std::string_view trace_id_of(std::string_view header);

}  // namespace kyanite
