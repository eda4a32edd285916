#include "server/amqp/amqp_connection.h"
#include "server/amqp/amqp_device.h"
#include "server/amqp/link_openers.h"

// Nodes that are not there yet.
namespace kyanite {
namespace {
amqp::Condition missing() { return {"amqp:not-implemented", "This node is not there yet", {}}; }
}  // namespace
void open_c2d_sender(AmqpConnection& c, const amqp::AttachReceived& a, const Claim&) {
  c.refuse(a.link, missing());
}
void open_feedback(AmqpConnection& c, const amqp::AttachReceived& a, const Claim&) {
  c.refuse(a.link, missing());
}
void open_file_notifications(AmqpConnection& c, const amqp::AttachReceived& a, const Claim&) {
  c.refuse(a.link, missing());
}
void open_device_link(AmqpConnection& c, const amqp::AttachReceived& a, const AmqpAddress&, const Claim&) {
  c.refuse(a.link, missing());
}
void open_management(AmqpConnection& c, const amqp::AttachReceived& a, const AmqpAddress&, const Claim&) {
  c.refuse(a.link, missing());
}
void open_events_redirect(AmqpConnection& c, const amqp::AttachReceived& a, const AmqpAddress&) {
  c.refuse(a.link, missing());
}
void open_partition(AmqpConnection& c, const amqp::AttachReceived& a, const AmqpAddress&, const Claim&) {
  c.refuse(a.link, missing());
}
AmqpDevice::AmqpDevice(AmqpConnection&, ConnectionRef, Identity, const Claim&) {}
AmqpDevice::~AmqpDevice() = default;
void AmqpDevice::on_message(ConnectionMessage) {}
void AmqpDevice::on_committed(std::uint64_t) {}
}  // namespace kyanite
