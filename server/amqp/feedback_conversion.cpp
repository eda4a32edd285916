#include "server/amqp/feedback_conversion.h"

#include "protocol/amqp/message.h"
#include "protocol/base/iso_time.h"
#include "server/hub/feedback_json.h"

namespace kyanite {
namespace {

// ASCII alone: one SDK reads a rendering of the bytes that escapes all others.
std::string ascii_json(const Json& json) { return json.dump(-1, ' ', true, Json::error_handler_t::replace); }

std::string write_for_back_end(std::string_view content_type, std::string_view hub_name, WallTime enqueued,
                               std::string_view body) {
  amqp::Map annotations;
  annotations.entries.push_back(
      {amqp::Symbol{"iothub-enqueuedtime"}, amqp::Timestamp{enqueued.time_since_epoch().count()}});
  amqp::Properties properties;
  properties.user_id = std::string(hub_name);
  properties.content_type = std::string(content_type);
  std::string out;
  amqp::append_message_annotations(out, annotations);
  amqp::append_properties(out, properties);
  amqp::append_data(out, body);
  return out;
}

// Whole seconds with an offset: the parser of one SDK takes no fraction.
std::string whole_seconds(WallTime time) { return to_iso_time(time).substr(0, 19) + "+00:00"; }

}  // namespace

std::string write_feedback(const std::vector<FeedbackRecord>& records, std::string_view hub_name,
                           WallTime now) {
  return write_for_back_end(kFeedbackContentType, hub_name, now, ascii_json(feedback_to_json(records)));
}

std::string write_file_notification(const FileNotification& notification, std::string_view hub_name) {
  Json json;
  json["deviceId"] = notification.device;
  json["blobUri"] = notification.blob_uri;
  json["blobName"] = notification.blob;
  json["lastUpdatedTime"] = whole_seconds(notification.last_updated);
  json["blobSizeInBytes"] = notification.blob_bytes;
  json["enqueuedTimeUtc"] = to_iso_time(notification.enqueued);
  return write_for_back_end(kFileNotificationContentType, hub_name, notification.enqueued, ascii_json(json));
}

}  // namespace kyanite
