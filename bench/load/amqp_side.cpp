#include "bench/load/amqp_side.h"

#include <algorithm>
#include <utility>

#include "protocol/amqp/message.h"

namespace kyanite::load {
namespace {

using test::AmqpClient;

AmqpClient::Options options_of(const std::string& host, const std::string& device, const std::string& token) {
  AmqpClient::Options options;
  options.container = device;
  options.host = host;
  options.user = device + "@sas." + host.substr(0, host.find('.'));
  options.password = token;
  return options;
}

}  // namespace

AmqpSide::AmqpSide(const std::string& host, const std::string& device, const std::string& token,
                   std::uint32_t batch)
    : client_(options_of(host, device, token)),
      address_("/devices/" + device + "/messages/events"),
      batch_(batch) {}

AmqpSide::Heard AmqpSide::feed(std::string_view bytes) {
  client_.feed(bytes);
  Heard heard;
  while (auto event = client_.next()) {
    if (std::holds_alternative<AmqpClient::Begun>(*event)) {
      link_ = client_.attach(amqp::Role::sender, address_, {});
    } else if (std::holds_alternative<AmqpClient::Credit>(*event)) {
      heard.room = true;
      heard.ready = !std::exchange(ready_, true);
    } else if (const auto* settled = std::get_if<AmqpClient::Settled>(&*event)) {
      on_settled(*settled, heard);
    } else if (const auto* detached = std::get_if<AmqpClient::Detached>(&*event)) {
      heard.closed = "the link ended: " + (detached->condition ? detached->condition->name : "");
    } else if (const auto* closed = std::get_if<AmqpClient::Closed>(&*event)) {
      heard.closed = closed->why;
    }
  }
  return heard;
}

// Deliveries are numbered as they are sent.
void AmqpSide::on_settled(const AmqpClient::Settled& settled, Heard& heard) {
  if (settled.outcome.kind != amqp::OutcomeKind::accepted) {
    heard.closed =
        "a message was refused: " + (settled.outcome.error ? settled.outcome.error->name : std::string());
    return;
  }
  while (!sent_.empty() && sent_.front().delivery <= settled.last) {
    heard.acknowledged.insert(heard.acknowledged.end(), sent_.front().ids.begin(), sent_.front().ids.end());
    sent_.pop_front();
  }
}

bool AmqpSide::has_room() const { return !batch_ids_.empty() || client_.may_send(link_) > 0; }

void AmqpSide::publish(std::string_view body, std::uint16_t id) {
  batch_ids_.push_back(id);
  if (batch_ == 1) {
    amqp::append_data(payload_, body);
  } else {
    std::string message;
    amqp::append_data(message, body);
    amqp::append_data(payload_, message);
  }
  if (batch_ids_.size() >= batch_) end_turn();
}

void AmqpSide::end_turn() {
  if (batch_ids_.empty()) return;
  const std::uint32_t delivery =
      client_.send(link_, payload_, false, batch_ == 1 ? amqp::kFormatStandard : amqp::kFormatBatch);
  sent_.push_back({delivery, std::exchange(batch_ids_, {})});
  payload_.clear();
}

}  // namespace kyanite::load
