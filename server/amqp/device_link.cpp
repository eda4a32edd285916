#include "server/amqp/device_link.h"

#include <utility>

#include "protocol/base/limits.h"
#include "server/amqp/link_openers.h"

namespace kyanite {
namespace {

constexpr std::uint32_t kTelemetryCredit = 256;
constexpr std::uint32_t kRequestCredit = 100;  // of twins and methods
// What a device may send at once: some SDKs size their batches by it.
constexpr std::uint64_t kTelemetryMessageBytes = limits::kTelemetryBytesMax;

std::string_view channel_prefix(AmqpNode node) {
  if (node == AmqpNode::device_twin) return "twin:";
  if (node == AmqpNode::device_methods) return "methods:";
  return {};
}

std::string channel_of(const amqp::Attach& attach, AmqpNode node) {
  const std::string_view prefix = channel_prefix(node);
  const amqp::Value* channel = attach.properties.find("com.microsoft:channel-correlation-id");
  const auto text = channel ? channel->text() : std::nullopt;
  return text && !prefix.empty() && text->starts_with(prefix) ? std::string(*text) : std::string();
}

// A receiver on which nothing is ever sent: inputs of modules, since the hub does no routing within an edge
// device, and cloud-to-device messages of modules, which no hub has.
class SilentLink final : public AmqpDeviceLink {
 public:
  using AmqpDeviceLink::AmqpDeviceLink;
  void on_room() override {
    if (connection().engine().is_draining(id())) connection().engine().drained(id());
  }
};

}  // namespace

AmqpDeviceLink::AmqpDeviceLink(AmqpConnection& connection, AmqpDevice& device,
                               const amqp::AttachReceived& attach, AmqpNode node)
    : AmqpLink(connection, attach.link),
      device_(device),
      node_(node),
      hub_sends_(attach.attach.role == amqp::Role::receiver),
      channel_(channel_of(attach.attach, node)),
      session_(attach.session) {}

void AmqpDeviceLink::settle(const amqp::MessageReceived& message) const {
  if (!message.settled) connection().engine().settle(id(), message.delivery, {});
}

// The sender of a message that was settled from the start hears of it by the end of its link alone.
void AmqpDeviceLink::refuse(const amqp::MessageReceived& message, const Error& error) const {
  if (message.settled) return connection().detach(id(), condition_of(error));
  connection().engine().settle(id(), message.delivery, {amqp::OutcomeKind::rejected, condition_of(error)});
}

SendingLink::SendingLink(AmqpConnection& connection, AmqpDevice& device, const amqp::AttachReceived& attach,
                         AmqpNode node, bool settled)
    : AmqpDeviceLink(connection, device, attach, node), settled_(settled) {}

void SendingLink::send(std::string message) {
  waiting_bytes_ += message.size();
  waiting_.push_back(std::move(message));
  on_room();
  if (waiting_bytes_ > limits::kOutputHardBytes) {
    connection().detach(id(),
                        {"amqp:resource-limit-exceeded", "The receiver does not take what it is sent", {}});
  }
}

void SendingLink::on_room() {
  amqp::Engine& engine = connection().engine();
  while (!waiting_.empty() && connection().may_send(id()) > 0) {
    const std::uint64_t key = ++last_key_;
    amqp::Sending sending;
    sending.key = key;
    sending.tag = {reinterpret_cast<const char*>(&key), sizeof key};
    sending.settled = settled_;
    engine.send(id(), sending, waiting_.front());
    waiting_bytes_ -= waiting_.front().size();
    waiting_.pop_front();
  }
  if (waiting_.empty() && engine.is_draining(id())) engine.drained(id());
}

void SendingLink::on_outcome(const amqp::OutcomeReceived& outcome) {
  if (!outcome.settled) connection().engine().settle_sent(id(), outcome.key, outcome.outcome);
}

std::unique_ptr<AmqpDeviceLink> make_device_link(AmqpConnection& connection, AmqpDevice& device,
                                                 const amqp::AttachReceived& attach, AmqpNode node) {
  const bool hub_sends = attach.attach.role == amqp::Role::receiver;
  const bool is_module = device.identity().is_module();
  switch (node) {
    case AmqpNode::device_events:
      if (!hub_sends) return make_telemetry_link(connection, device, attach);
      if (is_module) return std::make_unique<SilentLink>(connection, device, attach, node);
      return nullptr;
    case AmqpNode::device_c2d:
      if (!hub_sends) return nullptr;
      if (is_module) return std::make_unique<SilentLink>(connection, device, attach, node);
      return make_c2d_link(connection, device, attach);
    case AmqpNode::device_twin:
      return make_twin_link(connection, device, attach);
    case AmqpNode::device_methods:
      return make_method_link(connection, device, attach);
    default:
      return nullptr;
  }
}

amqp::Acceptance acceptance_of(AmqpNode node, const amqp::Attach& attach) {
  amqp::Acceptance acceptance;
  if (attach.role == amqp::Role::sender) {
    acceptance.credit = node == AmqpNode::device_events ? kTelemetryCredit : kRequestCredit;
    acceptance.max_message_size = kTelemetryMessageBytes;
  } else if (node == AmqpNode::device_c2d) {
    acceptance.sender_mode = amqp::SenderMode::unsettled;
  } else if (node == AmqpNode::device_twin) {
    acceptance.sender_mode = amqp::SenderMode::settled;
  }
  return acceptance;
}

void open_device_link(AmqpConnection& connection, const amqp::AttachReceived& attach,
                      const AmqpAddress& address, const Claim& claim) {
  AmqpDevice* device = connection.device(address.identity);
  if (!device) {
    return connection.refuse(attach.link,
                             condition_of(Error(Errc::busy, "the hub has no room for a device")));
  }
  device->open(attach, address.node, claim);
}

}  // namespace kyanite
