#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kyanite {

// One name with its value; no value is the bag's "name" without "=".
struct Property {
  std::string name;
  std::optional<std::string> value;
  friend bool operator==(const Property&, const Property&) = default;
};

// The url-encoded properties at the end of a telemetry topic, decoded (spec device-mqtt.md 4.2, 4.3).
struct PropertyBag {
  // Service names ("message-id", "content-type", ...), from $.mid, $.ct, ...; always with a value, no name
  // twice.
  std::vector<Property> system;
  std::vector<Property> application;  // in the order sent; of names equal ignoring case the last wins
  // Sum of the sizes that count towards the message limit: values of system properties, names and values of
  // application properties (spec 4.5).
  std::size_t size_bytes = 0;
  std::size_t ignored_system = 0;  // unknown $.x names, for diagnostics
};

// Decodes the text after "messages/events/". Nothing a client writes here is refused. Text without UTF-8
// stays as it is, also where percent-decoding would make it so.
PropertyBag decode_property_bag(std::string_view text);

// What the properties count towards the size of a message: PropertyBag::size_bytes.
std::size_t counted_property_bytes(const PropertyBag& bag);

}  // namespace kyanite
