#include "server/hub/feedback_json.h"

#include "protocol/base/iso_time.h"

namespace kyanite {

std::string_view feedback_status_text(FeedbackStatus status) {
  switch (status) {
    case FeedbackStatus::success:
      return "Success";
    case FeedbackStatus::expired:
      return "Expired";
    case FeedbackStatus::delivery_count_exceeded:
      return "DeliveryCountExceeded";
    case FeedbackStatus::rejected:
      return "Rejected";
    case FeedbackStatus::purged:
      return "Purged";
  }
  return "Success";
}

Json feedback_to_json(const std::vector<FeedbackRecord>& records) {
  Json array = Json::array();
  for (const FeedbackRecord& record : records) {
    Json json;
    json["originalMessageId"] = record.original_message_id;
    json["enqueuedTimeUtc"] = to_iso_time(record.time);
    json["statusCode"] = feedback_status_text(record.status);
    json["description"] = feedback_status_text(record.status);
    json["deviceId"] = record.device;
    json["deviceGenerationId"] = record.generation_id;
    array.push_back(std::move(json));
  }
  return array;
}

}  // namespace kyanite
