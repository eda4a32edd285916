// The first line is the client id, the rest the user name. An accepted user name names exactly the client id.
#include <cstddef>
#include <cstdint>
#include <string>

#include "protocol/auth/username.h"
#include "protocol/base/assert.h"
#include "protocol/base/percent_encoding.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line_end = input.find('\n');
  if (line_end == std::string_view::npos) return 0;
  const std::string_view client_id = input.substr(0, line_end);
  const auto username = kyanite::parse_mqtt_username(input.substr(line_end + 1), client_id);
  if (!username) {
    KYANITE_ASSERT(username.error().code == kyanite::Errc::unauthorized);
    return 0;
  }
  std::string name = username->identity.device;
  if (username->identity.is_module()) name += "/" + username->identity.module;
  KYANITE_ASSERT(name == client_id);
  KYANITE_ASSERT(!username->host.empty());
  KYANITE_ASSERT(kyanite::is_valid_utf8(username->api_version) &&
                 kyanite::is_valid_utf8(username->client_type) && kyanite::is_valid_utf8(username->model_id));
  return 0;
}
