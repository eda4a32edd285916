#pragma once

#include <vector>

#include "protocol/base/json_limits.h"
#include "server/hub/file_notification_queue.h"
#include "storage/records.h"

// What back ends read of the ends of messages and uploads, over REST and AMQP alike (spec amqp.md 5.2, 5.3).
namespace kyanite {

inline constexpr std::string_view kFeedbackContentType = "application/vnd.microsoft.iothub.feedback.json";
inline constexpr std::string_view kFileNotificationContentType =
    "application/vnd.microsoft.iothub.filenotification.json";

// "Success", "Expired", "DeliveryCountExceeded", "Rejected", "Purged".
std::string_view feedback_status_text(FeedbackStatus status);

Json feedback_to_json(const std::vector<FeedbackRecord>& records);

}  // namespace kyanite
