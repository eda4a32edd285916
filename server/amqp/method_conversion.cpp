#include "server/amqp/method_conversion.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr std::string_view kMethodName = "IoThub-methodname";
constexpr std::string_view kMethodStatus = "IoThub-status";

const amqp::Value* find_ignoring_case(const amqp::Map& map, std::string_view name) {
  for (const amqp::MapEntry& entry : map.entries) {
    const auto key = entry.key.text();
    if (key && equals_ignoring_case(*key, name)) return &entry.value;
  }
  return nullptr;
}

// An int; some stacks write every number as a double, or as its text.
std::optional<std::int32_t> method_status(const amqp::Value* value) {
  constexpr std::int64_t kMin = std::numeric_limits<std::int32_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
  if (!value) return std::nullopt;
  std::optional<std::int64_t> number = value->integer();
  if (const double* real = value->as<double>(); real && std::abs(*real) <= kMax && std::floor(*real) == *real)
    number = static_cast<std::int64_t>(*real);
  if (const auto text = value->text()) {
    std::int64_t read = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), read);
    if (error == std::errc() && end == text->data() + text->size()) number = read;
  }
  if (!number || *number < kMin || *number > kMax) return std::nullopt;
  return static_cast<std::int32_t>(*number);
}

}  // namespace

std::string write_method_request(const amqp::Uuid& correlation_id, std::string_view method,
                                 std::string_view body) {
  amqp::Properties properties;
  properties.correlation_id = correlation_id;
  amqp::Map application;
  application.entries.push_back({std::string(kMethodName), std::string(method)});
  std::string out;
  amqp::append_properties(out, properties);
  amqp::append_application_properties(out, application);
  amqp::append_data(out, body);
  return out;
}

Result<MethodAnswer> read_method_answer(const amqp::Message& message) {
  MethodAnswer answer;
  answer.correlation_id = to_lower_ascii(amqp::text_of(message.properties.correlation_id));
  if (answer.correlation_id.empty()) {
    return Error(Errc::argument_invalid, "the answer to a method has no correlation-id");
  }
  const auto status = method_status(find_ignoring_case(message.application_properties, kMethodStatus));
  if (!status)
    return Error(Errc::argument_invalid, "the answer to a method has no IoThub-status that is an int");
  answer.status = *status;
  Result<std::string> body = message.body_bytes();
  if (!body) return body.error();
  answer.body = std::move(*body);
  return answer;
}

}  // namespace kyanite
