#include "server/amqp/telemetry_conversion.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/amqp/property_text.h"

namespace kyanite {
namespace {

struct SystemName {
  std::string_view wire;
  std::string_view service;  // the name in the telemetry log; empty: known, but never taken from a device
};

// Application properties that are the system's in the log, as MQTT and HTTPS have them.
constexpr std::array kApplicationNames{
    SystemName{"iothub-creation-time-utc", "iothub-creation-time-utc"},
    SystemName{"iothub-outputname", "iothub-outputname"},
    SystemName{"iothub-interface-id", "iothub-interface-id"},
    SystemName{"iothub-message-schema", "iothub-message-schema"},
    SystemName{"iothub-operation", "iothub-operation"},
    SystemName{"dt-subject", "dt-subject"},
    SystemName{"iothub-ack", ""},
};
constexpr std::array kAnnotationNames{
    SystemName{"iothub-interface-id", "iothub-interface-id"},
    SystemName{"dt-subject", "dt-subject"},
    SystemName{"diagnostic-id", "iothub-diag-id"},
    SystemName{"correlation-context", "diag-correlation-context"},
};

template <std::size_t N>
const SystemName* find_name(const std::array<SystemName, N>& names, std::string_view name) {
  const auto found = std::find_if(names.begin(), names.end(), [name](const SystemName& known) {
    return equals_ignoring_case(known.wire, name);
  });
  return found == names.end() ? nullptr : &*found;
}

void put_system_property(PropertyBag& bag, std::string_view name, std::string value) {
  const auto known = std::find_if(bag.system.begin(), bag.system.end(),
                                  [name](const Property& property) { return property.name == name; });
  if (known != bag.system.end()) {
    known->value = std::move(value);
  } else {
    bag.system.push_back({std::string(name), std::move(value)});
  }
}

void put_if_given(PropertyBag& bag, std::string_view name, const std::optional<std::string>& value) {
  if (value && !value->empty()) put_system_property(bag, name, *value);
}

void put_if_given(PropertyBag& bag, std::string_view name, const std::optional<amqp::Timestamp>& time) {
  if (time) put_if_given(bag, name, time_text(*time));
}

// Of names that are equal ignoring case the last wins.
void read_application(const amqp::Map& map, PropertyBag& bag) {
  std::map<std::string, std::size_t> places;
  for (const amqp::MapEntry& entry : map.entries) {
    const auto name = entry.key.text();
    if (!name || name->empty()) continue;
    auto value = property_text(entry.value);
    if (const SystemName* system = find_name(kApplicationNames, *name)) {
      if (!system->service.empty() && value) put_system_property(bag, system->service, *std::move(value));
      continue;
    }
    Property property{std::string(*name), std::move(value)};
    const auto [place, is_new] = places.emplace(to_lower_ascii(*name), bag.application.size());
    if (is_new) {
      bag.application.push_back(std::move(property));
    } else {
      bag.application[place->second] = std::move(property);
    }
  }
}

Result<TelemetryItem> read_item(std::string_view bytes) {
  const Result<amqp::Message> message = amqp::read_message(bytes);
  if (!message) return message.error();
  const amqp::Properties& properties = message->properties;
  TelemetryItem item;
  PropertyBag& bag = item.properties;
  put_if_given(bag, "message-id", amqp::text_of(properties.message_id));
  put_if_given(bag, "correlation-id", amqp::text_of(properties.correlation_id));
  put_if_given(bag, "user-id", properties.user_id);
  put_if_given(bag, "to", properties.to);
  put_if_given(bag, "content-type", properties.content_type);
  put_if_given(bag, "content-encoding", properties.content_encoding);
  put_if_given(bag, "absolute-expiry-time", properties.absolute_expiry_time);
  put_if_given(bag, "iothub-creation-time-utc", properties.creation_time);
  for (const amqp::MapEntry& entry : message->message_annotations.entries) {
    const auto name = entry.key.text();
    const SystemName* system = name ? find_name(kAnnotationNames, *name) : nullptr;
    if (system) put_if_given(bag, system->service, property_text(entry.value));
  }
  read_application(message->application_properties, bag);
  for (const auto* list : {&bag.system, &bag.application}) {
    for (const Property& property : *list) {
      if (!is_valid_utf8(property.name) || (property.value && !is_valid_utf8(*property.value))) {
        return Error(Errc::argument_invalid, "a property is not UTF-8");
      }
    }
  }
  bag.size_bytes = counted_property_bytes(bag);
  Result<std::string> body = message->body_bytes();
  if (!body) return body.error();
  item.body = std::move(*body);
  return item;
}

}  // namespace

Result<std::vector<TelemetryItem>> read_telemetry(std::uint32_t format, std::string_view payload) {
  std::vector<std::string_view> messages{payload};
  if (format == amqp::kFormatBatch) {
    // As it came: messages without any bytes of their own cost more in the log than here.
    if (payload.size() > limits::kTelemetryBytesMax) {
      return Error(Errc::message_too_large, "a batch has at most 262144 bytes");
    }
    Result<std::vector<std::string_view>> split = amqp::split_batch(payload);
    if (!split) return split.error();
    messages = std::move(*split);
  }
  std::vector<TelemetryItem> items;
  items.reserve(messages.size());
  std::size_t bytes = 0;
  for (const std::string_view message : messages) {
    Result<TelemetryItem> item = read_item(message);
    if (!item) return item.error();
    bytes += item->bytes();
    if (bytes > limits::kTelemetryBytesMax) {
      return Error(Errc::message_too_large,
                   "a transfer has at most 262144 bytes of messages with properties");
    }
    items.push_back(std::move(*item));
  }
  return items;
}

}  // namespace kyanite
