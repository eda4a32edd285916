#pragma once

#include <string_view>

#include "protocol/base/error.h"

namespace kyanite {

// One row per Errc: what HTTP and MQTT clients see. Names and numbers are the service's own
// (spec service-rest.md 3.5); `text` is the sentence a client may read.
struct ErrorRow {
  Errc code;
  std::string_view name;  // also the iothub-errorcode header
  int number;             // six digits, the first three are the HTTP status
  int http_status;
  std::string_view text;
};

const ErrorRow& error_row(Errc code);

}  // namespace kyanite
