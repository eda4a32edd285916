#include "tests/sim/sim_event_reader.h"

#include "protocol/amqp/message.h"

namespace kyanite::sim {

void SimEventReader::connect(test::SimHub& hub, std::optional<std::int64_t> epoch) {
  epoch_ = epoch;
  const std::string resource = test::SimHub::host() + "/" + kEntity;
  open(hub, "service@sas.root.hub", hub.policy_token("service"), "sb://" + resource);
}

void SimEventReader::on_connected() {
  for (std::uint32_t p = 0; p < state().partitions.size(); ++p) attach_partition(p, false);
}

// Every form that SDKs have of the same place.
void SimEventReader::attach_partition(std::uint32_t partition, bool latest) {
  const std::uint64_t line = checkers_.new_number();
  const std::uint64_t next = checkers_.events.checkpoint(partition);
  Client::LinkOptions options;
  if (!latest) options.epoch = epoch_;
  options.sender_mode = random_.chance(50) ? amqp::SenderMode::mixed : amqp::SenderMode::unsettled;
  const std::string before = std::to_string(static_cast<std::int64_t>(next) - 1);
  if (latest) {
    options.selector = "amqp.annotation.x-opt-offset > '@latest'";
  } else if (next > 0 || random_.chance(70)) {
    switch (random_.below(3)) {
      case 0:
        options.selector = "amqp.annotation.x-opt-offset > '" + before + "'";
        break;
      case 1:
        options.selector = "amqp.annotation.x-opt-sequence-number > " + before;
        break;
      default:
        options.selector = "amqp.annotation.x-opt-sequence-number >= '" + std::to_string(next) + "'";
    }
  }
  const Handle link = attach(
      amqp::Role::receiver,
      std::string(kEntity) + "/ConsumerGroups/$Default/Partitions/" + std::to_string(partition), options);
  tell("from " + (latest ? std::string("latest") : std::to_string(next)));
  links_[link] = {partition, line, !latest};
  checkers_.events.begins(line, latest ? std::nullopt : std::optional(next),
                          latest ? state().partitions[partition].end() : 0);
}

void SimEventReader::follow_latest() {
  if (!is_connected() || links_.empty()) return;
  attach_partition(static_cast<std::uint32_t>(random_.below(state().partitions.size())), true);
  flush();
}

void SimEventReader::on_attached(Handle link) {
  if (links_.contains(link)) client_->grant(link, 300);
}

void SimEventReader::give_credit() {
  if (!is_connected()) return;
  for (const auto& [link, reading] : links_) {
    if (random_.chance(70)) {
      client_->grant(link, static_cast<std::uint32_t>(random_.below(400)), random_.chance(15));
    }
  }
  flush();
}

void SimEventReader::take_all() {
  if (!is_connected()) return;
  for (const auto& [link, reading] : links_) client_->grant(link, 1'000);
  flush();
}

void SimEventReader::keep() {
  for (const auto& [link, reading] : links_) {
    if (reading.keeps) checkers_.events.keep(reading.line, reading.partition);
  }
}

void SimEventReader::on_received(const Client::Received& received) {
  const auto reading = links_.find(received.link);
  if (reading == links_.end()) return;
  const auto message = amqp::read_message(received.payload);
  checkers_.judge.require(message && message->data.size() == 1, "an event is one data section");
  if (!message || message->data.size() != 1) return;
  const auto annotation = [&](std::string_view name) { return message->message_annotations.find(name); };
  ReadEvent event;
  event.partition = reading->second.partition;
  if (const amqp::Value* number = annotation("x-opt-sequence-number")) {
    event.sequence = number->integer().value_or(-1);
  }
  if (const amqp::Value* offset = annotation("x-opt-offset")) event.offset = amqp::text_of(*offset);
  if (const amqp::Value* device = annotation("iothub-connection-device-id")) {
    event.device = amqp::text_of(*device);
  }
  event.body = std::string(message->data.front());
  checkers_.events.received(reading->second.line, event, state());
  if (!received.settled) client_->dispose(received.delivery, {}, true);
}

void SimEventReader::on_detached(Handle link, const std::optional<amqp::Condition>&) { links_.erase(link); }

}  // namespace kyanite::sim
