#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "protocol/amqp/message.h"
#include "protocol/base/percent_encoding.h"
#include "server/amqp/amqp_shard.h"
#include "server/amqp/events_shard.h"
#include "server/amqp/link_openers.h"
#include "server/amqp/management_answer.h"
#include "server/amqp/reply_link.h"
#include "server/amqp/token_judge.h"
#include "server/hub/consumer_groups.h"

// `$management`: what readers ask of the event hub and its partitions (spec amqp.md 6.3).
namespace kyanite {
namespace {

constexpr std::string_view kManagement = "$management";
constexpr std::uint32_t kManagementCredit = 100;
constexpr std::uint32_t kManagementWaitingMax = 64;  // of a connection: requests whose answers need shard 0
constexpr std::size_t kManagementBytesMax = 64 * 1024;  // of a request, of which parts wait with it

// A client's sender: requests come on it.
class ManagementLink final : public AmqpLink {
 public:
  ManagementLink(AmqpConnection& connection, const amqp::AttachReceived& attach)
      : AmqpLink(connection, attach.link), session_(attach.session) {}

  void on_message(const amqp::MessageReceived& received) override;

 private:
  // The parts of a request that an answer needs; views of its bytes are gone by then.
  static amqp::Message kept(amqp::Message request) {
    request.data.clear();
    request.value = {};
    return request;
  }
  void answer(const amqp::Message& request, WallTime created) const;
  bool may_ask(const amqp::Message& request) const;
  void refuse(const amqp::Message& request, int status, const Error& error) const;
  void refuse_busy(const amqp::Message& request) const { refuse(request, 503, Errc::busy); }
  void send(const amqp::Message& request, std::string message) const;

  const std::uint32_t session_;
};

// The event hub is as old as its first consumer group, of which shard 0 knows.
void ManagementLink::on_message(const amqp::MessageReceived& received) {
  if (received.payload.size() > kManagementBytesMax) {
    if (received.settled) return;
    return connection().engine().settle(
        id(), received.delivery,
        {amqp::OutcomeKind::rejected,
         amqp::Condition{"amqp:link:message-size-exceeded", "The request is larger than allowed", {}}});
  }
  Result<amqp::Message> request = amqp::read_message(received.payload);
  settle_request(connection(), received);
  if (!request) return;  // without an id nobody waits for an answer
  if (!may_ask(*request)) {
    return refuse(*request, 401, Error(Errc::unauthorized, "no token with ServiceConnect was put"));
  }
  if (connection().verdicts() >= kManagementWaitingMax) return refuse_busy(*request);
  ++connection().verdicts();
  connection().services().consumer_groups.list(connection().reply_to_self<std::vector<ConsumerGroup>>(
      [id = id(), request = kept(std::move(*request))](AmqpConnection& of,
                                                       const Result<std::vector<ConsumerGroup>>& groups) {
        --of.verdicts();
        const auto* self = static_cast<const ManagementLink*>(of.find(id));
        if (!self) return;
        if (!groups) return self->refuse_busy(request);
        const auto first = std::find_if(groups->begin(), groups->end(), [](const ConsumerGroup& group) {
          return group.name == ConsumerGroups::kDefault;
        });
        self->answer(request, first == groups->end() ? kNever : first->created);
      }));
}

void ManagementLink::answer(const amqp::Message& request, WallTime created) const {
  const HubServices& hub = connection().services();
  send(request, answer_management(request, {.entity = connection().shard().events().endpoint.entity,
                                            .created = created,
                                            .log = hub.stores.telemetry(),
                                            .now = hub.executor.wall_now()}));
}

// What the connection proved, whatever the audience; else what the request itself carries.
bool ManagementLink::may_ask(const amqp::Message& request) const {
  if (connection().claims().find_any(Right::service_connect)) return true;
  const amqp::Value* token = request.application_properties.find("security_token");
  const std::string_view text = token ? token->text().value_or(std::string_view()) : std::string_view();
  if (text.empty()) return false;
  const Result<Claim> claim =
      judge_token(text, {}, connection().shard().security(), connection().services().executor.wall_now());
  return claim && !claim->only && claim->rights.has(Right::service_connect);
}

void ManagementLink::refuse(const amqp::Message& request, int status, const Error& error) const {
  const amqp::Condition condition = condition_of(error);
  std::string message = reply_head(request.properties, status, condition.description, condition.name);
  amqp::append_amqp_value(message, amqp::Value());
  send(request, std::move(message));
}

void ManagementLink::send(const amqp::Message& request, std::string message) const {
  ReplyLink* link =
      choose_reply_link(connection(), kManagement, session_, request.properties.reply_to.value_or(""));
  if (link) link->answer(std::move(message));
}

}  // namespace

void open_management(AmqpConnection& connection, const amqp::AttachReceived& attach,
                     const AmqpAddress& address, std::uint64_t claim) {
  const std::string& entity = connection.shard().events().endpoint.entity;
  if (!address.entity.empty() && !equals_ignoring_case(address.entity, entity)) {
    return connection.refuse(
        attach.link,
        {"amqp:not-found", "The messaging entity '" + address.entity + "' could not be found.", {}});
  }
  if (attach.attach.role == amqp::Role::receiver) {
    if (refuse_reply_link(connection, attach)) return;
    return connection.accept(attach.link, {}, std::make_unique<ReplyLink>(connection, attach, kManagement),
                             claim);
  }
  amqp::Acceptance acceptance;
  acceptance.credit = kManagementCredit;
  connection.accept(attach.link, std::move(acceptance), std::make_unique<ManagementLink>(connection, attach),
                    claim);
}

}  // namespace kyanite
