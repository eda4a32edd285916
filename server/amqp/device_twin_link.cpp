#include <memory>
#include <utility>

#include "protocol/twin/twin_json.h"
#include "server/amqp/device_link.h"
#include "server/amqp/twin_conversion.h"
#include "server/hub/throttles.h"
#include "server/hub/twin_refusal.h"

namespace kyanite {
namespace {

// TwinAnswersLink sends the device what its requests are answered with, and desired properties once it asked
// for them. All of it is settled (spec amqp.md 7.5).
class TwinAnswersLink final : public SendingLink {
 public:
  TwinAnswersLink(AmqpConnection& connection, AmqpDevice& device, const amqp::AttachReceived& attach)
      : SendingLink(connection, device, attach, AmqpNode::device_twin, true) {}

  void notify(const NotifyDesired& notify) override {
    if (wants_desired_) send(write_desired_notification(notify.version, notify.body));
  }
  bool wants_desired() const override { return wants_desired_; }
  // Gives what names the wish.
  std::uint64_t want_desired(bool want) {
    wants_desired_ = want;
    return ++wish_;
  }
  // Unless there was another one since.
  void take_back(std::uint64_t wish) {
    if (wish == wish_) wants_desired_ = false;
  }

 private:
  bool wants_desired_ = false;
  std::uint64_t wish_ = 0;
};

TwinAnswersLink* find_answers(AmqpConnection& connection, amqp::LinkId id) {
  return static_cast<TwinAnswersLink*>(connection.find(id));
}

// One request until it is answered on the link that belongs to its own; given along with what answers it.
class TwinQuestion {
 public:
  TwinQuestion(AmqpConnection& connection, amqp::LinkId answers, amqp::Value correlation_id)
      : connection_(&connection), answers_(answers), correlation_id_(std::move(correlation_id)) {}

  void answer(int status, std::optional<std::uint64_t> version = {}, std::string_view body = {}) const {
    if (TwinAnswersLink* link = find_answers(*connection_, answers_)) {
      link->send(write_twin_answer(correlation_id_, status, version, body));
    }
  }
  void refuse(const Error& error) const {
    const TwinRefusal refusal = twin_refusal(error, connection_->services().executor.wall_now());
    answer(refusal.status, {}, refusal.body);
  }
  // Its answers' link; null when that has ended.
  TwinAnswersLink* link() const { return find_answers(*connection_, answers_); }

 private:
  AmqpConnection* connection_;  // of the device that answers, which a reply finds or not
  amqp::LinkId answers_;
  amqp::Value correlation_id_;
};

class TwinRequestsLink final : public AmqpDeviceLink {
 public:
  using AmqpDeviceLink::AmqpDeviceLink;

  void on_message(const amqp::MessageReceived& message) override {
    device().note_activity();
    const Result<amqp::Message> read = amqp::read_message(message.payload);
    if (!read) return refuse(message, read.error());
    const amqp::LinkId answers = device().answers_of(*this);
    if (answers == amqp::LinkId{}) {
      return refuse(message, Error(Errc::operation_not_allowed, "no link is attached for the answers"));
    }
    settle(message);
    const TwinQuestion question(connection(), answers, read->properties.correlation_id);
    Result<TwinRequest> request = read_twin_request(*read);
    if (!request) return question.refuse(request.error());
    ask(question, std::move(*request), message.payload.size());
  }

 private:
  void ask(const TwinQuestion& question, TwinRequest request, std::size_t bytes) {
    if (!device().begin_twin_request()) {
      return question.refuse(Error(Errc::busy, "too many requests of the device wait for an answer"));
    }
    switch (request.kind) {
      case TwinRequest::Kind::get:
        return get(question);
      case TwinRequest::Kind::patch_reported:
        return patch(question, std::move(request), bytes);
      case TwinRequest::Kind::subscribe:
        return subscribe(question);
      case TwinRequest::Kind::unsubscribe:
        device().end_twin_request();
        if (TwinAnswersLink* link = question.link()) link->want_desired(false);
        if (!device().wants_desired()) device().unsubscribe(FilterKind::twin_desired);
        return question.answer(200);
    }
  }

  Result<void> admit(ThrottleClass of, std::size_t bytes) const {
    const HubServices& hub = connection().services();
    return hub.throttles.admit(of, bytes, hub.executor.now(), hub.executor.wall_now());
  }

  void get(const TwinQuestion& question) {
    if (const Result<void> admitted = admit(ThrottleClass::twin_reads, 0); !admitted) {
      device().end_twin_request();
      return question.refuse(admitted.error());
    }
    const HubServices& hub = connection().services();
    hub.router.send(GetTwin{
        device().identity(),
        device().reply<TwinView>([question, &hub](AmqpDevice& device, const Result<TwinView>& view) {
          device.end_twin_request();
          if (!view) return question.refuse(view.error());
          const TwinRecord& twin = view->twin;
          const std::string body =
              device_twin_body(twin.desired, twin.desired_version, twin.reported, twin.reported_version);
          hub.throttles.meter(body.size(), hub.executor.wall_now());
          question.answer(200, {}, body);
        }),
        TwinOrigin::device});
  }

  void patch(const TwinQuestion& question, TwinRequest request, std::size_t bytes) {
    if (const Result<void> admitted = admit(ThrottleClass::twin_updates, bytes); !admitted) {
      device().end_twin_request();
      return question.refuse(admitted.error());
    }
    connection().services().router.send(PatchReported{
        device().identity(), std::move(request.patch), request.expected_version,
        device().reply<std::uint64_t>([question](AmqpDevice& device, const Result<std::uint64_t>& version) {
          device.end_twin_request();
          if (!version) return question.refuse(version.error());
          question.answer(204, *version);
        })});
  }

  // The link counts from now on: while the owner is asked, another one may end or give up its own wish.
  void subscribe(const TwinQuestion& question) {
    TwinAnswersLink* answers = question.link();
    const bool before = answers && answers->wants_desired();
    const std::uint64_t wish = answers ? answers->want_desired(true) : 0;
    device().subscribe(
        FilterKind::twin_desired,
        device().reply<void>([question, before, wish](AmqpDevice& device, const Result<void>& subscribed) {
          device.end_twin_request();
          if (subscribed) return question.answer(200);
          TwinAnswersLink* link = question.link();
          if (link && !before) link->take_back(wish);
          if (!device.wants_desired()) device.unsubscribe(FilterKind::twin_desired);
          question.refuse(subscribed.error());
        }));
  }
};

}  // namespace

std::unique_ptr<AmqpDeviceLink> make_twin_link(AmqpConnection& connection, AmqpDevice& device,
                                               const amqp::AttachReceived& attach) {
  if (attach.attach.role == amqp::Role::receiver) {
    return std::make_unique<TwinAnswersLink>(connection, device, attach);
  }
  return std::make_unique<TwinRequestsLink>(connection, device, attach, AmqpNode::device_twin);
}

}  // namespace kyanite
