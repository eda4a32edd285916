#pragma once

#include <string>
#include <string_view>

namespace kyanite {

std::string make_symmetric_key();  // 32 random bytes as base64; stops the process without randomness
bool is_valid_symmetric_key(
    std::string_view base64);  // standard base64 of 16 to 64 bytes (service-rest.md 4.5)
std::string hmac_sha256(std::string_view key, std::string_view text);  // 32 bytes
bool equal_in_constant_time(std::string_view a, std::string_view b);
std::string random_hex(std::size_t bytes);  // tracking ids, tokens of one run
std::string random_guid();                  // RFC 4122 version 4, lower case: correlation ids, lock tokens

}  // namespace kyanite
