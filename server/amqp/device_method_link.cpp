#include <memory>
#include <utility>

#include "protocol/auth/symmetric_key.h"
#include "protocol/base/assert.h"
#include "server/amqp/device_link.h"
#include "server/amqp/method_conversion.h"

namespace kyanite {
namespace {

// MethodCallsLink sends the device its calls (spec amqp.md 7.6).
class MethodCallsLink final : public SendingLink {
 public:
  MethodCallsLink(AmqpConnection& connection, AmqpDevice& device, const amqp::AttachReceived& attach)
      : SendingLink(connection, device, attach, AmqpNode::device_methods,
                    attach.attach.sender_mode == amqp::SenderMode::settled) {}

  // SDKs want a uuid, which the hub's own request ids are not.
  void call(const CallMethod& call) override {
    std::string correlation_id = random_guid();
    const auto uuid = amqp::uuid_from_text(correlation_id);
    KYANITE_ASSERT(uuid);
    device().remember_call(std::move(correlation_id), call.request_id);
    send(write_method_request(*uuid, call.method, call.body));
  }
};

// MethodAnswersLink takes the device's answers. One to a call that is over is accepted like the others.
class MethodAnswersLink final : public AmqpDeviceLink {
 public:
  using AmqpDeviceLink::AmqpDeviceLink;

  void on_message(const amqp::MessageReceived& message) override {
    device().note_activity();
    Result<MethodAnswer> answer = read(message.payload);
    if (!answer) return refuse(message, answer.error());
    device().answer_method(answer->correlation_id, answer->status, std::move(answer->body));
    settle(message);
  }

 private:
  static Result<MethodAnswer> read(std::string_view payload) {
    const Result<amqp::Message> message = amqp::read_message(payload);
    if (!message) return message.error();
    return read_method_answer(*message);
  }
};

}  // namespace

std::unique_ptr<AmqpDeviceLink> make_method_link(AmqpConnection& connection, AmqpDevice& device,
                                                 const amqp::AttachReceived& attach) {
  if (attach.attach.role == amqp::Role::receiver) {
    return std::make_unique<MethodCallsLink>(connection, device, attach);
  }
  return std::make_unique<MethodAnswersLink>(connection, device, attach, AmqpNode::device_methods);
}

}  // namespace kyanite
