#include "server/device/twin_response.h"

#include <utility>

#include "protocol/twin/twin_json.h"
#include "server/hub/twin_refusal.h"

namespace kyanite {
namespace {

std::string twin_response_topic(int status, std::string_view request_id) {
  std::string topic = "$iothub/twin/res/" + std::to_string(status) + "/?$rid=";
  topic += request_id;
  return topic;
}

}  // namespace

TwinResponse twin_read_response(std::string_view request_id, const TwinRecord& twin) {
  return {twin_response_topic(200, request_id),
          device_twin_body(twin.desired, twin.desired_version, twin.reported, twin.reported_version)};
}

TwinResponse reported_accepted_response(std::string_view request_id, std::uint64_t version) {
  return {twin_response_topic(204, request_id) + "&$version=" + std::to_string(version), std::string()};
}

TwinResponse twin_refused_response(std::string_view request_id, const Error& error, WallTime now) {
  TwinRefusal refusal = twin_refusal(error, now);
  return {twin_response_topic(refusal.status, request_id), std::move(refusal.body)};
}

std::string desired_notification_topic(std::uint64_t version) {
  return "$iothub/twin/PATCH/properties/desired/?$version=" + std::to_string(version);
}

}  // namespace kyanite
