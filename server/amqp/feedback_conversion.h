#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/hub/file_notification_queue.h"
#include "storage/records.h"

// What back ends receive on their links (spec amqp.md 5.2, 5.3), as encoded AMQP messages.
namespace kyanite {

// One batch. `hub_name` is the short one; SDKs want it as the user id.
std::string write_feedback(const std::vector<FeedbackRecord>& records, std::string_view hub_name,
                           WallTime now);
std::string write_file_notification(const FileNotification& notification, std::string_view hub_name);

}  // namespace kyanite
