#include "server/api/c2d_request.h"

#include <algorithm>
#include <array>
#include <utility>

#include "protocol/base/iso_time.h"
#include "protocol/base/percent_encoding.h"
#include "server/api/message_headers.h"
#include "server/hub/c2d_message.h"

namespace kyanite {
namespace {

std::string first_given(const HttpRequest& request, std::string_view name, std::string_view otherwise) {
  const std::string_view value = last_header(request, name);
  return std::string(value.empty() ? last_header(request, otherwise) : value);
}

std::optional<int> two_digits(std::string_view text) {
  if (text.size() != 2 || text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
    return std::nullopt;
  return (text[0] - '0') * 10 + (text[1] - '0');
}

}  // namespace

std::optional<WallTime> parse_expiry(std::string_view text) {
  if (text.ends_with('Z')) return parse_iso_time(text);
  constexpr std::size_t kOffsetBytes = 6;  // +hh:mm
  if (text.size() <= kOffsetBytes) return std::nullopt;
  const std::string_view offset = text.substr(text.size() - kOffsetBytes);
  if ((offset[0] != '+' && offset[0] != '-') || offset[3] != ':') return std::nullopt;
  const auto hours = two_digits(offset.substr(1, 2));
  const auto minutes = two_digits(offset.substr(4, 2));
  if (!hours || !minutes || *hours > 14 || *minutes > 59) return std::nullopt;
  const auto local = parse_iso_time(std::string(text.substr(0, text.size() - kOffsetBytes)) + 'Z');
  if (!local) return std::nullopt;
  const std::chrono::minutes ahead{(*hours * 60 + *minutes) * (offset[0] == '-' ? -1 : 1)};
  return *local - ahead;
}

Result<C2dMessage> parse_c2d_request(const HttpRequest& request, std::string device, WallTime now) {
  C2dMessage message;
  message.device = std::move(device);
  message.header.message_id = last_header(request, "iothub-messageid");
  message.correlation_id = last_header(request, "iothub-correlationid");
  message.user_id = last_header(request, "iothub-userid");
  message.content_type = first_given(request, "iothub-contenttype", "content-type");
  message.content_encoding = first_given(request, "iothub-contentencoding", "content-encoding");
  for (const auto& [name, value] : request.headers) {
    if (const auto property = application_name(name)) put_application(message.application, *property, value);
  }
  message.body = request.body;

  const auto ack = parse_ack_request(last_header(request, "iothub-ack"));
  if (!ack) {
    return Error(Errc::argument_invalid, "iothub-ack must be none, positive, negative or full");
  }
  message.header.ack = *ack;
  if (const std::string_view expiry = last_header(request, "iothub-expiry"); !expiry.empty()) {
    const auto time = parse_expiry(expiry);
    if (!time) return Error(Errc::argument_invalid, "iothub-expiry must be an ISO 8601 time");
    if (*time <= now) return Error(Errc::message_expired);
    message.header.expiry = *time;
    message.header.explicit_expiry = true;
  }
  if (const Result<void> good = check_c2d_message(message); !good) return good.error();
  return message;
}

}  // namespace kyanite
