#include "server/amqp/reply_link.h"

#include <utility>

namespace kyanite {

ReplyLink::ReplyLink(AmqpConnection& connection, const amqp::AttachReceived& attach, std::string_view node)
    : AmqpLink(connection, attach.link),
      node_(node),
      name_(attach.attach.name),
      target_(attach.attach.target.address),
      session_(attach.session),
      settled_(attach.attach.sender_mode == amqp::SenderMode::settled) {
  connection.reply_links().push_back(this);
}

ReplyLink::~ReplyLink() { std::erase(connection().reply_links(), this); }

// It is destroyed later in the turn, and no answer may choose it any more.
void ReplyLink::on_ending() { std::erase(connection().reply_links(), this); }

void ReplyLink::answer(std::string message) {
  while (!waiting_.empty() &&
         (waiting_.size() >= kWaitingMax || waiting_bytes_ + message.size() > kWaitingBytesMax)) {
    waiting_bytes_ -= waiting_.front().size();
    waiting_.pop_front();
  }
  waiting_bytes_ += message.size();
  waiting_.push_back(std::move(message));
  on_room();
}

void ReplyLink::on_room() {
  while (!waiting_.empty() && connection().may_send(id()) > 0) {
    const std::string message = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= message.size();
    ++sent_;
    const std::string tag = std::to_string(sent_);
    connection().engine().send(id(), {.key = sent_, .tag = tag, .settled = settled_}, message);
  }
  if (waiting_.empty()) connection().engine().drained(id());
}

void ReplyLink::on_outcome(const amqp::OutcomeReceived& outcome) {
  if (!outcome.settled) connection().engine().settle_sent(id(), outcome.key, outcome.outcome);
}

bool refuse_reply_link(AmqpConnection& connection, const amqp::AttachReceived& attach) {
  if (connection.reply_links().size() < ReplyLink::kLinksMax) return false;
  connection.refuse(attach.link,
                    {"amqp:resource-limit-exceeded", "The connection has too many receivers of answers", {}});
  return true;
}

ReplyLink* choose_reply_link(const AmqpConnection& connection, std::string_view node, std::uint32_t session,
                             std::string_view reply_to) {
  ReplyLink* by_target = nullptr;
  ReplyLink* by_name = nullptr;
  ReplyLink* of_session = nullptr;
  ReplyLink* any = nullptr;
  for (ReplyLink* link : connection.reply_links()) {
    if (link->node() != node) continue;
    if (!reply_to.empty() && link->target() == reply_to) by_target = link;
    if (!reply_to.empty() && link->name() == reply_to) by_name = link;
    if (link->session() == session) of_session = link;
    any = link;
  }
  if (by_target) return by_target;
  if (by_name) return by_name;
  return of_session ? of_session : any;
}

std::string reply_head(const amqp::Properties& request, int status, std::string_view description,
                       std::string_view condition) {
  std::string message;
  amqp::Properties properties;
  properties.correlation_id = request.message_id.is_null() ? request.correlation_id : request.message_id;
  if (!properties.correlation_id.is_null()) amqp::append_properties(message, properties);
  amqp::Map map;
  map.entries.push_back({"status-code", static_cast<std::int32_t>(status)});
  map.entries.push_back({"status-description", std::string(description)});
  if (!condition.empty()) map.entries.push_back({"error-condition", amqp::Symbol{std::string(condition)}});
  amqp::append_application_properties(message, map);
  return message;
}

void settle_request(AmqpConnection& connection, const amqp::MessageReceived& message) {
  if (!message.settled) connection.engine().settle(message.link, message.delivery, amqp::Outcome{});
}

}  // namespace kyanite
