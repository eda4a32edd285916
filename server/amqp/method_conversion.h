#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/amqp/message.h"
#include "protocol/base/result.h"

// Direct methods as AMQP messages (spec amqp.md 7.6).
namespace kyanite {

std::string write_method_request(const amqp::Uuid& correlation_id, std::string_view method,
                                 std::string_view body);

struct MethodAnswer {
  std::string correlation_id;  // as text, lower case
  std::int32_t status = 0;
  std::string body;
};
// Errors: argument_invalid.
Result<MethodAnswer> read_method_answer(const amqp::Message& message);

}  // namespace kyanite
