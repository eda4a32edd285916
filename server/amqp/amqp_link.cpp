#include "server/amqp/amqp_link.h"

#include "server/amqp/amqp_connection.h"

namespace kyanite {

// Of a link on which the hub sends, which takes none: the engine gives none either.
void AmqpLink::on_message(const amqp::MessageReceived& message) {
  if (!message.settled) {
    connection_.engine().settle(
        id_, message.delivery,
        {amqp::OutcomeKind::rejected, amqp::Condition{"amqp:not-allowed", "The link takes no messages", {}}});
  }
}

}  // namespace kyanite
