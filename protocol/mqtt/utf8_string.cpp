#include "protocol/mqtt/utf8_string.h"

#include <cstdint>
#include <cstring>

#include "protocol/base/percent_encoding.h"

namespace kyanite::mqtt {

bool is_mqtt_string(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080u;
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  std::size_t pos = 0;
  for (; pos + sizeof(std::uint64_t) <= text.size(); pos += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + pos, sizeof word);
    // The subtraction borrows into a high bit exactly when one of the bytes is zero (all being below 0x80).
    if (((word | (word - kOnes)) & kHighBits) != 0) break;
  }
  const std::string_view rest = text.substr(pos);
  return rest.find('\0') == std::string_view::npos && is_valid_utf8(rest);
}

}  // namespace kyanite::mqtt
