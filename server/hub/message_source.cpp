#include "server/hub/message_source.h"

#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

constexpr MessageSource kSources[] = {MessageSource::telemetry, MessageSource::twin_change,
                                      MessageSource::device_lifecycle, MessageSource::connection_state,
                                      MessageSource::operations_monitoring};

}  // namespace

std::string_view to_text(MessageSource source) {
  switch (source) {
    case MessageSource::telemetry:
      return "Telemetry";
    case MessageSource::twin_change:
      return "twinChangeEvents";
    case MessageSource::device_lifecycle:
      return "deviceLifecycleEvents";
    case MessageSource::connection_state:
      return "deviceConnectionStateEvents";
    case MessageSource::operations_monitoring:
      return "operationsMonitoringEvents";
  }
  return "Telemetry";
}

std::optional<MessageSource> message_source_from_text(std::string_view text) {
  for (const MessageSource source : kSources) {
    if (equals_ignoring_case(text, to_text(source))) return source;
  }
  if (equals_ignoring_case(text, "DeviceMessages")) return MessageSource::telemetry;
  return std::nullopt;
}

}  // namespace kyanite
