#pragma once

#include <string>

#include "protocol/amqp/message.h"
#include "protocol/base/result.h"
#include "storage/records.h"

// Cloud-to-device messages as AMQP messages (spec amqp.md 5.1, 7.4).
namespace kyanite {

// What a back end sent. Whose it is stands in its `to`, where some SDKs percent-encode the ids and some do
// not: the decoded id is tried first, then the one as it was written.
struct C2dSend {
  C2dMessage message;  // its device is the decoded one
  std::string module;  // not empty: it is addressed to a module
  std::string device_as_written;
};

// Checked like a message over REST, but for its device. Errors: argument_invalid, message_too_large,
// message_expired.
Result<C2dSend> read_c2d_send(const amqp::Message& message, WallTime now);

// What the device receives.
std::string write_c2d(const C2dMessage& message);

}  // namespace kyanite
