#include <memory>
#include <utility>

#include "protocol/amqp/message.h"
#include "server/amqp/amqp_connection.h"
#include "server/amqp/c2d_conversion.h"
#include "server/amqp/link_openers.h"
#include "server/hub/hub_events.h"
#include "server/hub/registry_service.h"
#include "server/hub/throttles.h"

namespace kyanite {
namespace {

constexpr std::uint32_t kSendCredit = 100;
constexpr std::uint64_t kSendBytesMax = 65'536;  // announced; judged message by message (spec amqp.md 2.4)

// C2dSendLink takes messages of a back end for any device. Each is answered after the commit or with why it
// is not taken; the link stays open (spec amqp.md 5.1).
//
// Bound: kSendCredit messages under way.
class C2dSendLink final : public AmqpLink {
 public:
  using AmqpLink::AmqpLink;

  void on_message(const amqp::MessageReceived& message) override {
    const HubServices& hub = connection().services();
    Result<C2dSend> send = admit_and_read(message);
    const amqp::MessageReceived facts{message.link, message.delivery, message.format, message.settled, {}};
    if (!send) return refuse(facts, {{}, AckRequest::none, message.payload.size(), send.error()});
    if (!send->module.empty()) {
      const Error error(Errc::module_not_found, "cloud-to-device messages go to devices, not to modules");
      return refuse(facts,
                    {send->message.device, send->message.header.ack, send->message.header.bytes, error});
    }
    if (send->device_as_written == send->message.device) return pass(facts, std::move(send->message));
    // The send itself does not tell: a disabled device answers as if nobody had the id.
    const Identity decoded{send->message.device, {}};
    hub.registry.get(decoded, connection().reply_to_link<IdentityView, C2dSendLink>(
                                  id(), [facts, send = std::move(*send)](C2dSendLink& self,
                                                                         Result<IdentityView> known) mutable {
                                    if (!known && known.error().code == Errc::device_not_found)
                                      send.message.device = std::move(send.device_as_written);
                                    self.pass(facts, std::move(send.message));
                                  }));
  }

 private:
  Result<C2dSend> admit_and_read(const amqp::MessageReceived& message) {
    const HubServices& hub = connection().services();
    const WallTime now = hub.executor.wall_now();
    const Result<void> admitted =
        hub.throttles.admit(ThrottleClass::c2d_sends, message.payload.size(), hub.executor.now(), now);
    if (!admitted) return admitted.error();
    const Result<amqp::Message> read = amqp::read_message(message.payload);
    if (!read) return read.error();
    return read_c2d_send(*read, now);
  }

  void pass(const amqp::MessageReceived& received, C2dMessage message) {
    C2dRefusal facts{message.device, message.header.ack, message.header.bytes, Errc::internal};
    connection().services().router.send(
        SendC2d{std::move(message),
                connection().reply_to_link<void, C2dSendLink>(
                    id(), [received, facts = std::move(facts)](C2dSendLink& self, Result<void> sent) mutable {
                      if (sent) return self.accept(received);
                      facts.error = sent.error();
                      self.refuse(received, facts);
                    })});
  }

  void accept(const amqp::MessageReceived& message) {
    ++connection().shard().statistics().c2d_sent;
    if (!message.settled) connection().engine().settle(id(), message.delivery, {});
  }

  // Never released or modified: one SDK takes that for success, another waits for ever (2.6).
  void refuse(const amqp::MessageReceived& message, const C2dRefusal& facts) {
    connection().services().events.c2d_refused(facts);
    if (message.settled) return;
    connection().engine().settle(id(), message.delivery,
                                 {amqp::OutcomeKind::rejected, condition_of(facts.error)});
  }
};

}  // namespace

void open_c2d_sender(AmqpConnection& connection, const amqp::AttachReceived& attach, const Claim& claim) {
  amqp::Acceptance acceptance;
  acceptance.credit = kSendCredit;
  acceptance.max_message_size = kSendBytesMax;
  connection.accept(attach.link, std::move(acceptance),
                    std::make_unique<C2dSendLink>(connection, attach.link), claim.id);
}

}  // namespace kyanite
