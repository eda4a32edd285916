// What is accepted as a connection string is written and read again without a change.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/auth/connection_string.h"
#include "protocol/base/assert.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = kyanite::parse_connection_string({reinterpret_cast<const char*>(data), size});
  if (!value) {
    KYANITE_ASSERT(value.error().code == kyanite::Errc::argument_invalid);
    return 0;
  }
  const auto again = kyanite::parse_connection_string(kyanite::to_string(*value));
  KYANITE_ASSERT(again && *again == *value);
  return 0;
}
