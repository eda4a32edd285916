#pragma once

#include <string_view>

namespace kyanite::mqtt {

// Whether the bytes may stand in an MQTT string: well-formed UTF-8 without surrogates and without U+0000
// (MQTT 3.1.1 section 1.5.3). ASCII, the usual case, is checked eight bytes at a time.
bool is_mqtt_string(std::string_view text);

}  // namespace kyanite::mqtt
