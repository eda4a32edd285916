#include "server/amqp/amqp_connection.h"
#include "server/amqp/link_openers.h"

// Nodes that are not there yet.
namespace kyanite {
namespace {
amqp::Condition missing() { return {"amqp:not-implemented", "This node is not there yet", {}}; }
}  // namespace
void open_management(AmqpConnection& c, const amqp::AttachReceived& a, const AmqpAddress&, const Claim&) {
  c.refuse(a.link, missing());
}
void open_events_redirect(AmqpConnection& c, const amqp::AttachReceived& a, const AmqpAddress&) {
  c.refuse(a.link, missing());
}
void open_partition(AmqpConnection& c, const amqp::AttachReceived& a, const AmqpAddress&, const Claim&) {
  c.refuse(a.link, missing());
}
}  // namespace kyanite
