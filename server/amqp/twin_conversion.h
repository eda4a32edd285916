#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/amqp/message.h"
#include "protocol/base/json_limits.h"
#include "protocol/base/result.h"

// Requests, answers and notifications of a device's twin as AMQP messages (spec amqp.md 7.5).
namespace kyanite {

struct TwinRequest {
  enum class Kind : std::uint8_t { get, patch_reported, subscribe, unsubscribe };
  Kind kind = Kind::get;
  Json patch;                                     // of patch_reported; has passed the rules of its own
  std::optional<std::uint64_t> expected_version;  // the same
};
// Errors: argument_invalid.
Result<TwinRequest> read_twin_request(const amqp::Message& message);

// The correlation id is that of the request in its own type; null for none.
std::string write_twin_answer(const amqp::Value& correlation_id, int status,
                              std::optional<std::uint64_t> version, std::string_view body);
std::string write_desired_notification(std::uint64_t version, std::string_view body);

}  // namespace kyanite
