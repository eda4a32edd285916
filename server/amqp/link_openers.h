#pragma once

#include "protocol/amqp/engine.h"
#include "protocol/base/error.h"
#include "server/amqp/amqp_address.h"
#include "server/amqp/claims.h"

// One function for each kind of node. The connection has read the address and found the claim that opens it;
// each function answers the attach with accept() or refuse() of the connection, now or later.
namespace kyanite {

class AmqpConnection;

void open_cbs(AmqpConnection& connection, const amqp::AttachReceived& attach);

// Back ends, claim: ServiceConnect.
void open_c2d_sender(AmqpConnection& connection, const amqp::AttachReceived& attach, const Claim& claim);
void open_feedback(AmqpConnection& connection, const amqp::AttachReceived& attach, const Claim& claim);
void open_file_notifications(AmqpConnection& connection, const amqp::AttachReceived& attach,
                             const Claim& claim);

// Event Hubs-compatible, claim: ServiceConnect.
// `$management` is opened to everybody; each of its requests needs a claim, or a token of its own. `claim` is
// 0 for none.
void open_management(AmqpConnection& connection, const amqp::AttachReceived& attach,
                     const AmqpAddress& address, std::uint64_t claim);
void open_events_redirect(AmqpConnection& connection, const amqp::AttachReceived& attach,
                          const AmqpAddress& address);
void open_partition(AmqpConnection& connection, const amqp::AttachReceived& attach,
                    const AmqpAddress& address, const Claim& claim);

// Devices: telemetry, cloud-to-device, twin, methods; claim: of the identity.
void open_device_link(AmqpConnection& connection, const amqp::AttachReceived& attach,
                      const AmqpAddress& address, const Claim& claim);

// What a client is told of a refusal: condition by the code, description from the catalogue and the detail
// (spec amqp.md 8).
amqp::Condition condition_of(const Error& error);

}  // namespace kyanite
