#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "protocol/base/result.h"
#include "protocol/mqtt/packets.h"

// One whole packet at a time; framing is the decoder's (MQTT 3.1.1 sections 2 and 3).
namespace kyanite::mqtt {

// Why no packet of a client may start with this byte: a type only servers send, QoS 2 acknowledgements (the
// hub never uses them, spec device-mqtt.md 8.7), reserved types, wrong flags (MQTT 3.1.1 section 2.2.2).
std::optional<Error> refuse_first_byte(std::uint8_t first);

// Parses what follows the remaining length. `first` has passed refuse_first_byte. Views point into `body`.
// Errors: Errc::malformed_packet.
Result<Packet> parse_packet(std::uint8_t first, std::string_view body);

}  // namespace kyanite::mqtt
