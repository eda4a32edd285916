#include <utility>

#include "server/amqp/amqp_address.h"
#include "server/amqp/amqp_connection.h"
#include "server/amqp/link_openers.h"
#include "server/amqp/token_judge.h"

// What a peer may do: SASL, and which of the nodes its links open (spec amqp.md 2.1, 2.4, 3, 4).
namespace kyanite {
namespace {

// Which ends a node has: what the client may be on it.
bool takes(AmqpNode node, amqp::Role client) {
  const bool client_sends = client == amqp::Role::sender;
  switch (node) {
    case AmqpNode::c2d:
    case AmqpNode::producer:
      return client_sends;
    case AmqpNode::feedback:
    case AmqpNode::file_notifications:
    case AmqpNode::partition:
    case AmqpNode::device_c2d:
      return !client_sends;
    default:
      return true;
  }
}

amqp::Condition not_found(std::string_view address) {
  return {"amqp:not-found", "The messaging entity '" + std::string(address) + "' could not be found.", {}};
}

}  // namespace

void AmqpConnection::handle(amqp::SaslStarted& sasl) {
  if (sasl.mechanism == "MSSBCBS" || sasl.mechanism == "ANONYMOUS") return sasl_done(true);
  if (sasl.mechanism == "EXTERNAL" && !peer().certificate_chain.empty()) return sasl_done(true);
  if (sasl.mechanism == "PLAIN" && !peer().tls_version.empty()) return judge_plain_response(sasl.response);
  tell_refused("SASL",
               Error(Errc::unauthorized, "mechanism " + sasl.mechanism.substr(0, 32) + " is not offered"));
  sasl_done(false);
}

void AmqpConnection::judge_plain_response(const std::string& response) {
  Result<Claim> claim = judge_plain(response, shard_.security(), services().executor.wall_now());
  if (!claim) {
    tell_refused("SASL PLAIN", claim.error());
    return sasl_done(false);
  }
  if (!claim->only || !claim->policy.empty()) {
    put_claim(std::move(*claim));
    return sasl_done(true);
  }
  AdmitRequest admit;
  admit.identity = *claim->only;
  admit.credentials = claim->credentials;
  admit.reply = reply_to_self<RequestVerdict>(
      [claim = std::move(*claim)](AmqpConnection& self, const Result<RequestVerdict>& verdict) mutable {
        if (!verdict) {
          self.tell_refused("SASL PLAIN", verdict.error());
        } else {
          self.put_claim(std::move(claim));
        }
        self.sasl_done(verdict.has_value());
      });
  services().router.send(std::move(admit));
}

void AmqpConnection::sasl_done(bool accepted) {
  engine_.sasl_outcome(accepted);
  if (!accepted) finish(true);
}

void AmqpConnection::handle(amqp::Opened& opened) {
  constexpr std::size_t kShown = 64;
  container_ = opened.container_id.substr(0, kShown);
  arm_timer();  // the peer may want heartbeats
}

void AmqpConnection::handle(amqp::AttachReceived& attach) { open_link(attach); }

void AmqpConnection::open_link(const amqp::AttachReceived& attach) {
  const bool client_receives = attach.attach.role == amqp::Role::receiver;
  const std::string& text = client_receives ? attach.attach.source.address : attach.attach.target.address;
  const AmqpAddress address = parse_amqp_address(text);
  const auto refuse_with = [this, &attach, &text](amqp::Condition condition) {
    tell_refused("link to " + text.substr(0, 256), Error(Errc::unauthorized, condition.description));
    refuse(attach.link, std::move(condition));
  };
  if (address.node == AmqpNode::unknown) return refuse_with(not_found(text));
  if (!takes(address.node, attach.attach.role)) {
    return refuse_with({"amqp:not-allowed", "The node does not take links of this direction", {}});
  }
  if (address.node == AmqpNode::cbs) return open_cbs(*this, attach);
  if (address.identity.device.empty()) {
    const Claim* claim = claims_.find_right(Right::service_connect, address.path);
    // Java attaches these while its token is still on its way: requests are judged one by one (spec 6.3).
    if (address.node == AmqpNode::management) {
      return open_management(*this, attach, address, claim ? claim->id : 0);
    }
    if (!claim) {
      return refuse_with(condition_of(
          Error(Errc::unauthorized, "no token with ServiceConnect was put for " + address.path)));
    }
    switch (address.node) {
      case AmqpNode::c2d:
        return open_c2d_sender(*this, attach, *claim);
      case AmqpNode::feedback:
        return open_feedback(*this, attach, *claim);
      case AmqpNode::file_notifications:
        return open_file_notifications(*this, attach, *claim);
      case AmqpNode::events_redirect:
        return open_events_redirect(*this, attach, address);
      case AmqpNode::partition:
        return open_partition(*this, attach, address, *claim);
      default:
        return refuse_with({"amqp:not-allowed", "Events come from devices; there is no other producer", {}});
    }
  }
  open_device_node(attach, address);
}

void AmqpConnection::open_device_node(const amqp::AttachReceived& attach, const AmqpAddress& address) {
  if (const Claim* claim = claims_.find_device(address.identity)) {
    return open_device_link(*this, attach, address, *claim);
  }
  // A client certificate needs no token; its owner judges it (spec 7.2).
  if (!peer().certificate_chain.empty()) {
    Claim claim;
    claim.only = address.identity;
    claim.credentials.certificate_chain = peer().certificate_chain;
    return open_device_link(*this, attach, address, claim);
  }
  const Error error(Errc::unauthorized, "no token was put for " + address.path);
  tell_refused("link to " + address.path.substr(0, 256), error);
  refuse(attach.link, condition_of(error));
}

void AmqpConnection::put_claim(Claim claim) {
  if (const std::optional<Claim> displaced = claims_.put(std::move(claim))) {
    end_links_of(*displaced, "the token for '" + displaced->audience + "' gave way to newer ones");
  }
  arm_timer();
}

}  // namespace kyanite
