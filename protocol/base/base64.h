#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kyanite {

// Standard base64 with padding (RFC 4648 section 4).
std::string encode_base64(std::string_view bytes);
// Strict: alphabet, padding and length must be right; nothing otherwise.
std::optional<std::string> decode_base64(std::string_view text);

std::string encode_hex(std::string_view bytes);  // lower case
std::optional<std::string> decode_hex(std::string_view text);

}  // namespace kyanite
