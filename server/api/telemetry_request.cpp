#include "server/api/telemetry_request.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "protocol/base/base64.h"
#include "protocol/base/json_limits.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"
#include "server/api/message_headers.h"

namespace kyanite {
namespace {

constexpr std::string_view kBatchType = "application/vnd.microsoft.iothub.json";

struct SystemHeader {
  std::string_view header;
  std::string_view service;  // the name in the telemetry log; empty: known, but never taken from a device
};

constexpr std::array kSystemHeaders{
    SystemHeader{"iothub-messageid", "message-id"},
    SystemHeader{"iothub-correlationid", "correlation-id"},
    SystemHeader{"iothub-userid", "user-id"},
    SystemHeader{"iothub-to", "to"},
    SystemHeader{"iothub-expiry", "absolute-expiry-time"},
    SystemHeader{"iothub-ack", ""},
    SystemHeader{"iothub-contenttype", "content-type"},
    SystemHeader{"iothub-contentencoding", "content-encoding"},
    SystemHeader{"iothub-creationtimeutc", "iothub-creation-time-utc"},
    SystemHeader{"iothub-interface-id", "iothub-interface-id"},
    SystemHeader{"iothub-messageschema", "iothub-message-schema"},
    SystemHeader{"iothub-operation", "iothub-operation"},
    SystemHeader{"iothub-outputname", "iothub-outputname"},
    SystemHeader{"dt-subject", "dt-subject"},
};

void put_system(std::vector<Property>& system, std::string_view name, std::string_view value) {
  const auto known = std::find_if(system.begin(), system.end(),
                                  [name](const Property& property) { return property.name == name; });
  if (known != system.end()) {
    known->value = std::string(value);
  } else {
    system.push_back({std::string(name), std::string(value)});
  }
}

// One header, or member of a batch's properties; others are not the message's.
void put_property(PropertyBag& bag, std::string_view name, std::string_view value) {
  if (const auto application = application_name(name)) {
    if (!application->empty()) put_application(bag.application, *application, value);
    return;
  }
  const auto known =
      std::find_if(kSystemHeaders.begin(), kSystemHeaders.end(),
                   [name](const SystemHeader& system) { return equals_ignoring_case(system.header, name); });
  if (known == kSystemHeaders.end() || known->service.empty() || value.empty()) return;
  put_system(bag.system, known->service, value);
}

bool has_system(const PropertyBag& bag, std::string_view name) {
  return std::any_of(bag.system.begin(), bag.system.end(),
                     [name](const Property& property) { return property.name == name; });
}

bool is_batch(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  const std::size_t end = type.find_last_not_of(' ');
  return equals_ignoring_case(type.substr(0, end == std::string_view::npos ? 0 : end + 1), kBatchType);
}

TelemetryItem parse_single(const HttpRequest& request) {
  TelemetryItem item;
  for (const auto& [name, value] : request.headers) put_property(item.properties, name, value);
  for (const auto& [service, header] :
       {std::pair("content-type", "content-type"), std::pair("content-encoding", "content-encoding")}) {
    const std::string_view value = last_header(request, header);
    if (!value.empty() && !has_system(item.properties, service)) {
      put_system(item.properties.system, service, value);
    }
  }
  item.body = request.body;
  return item;
}

Error bad_item(std::size_t index, const std::string& what) {
  return Error(Errc::argument_invalid, "message " + std::to_string(index) + " of the batch: " + what);
}

Result<TelemetryItem> parse_item(const Json& json, std::size_t index) {
  if (!json.is_object()) return bad_item(index, "it must be an object");
  const Json* body = find_member(json, "body");
  if (!body || !body->is_string()) return bad_item(index, "body must be a text");
  bool is_base64 = true;
  if (const Json* encoded = find_member(json, "base64Encoded"); encoded && !encoded->is_null()) {
    if (!encoded->is_boolean()) return bad_item(index, "base64Encoded must be true or false");
    is_base64 = encoded->get<bool>();
  }
  TelemetryItem item;
  item.body = body->get<std::string>();
  if (is_base64) {
    auto decoded = decode_base64(item.body);
    if (!decoded) return bad_item(index, "body must be base64");
    item.body = *std::move(decoded);
  }
  const Json* properties = find_member(json, "properties");
  if (!properties || properties->is_null()) return item;
  if (!properties->is_object()) return bad_item(index, "properties must be an object");
  for (const auto& [name, value] : members_of(*properties)) {
    if (value.is_null()) continue;
    if (value.is_object() || value.is_array()) return bad_item(index, "a property must be a text");
    put_property(item.properties, name, value.is_string() ? value.get<std::string>() : dump_json(value));
  }
  return item;
}

Result<std::vector<TelemetryItem>> parse_batch(std::string_view body) {
  const Result<Json> json = parse_json(body);
  if (!json) return json.error();
  if (!json->is_array() || json->empty()) {
    return Error(Errc::argument_invalid, "a batch must be an array of at least one message");
  }
  if (json->size() > limits::kTelemetryBatchMax) {
    return Error(Errc::message_too_large,
                 "a batch has at most " + std::to_string(limits::kTelemetryBatchMax) + " messages");
  }
  std::vector<TelemetryItem> items;
  for (const Json& entry : *json) {
    Result<TelemetryItem> item = parse_item(entry, items.size());
    if (!item) return item.error();
    items.push_back(std::move(*item));
  }
  return items;
}

}  // namespace

Result<std::vector<TelemetryItem>> parse_telemetry_request(const HttpRequest& request) {
  std::vector<TelemetryItem> items;
  if (is_batch(last_header(request, "content-type"))) {
    Result<std::vector<TelemetryItem>> batch = parse_batch(request.body);
    if (!batch) return batch.error();
    items = std::move(*batch);
  } else {
    items.push_back(parse_single(request));
  }
  std::size_t bytes = 0;
  for (TelemetryItem& item : items) {
    item.properties.size_bytes = counted_property_bytes(item.properties);
    bytes += item.bytes();
  }
  if (bytes > limits::kTelemetryBytesMax) {
    return Error(Errc::message_too_large,
                 "a request has at most 262144 bytes of messages with their properties");
  }
  return items;
}

}  // namespace kyanite
