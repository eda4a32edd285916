#include "protocol/topics/c2d_topic.h"

#include <algorithm>
#include <array>

#include "protocol/base/iso_time.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

// The names that the service's HTTPS and AMQP mappings, or an SDK, give to system properties.
constexpr std::array<std::string_view, 20> kReservedNames{
    "iothub-messageid",
    "iothub-correlationid",
    "iothub-userid",
    "iothub-to",
    "iothub-ack",
    "iothub-expiry",
    "iothub-contenttype",
    "iothub-contentencoding",
    "iothub-enqueuedtime",
    "iothub-sequencenumber",
    "iothub-deliverycount",
    "iothub-messagelocktoken",
    "iothub-operation",
    "iothub-partition-key",
    "iothub-inputname",
    "iothub-outputname",
    "iothub-connection-device-id",
    "iothub-connection-module-id",
    "iothub-connection-auth-method",
    "iothub-connection-auth-generation-id",
};

void put(std::string& topic, std::string_view key, std::string_view value) {
  if (!topic.ends_with('/')) topic += '&';
  topic += key;
  topic += '=';
  topic += percent_encode(value);
}

void put_if_set(std::string& topic, std::string_view key, std::string_view value) {
  if (!value.empty()) put(topic, key, value);
}

}  // namespace

std::string c2d_topic(const C2dTopicParts& parts) {
  std::string topic = "devices/";
  topic += parts.device;
  topic += "/messages/devicebound/";
  // The C SDK knows a system property by the literal "%24.", and Java starts to read at the first one.
  put_if_set(topic, "%24.mid", parts.message_id);
  if (parts.expiry) put(topic, "%24.exp", to_iso_time(*parts.expiry));
  if (parts.to.empty()) {
    put(topic, "%24.to", "/devices/" + std::string(parts.device) + "/messages/devicebound");
  } else {
    put(topic, "%24.to", parts.to);
  }
  put_if_set(topic, "%24.cid", parts.correlation_id);
  put_if_set(topic, "%24.uid", parts.user_id);
  put_if_set(topic, "%24.ct", parts.content_type);
  put_if_set(topic, "%24.ce", parts.content_encoding);
  put_if_set(topic, "iothub-ack", parts.ack);
  for (const Property& property : parts.application) {
    topic += '&';
    topic += percent_encode(property.name);
    if (!property.value) continue;
    topic += '=';
    topic += percent_encode(*property.value);
  }
  return topic;
}

bool is_reserved_c2d_name(std::string_view name) {
  if (name.starts_with("$.")) return true;
  return std::any_of(kReservedNames.begin(), kReservedNames.end(),
                     [name](std::string_view reserved) { return equals_ignoring_case(name, reserved); });
}

bool is_valid_message_id(std::string_view id) {
  constexpr std::string_view kPunctuation = "-:.+%_#*?!(),=@;$'";
  return id.size() <= limits::kIdBytesMax && std::all_of(id.begin(), id.end(), [&](char c) {
           return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  kPunctuation.find(c) != std::string_view::npos;
         });
}

}  // namespace kyanite
