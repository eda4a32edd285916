#pragma once

#include <string>

#include "protocol/base/error.h"
#include "protocol/base/time.h"

namespace kyanite {

// What a device is told of a twin request that was refused: the status of the catalogue, and a body that is
// never empty and always has an errorCode, without which Node takes the request for a success.
struct TwinRefusal {
  int status = 500;
  std::string body;
};
TwinRefusal twin_refusal(const Error& error, WallTime now);

}  // namespace kyanite
