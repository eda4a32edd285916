#include "server/amqp/twin_conversion.h"

#include <charconv>
#include <utility>

#include "protocol/base/percent_encoding.h"
#include "protocol/twin/twin_request.h"

namespace kyanite {
namespace {

constexpr std::string_view kReported = "/properties/reported";
constexpr std::string_view kDesired = "/properties/desired";
constexpr std::string_view kDesiredNotifications = "/notifications/twin/properties/desired";

std::string_view annotation(const amqp::Message& message, std::string_view name) {
  const amqp::Value* value = message.message_annotations.find(name);
  return value ? value->text().value_or(std::string_view()) : std::string_view();
}

// Absent and null: any.
Result<std::optional<std::uint64_t>> expected_version(const amqp::Message& message) {
  const amqp::Value* value = message.message_annotations.find("version");
  if (!value || value->is_null()) return std::optional<std::uint64_t>();
  if (const auto number = value->integer(); number && *number >= 0) {
    return std::optional<std::uint64_t>(static_cast<std::uint64_t>(*number));
  }
  if (const auto text = value->text()) {
    if (text->empty()) return std::optional<std::uint64_t>();
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
    if (error == std::errc() && end == text->data() + text->size())
      return std::optional<std::uint64_t>(number);
  }
  return Error(Errc::argument_invalid, "version is not a number");
}

Result<TwinRequest> read_patch_request(const amqp::Message& message) {
  TwinRequest request{TwinRequest::Kind::patch_reported, {}, {}};
  auto version = expected_version(message);
  if (!version) return version.error();
  request.expected_version = *version;
  const Result<std::string> body = message.body_bytes();
  if (!body) return body.error();
  Result<Json> patch = parse_reported_patch(*body);
  if (!patch) return patch.error();
  request.patch = std::move(*patch);
  return request;
}

std::string write_twin_message(const amqp::Map& annotations, const amqp::Value& correlation_id,
                               std::string_view body) {
  amqp::Properties properties;
  properties.correlation_id = correlation_id;
  std::string out;
  amqp::append_message_annotations(out, annotations);
  if (!correlation_id.is_null()) amqp::append_properties(out, properties);
  amqp::append_data(out, body);
  return out;
}

}  // namespace

Result<TwinRequest> read_twin_request(const amqp::Message& message) {
  const std::string_view operation = annotation(message, "operation");
  const std::string_view resource = annotation(message, "resource");
  if (equals_ignoring_case(operation, "GET")) return TwinRequest{};
  if (equals_ignoring_case(operation, "PATCH") && equals_ignoring_case(resource, kReported)) {
    return read_patch_request(message);
  }
  if (equals_ignoring_case(resource, kDesiredNotifications)) {
    if (equals_ignoring_case(operation, "PUT")) return TwinRequest{TwinRequest::Kind::subscribe, {}, {}};
    if (equals_ignoring_case(operation, "DELETE")) return TwinRequest{TwinRequest::Kind::unsubscribe, {}, {}};
  }
  return Error(Errc::argument_invalid, "operation and resource name nothing that a twin can do");
}

std::string write_twin_answer(const amqp::Value& correlation_id, int status,
                              std::optional<std::uint64_t> version, std::string_view body) {
  amqp::Map annotations;
  annotations.entries.push_back({amqp::Symbol{"status"}, static_cast<std::int32_t>(status)});
  if (version) {
    annotations.entries.push_back({amqp::Symbol{"version"}, static_cast<std::int64_t>(*version)});
  }
  return write_twin_message(annotations, correlation_id, body);
}

std::string write_desired_notification(std::uint64_t version, std::string_view body) {
  amqp::Map annotations;
  annotations.entries.push_back({amqp::Symbol{"resource"}, std::string(kDesired)});
  annotations.entries.push_back({amqp::Symbol{"version"}, static_cast<std::int64_t>(version)});
  return write_twin_message(annotations, {}, body);
}

}  // namespace kyanite
