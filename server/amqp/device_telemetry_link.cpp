#include <memory>
#include <utility>

#include "server/amqp/device_link.h"
#include "server/amqp/telemetry_conversion.h"

namespace kyanite {
namespace {

// TelemetryLink takes telemetry: a transfer is accepted when all of its messages are durable (spec amqp.md
// 7.3).
class TelemetryLink final : public AmqpDeviceLink {
 public:
  using AmqpDeviceLink::AmqpDeviceLink;

  void on_message(const amqp::MessageReceived& message) override {
    device().note_activity();
    if (device().fault_at_transfer()) return;
    const Result<std::vector<TelemetryItem>> items = read_telemetry(message.format, message.payload);
    const Result<void> taken = items ? device().append(message, *items) : Result<void>(items.error());
    if (taken) return;
    device().refused_telemetry(taken.error(), message.payload.size());
    refuse(message, taken.error());
  }
};

}  // namespace

std::unique_ptr<AmqpDeviceLink> make_telemetry_link(AmqpConnection& connection, AmqpDevice& device,
                                                    const amqp::AttachReceived& attach) {
  return std::make_unique<TelemetryLink>(connection, device, attach, AmqpNode::device_events);
}

}  // namespace kyanite
