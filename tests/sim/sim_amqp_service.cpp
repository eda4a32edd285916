#include "tests/sim/sim_amqp_service.h"

#include <utility>

#include "protocol/amqp/message.h"
#include "protocol/base/json_limits.h"
#include "server/hub/c2d_message.h"

namespace kyanite::sim {
namespace {

std::string member_of(const Json& json, std::string_view name) {
  const Json* member = find_member(json, name);
  return member && member->is_string() ? member->get<std::string>() : std::string();
}

}  // namespace

void SimAmqpService::connect(test::SimHub& hub) {
  open(hub, "service@sas.root.hub", hub.policy_token("service"), test::SimHub::host());
}

void SimAmqpService::on_connected() { sender_ = attach(amqp::Role::sender, "/messages/devicebound"); }

void SimAmqpService::send_c2d(const std::string& device, AckRequest ack,
                              std::optional<seconds> time_to_live) {
  if (!is_connected() || !sender_ || client_->may_send(*sender_) == 0) return;
  const std::uint64_t number = checkers_.new_number();
  const std::string name = "c" + std::to_string(number);
  std::optional<WallTime> expiry;
  amqp::Properties properties;
  properties.message_id = name;
  properties.to = "/devices/" + device + "/messages/devicebound";
  if (time_to_live) {
    expiry = hub_->loop.wall_now() + *time_to_live;
    properties.absolute_expiry_time = amqp::Timestamp{expiry->time_since_epoch().count()};
  }
  amqp::Map application;
  application.entries.push_back({"iothub-ack", std::string(to_string(ack))});
  std::string message;
  amqp::append_properties(message, properties);
  amqp::append_application_properties(message, application);
  amqp::append_data(message, name);
  tell("send " + name + " to " + device);
  checkers_.c2d.sent(number, device, ack, expiry);
  const bool settled = random_.chance(10);  // then nobody ever hears of it
  const std::uint32_t delivery = client_->send(*sender_, message, settled);
  if (!settled) sends_[delivery] = number;
  flush();
}

void SimAmqpService::on_settled(const Client::Settled& settled) {
  using amqp::OutcomeKind;
  const OutcomeKind kind = settled.outcome.kind;
  for (std::uint32_t delivery = settled.first; delivery - settled.first <= settled.last - settled.first;
       ++delivery) {
    const auto known = sends_.find(delivery);
    if (known == sends_.end()) continue;
    const bool accepted = kind == OutcomeKind::accepted;
    checkers_.judge.require(accepted || kind == OutcomeKind::rejected,
                            "a back end hears accepted or rejected");
    tell(
        "c" + std::to_string(known->second) +
        (accepted ? " accepted" : " rejected " + (settled.outcome.error ? settled.outcome.error->name : "")));
    checkers_.c2d.answered(known->second, accepted ? 204 : 400);
    sends_.erase(known);
  }
}

void SimAmqpService::want_feedback() {
  if (!is_connected()) return;
  if (!feedback_) {
    Client::LinkOptions options;
    mode_ = random_.chance(60) ? amqp::ReceiverMode::second : amqp::ReceiverMode::first;
    options.receiver_mode = mode_;
    feedback_ = attach(amqp::Role::receiver, "/messages/serviceBound/feedback", options);
  }
  client_->grant(*feedback_, static_cast<std::uint32_t>(random_.below(5)), random_.chance(20));
  flush();
}

void SimAmqpService::detach_feedback() {
  if (!is_connected() || !feedback_) return;
  tell("detach feedback");
  client_->detach(*std::exchange(feedback_, std::nullopt));
  flush();
}

void SimAmqpService::on_received(const Client::Received& received) {
  if (feedback_ != received.link) return;
  const auto message = amqp::read_message(received.payload);
  if (!message || message->data.size() != 1) {
    return checkers_.judge.require(false, "feedback is one data section");
  }
  const Result<Json> body = parse_json(message->data.front());
  checkers_.judge.require(body && body->is_array() && !body->empty(), "feedback is an array of JSON");
  if (!body || !body->is_array()) return;
  std::vector<std::string> ids;
  for (const Json& line : *body) {
    ids.push_back(member_of(line, "originalMessageId"));
    checkers_.c2d.feedback_received(ids.back(), member_of(line, "statusCode"), hub_->loop.now());
    tell("feedback of " + ids.back() + " " + member_of(line, "statusCode"));
  }
  const std::uint64_t kind = random_.below(4);
  if (kind == 3) return;  // never settled: its lock ends
  const bool completes = kind < 2;
  tell(completes ? "completes it" : "releases it");
  const bool asks = mode_ == amqp::ReceiverMode::second;
  if (asks && completes) unconfirmed_[received.delivery] = std::move(ids);
  client_->dispose(received.delivery,
                   {completes ? amqp::OutcomeKind::accepted : amqp::OutcomeKind::released, std::nullopt},
                   !asks);
}

void SimAmqpService::on_confirmed(const Client::Confirmed& confirmed) {
  for (std::uint32_t delivery = confirmed.first;
       delivery - confirmed.first <= confirmed.last - confirmed.first; ++delivery) {
    const auto known = unconfirmed_.find(delivery);
    if (known == unconfirmed_.end()) continue;
    const bool done = confirmed.outcome.kind == amqp::OutcomeKind::accepted;
    for (const std::string& id : known->second) {
      tell("feedback of " + id + (done ? " is completed" : " was lost"));
      if (done) checkers_.c2d.feedback_completed(id, hub_->loop.now());
    }
    unconfirmed_.erase(known);
  }
}

void SimAmqpService::on_detached(Handle link, const std::optional<amqp::Condition>&) {
  if (sender_ == link) sender_.reset();
  if (feedback_ == link) feedback_.reset();
}

void SimAmqpService::on_forgotten() {
  sender_.reset();
  feedback_.reset();
  sends_.clear();
  unconfirmed_.clear();
}

}  // namespace kyanite::sim
