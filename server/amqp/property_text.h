#pragma once

#include <optional>
#include <string>

#include "protocol/amqp/value.h"

namespace kyanite {

// An application property's value as the text that the hub keeps, since over MQTT and HTTPS every property is
// one: numbers in decimal, true and false, times in ISO 8601, uuids in canonical form. Nothing for null, for
// compounds and for times that have no text.
std::optional<std::string> property_text(const amqp::Value& value);

// In ISO 8601; nothing outside of the years 1 to 9999, which it cannot write.
std::optional<std::string> time_text(amqp::Timestamp time);

// The 16 bytes of a GUID: what a receiver in C# takes for a lock token (spec amqp.md 2.6).
std::string guid_bytes(std::string_view guid);

}  // namespace kyanite
