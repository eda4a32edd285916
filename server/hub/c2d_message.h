#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/base/result.h"
#include "storage/records.h"

// What every adapter and the queue agree on about one cloud-to-device message.
namespace kyanite {

// "none", "positive", "negative", "full".
std::string_view to_string(AckRequest ack);
// Reads those in any case; nothing said is none. Nothing for other text.
std::optional<AckRequest> parse_ack_request(std::string_view text);

// The topic that the message is published with (spec device-mqtt.md 5.2).
std::string c2d_topic_of(const C2dMessage& message);

// Checks what a sender gave and sets header.bytes (spec device-mqtt.md 4.10, 5.2, 5.5): ids of the allowed
// characters, application properties with names that are free and a value each, text that is UTF-8, at most
// limits::kC2dBytesMax bytes in all and a topic that MQTT can carry. Errors: argument_invalid,
// message_too_large.
Result<void> check_c2d_message(C2dMessage& message);

// How a feedback record names the message: by its id, or by one made for the purpose, always the same for the
// same message (spec device-mqtt.md 5.7).
std::string feedback_message_id(std::string_view device, std::string_view generation_id,
                                const C2dHeader& header);

// Whether the sender asked to hear of this end.
bool wants_feedback(AckRequest ack, FeedbackStatus status);

}  // namespace kyanite
