#include <optional>
#include <string>
#include <utility>

#include "protocol/amqp/message.h"
#include "protocol/base/error_catalog.h"
#include "server/amqp/amqp_shard.h"
#include "server/amqp/link_openers.h"
#include "server/amqp/reply_link.h"
#include "server/amqp/token_judge.h"

// `$cbs`: clients prove with tokens what they may do on the connection (spec amqp.md 3).
namespace kyanite {
namespace {

constexpr std::string_view kCbs = "$cbs";
constexpr std::uint32_t kCbsCredit = 100;
constexpr std::size_t kRequestBytesMax = 64 * 1024;  // its message-id comes back with the answer
constexpr std::uint32_t kVerdictsMax = 64;  // of a connection: tokens of devices that their owners judge

int status_of(const Error& error) {
  switch (error.code) {
    case Errc::device_not_found:
    case Errc::module_not_found:
      return 404;
    case Errc::unauthorized:
    case Errc::device_disabled:
      return 401;
    default:
      return error_row(error.code).http_status;
  }
}

// A client's sender: requests come on it.
class CbsLink final : public AmqpLink {
 public:
  CbsLink(AmqpConnection& connection, const amqp::AttachReceived& attach)
      : AmqpLink(connection, attach.link), session_(attach.session) {}

  void on_message(const amqp::MessageReceived& received) override;

 private:
  // What an answer needs of its request.
  struct Request {
    amqp::Properties properties;
    std::string reply_to;
  };
  void answer(const Request& request, int status, std::string_view description,
              std::string_view condition = {}) const;
  void refuse(const Request& request, const Error& error, std::string_view audience) const;
  void put(Request request, std::string_view token, const std::string& audience);
  void ask_owner(Request request, Claim claim, const std::string& audience);

  const std::uint32_t session_;
};

void CbsLink::answer(const Request& request, int status, std::string_view description,
                     std::string_view condition) const {
  ReplyLink* link = choose_reply_link(connection(), kCbs, session_, request.reply_to);
  if (!link) return;  // nobody listens
  std::string message = reply_head(request.properties, status, description, condition);
  amqp::append_amqp_value(message, amqp::Value());
  link->answer(std::move(message));
}

void CbsLink::refuse(const Request& request, const Error& error, std::string_view audience) const {
  const amqp::Condition condition = condition_of(error);
  answer(request, status_of(error), condition.description, condition.name);
  connection().tell_refused("put-token " + std::string(audience.substr(0, 256)), error);
}

void CbsLink::on_message(const amqp::MessageReceived& received) {
  if (received.payload.size() > kRequestBytesMax) {
    if (received.settled) return;
    return connection().engine().settle(
        id(), received.delivery,
        {amqp::OutcomeKind::rejected,
         amqp::Condition{"amqp:link:message-size-exceeded", "The request is larger than allowed", {}}});
  }
  Result<amqp::Message> message = amqp::read_message(received.payload);
  settle_request(connection(), received);
  if (!message) return;
  Request request{std::move(message->properties), {}};
  request.reply_to = request.properties.reply_to.value_or("");
  const auto text = [&message](std::string_view name) {
    const amqp::Value* value = message->application_properties.find(name);
    return value ? value->text().value_or("") : std::string_view();
  };
  if (text("operation") != "put-token") {
    return refuse(request, Error(Errc::argument_invalid, "the operation must be put-token"), {});
  }
  const Result<std::string> token = message->body_bytes();
  if (!token) return refuse(request, token.error(), {});
  put(std::move(request), *token, std::string(text("name")));
}

void CbsLink::put(Request request, std::string_view token, const std::string& audience) {
  const WallTime now = connection().services().executor.wall_now();
  Result<Claim> claim = judge_token(token, audience, connection().shard().security(), now);
  if (!claim) return refuse(request, claim.error(), audience);
  if (claim->only && claim->policy.empty()) return ask_owner(std::move(request), std::move(*claim), audience);
  connection().put_claim(std::move(*claim));
  answer(request, 200, "OK");
}

void CbsLink::ask_owner(Request request, Claim claim, const std::string& audience) {
  if (connection().verdicts() >= kVerdictsMax) return refuse(request, Errc::busy, audience);
  ++connection().verdicts();
  AdmitRequest admit;
  admit.identity = *claim.only;
  admit.credentials = claim.credentials;
  admit.reply = connection().reply_to_self<RequestVerdict>(
      [id = id(), request = std::move(request), claim = std::move(claim), audience](
          AmqpConnection& of, const Result<RequestVerdict>& verdict) mutable {
        --of.verdicts();
        const auto* self = static_cast<const CbsLink*>(of.find(id));
        if (!self) return;
        if (!verdict) return self->refuse(request, verdict.error(), audience);
        of.put_claim(std::move(claim));
        self->answer(request, 200, "OK");
      });
  connection().services().router.send(std::move(admit));
}

}  // namespace

void open_cbs(AmqpConnection& connection, const amqp::AttachReceived& attach) {
  if (attach.attach.role == amqp::Role::receiver) {
    if (refuse_reply_link(connection, attach)) return;
    return connection.accept(attach.link, {}, std::make_unique<ReplyLink>(connection, attach, kCbs), 0);
  }
  amqp::Acceptance acceptance;
  acceptance.credit = kCbsCredit;
  connection.accept(attach.link, std::move(acceptance), std::make_unique<CbsLink>(connection, attach), 0);
}

}  // namespace kyanite
