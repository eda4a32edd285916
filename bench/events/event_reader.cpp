#include "bench/events/event_reader.h"

#include <utility>

#include "protocol/amqp/message.h"

namespace kyanite::load {
namespace {

constexpr std::string_view kAmqpHeader{"AMQP\x00\x01\x00\x00", 8};
constexpr std::uint32_t kLinkCredit = 100'000;

amqp::Attach receiver_of(const std::string& name, std::uint32_t handle, const std::string& address) {
  amqp::Attach attach;
  attach.name = name;
  attach.handle = handle;
  attach.role = amqp::Role::receiver;
  attach.source.encoded = amqp::source_of(address);
  attach.target.encoded = amqp::empty_target();
  return attach;
}

}  // namespace

EventReader::EventReader(HubStream& stream, Options options)
    : stream_(stream), options_(std::move(options)) {}

amqp::Performative EventReader::next(std::uint16_t& channel) {
  for (;;) {
    const auto frame = decoder_.next_frame();
    if (!frame) give_up("the hub's frame cannot be read: " + frame.error().detail);
    if (!*frame) {
      decoder_.feed(stream_.read());
      continue;
    }
    if ((*frame)->body.empty()) continue;  // a heartbeat
    auto performative = amqp::read_performative((*frame)->body);
    if (!performative) give_up("the hub's performative cannot be read: " + performative.error().detail);
    channel = (*frame)->channel;
    return std::move(*performative);
  }
}

// Flows and dispositions that come before it say nothing to us.
template <class T>
T EventReader::expect() {
  for (;;) {
    std::uint16_t channel = 0;
    amqp::Performative performative = next(channel);
    if (auto* wanted = std::get_if<T>(&performative)) return std::move(*wanted);
    if (const auto* detach = std::get_if<amqp::Detach>(&performative))
      give_up("a link was refused: " + (detach->error ? detach->error->description : std::string()));
    if (std::holds_alternative<amqp::Close>(performative)) give_up("the hub closed the connection");
  }
}

void EventReader::open(const std::string& host, const std::string& entity, const std::string& token) {
  output_ = kAmqpHeader;
  amqp::Open opening;
  opening.container_id = "kyanite_read_events";
  opening.hostname = host;
  amqp::append_open(output_, opening);
  amqp::Begin begin;
  begin.incoming_window = begin.outgoing_window = options_.window;
  amqp::append_begin(output_, 0, begin);
  amqp::Attach sender;
  sender.name = "cbs-requests";
  sender.source.encoded = amqp::empty_source();
  sender.target.encoded = amqp::target_of("$cbs");
  sender.initial_delivery_count = 0;
  amqp::append_attach(output_, 0, sender);
  amqp::append_attach(output_, 0, receiver_of("cbs-answers", 1, "$cbs"));
  stream_.write(output_);
  for (;;) {
    const auto header = decoder_.next_header();
    if (!header) give_up("the hub's protocol header cannot be read");
    if (*header) break;
    decoder_.feed(stream_.read());
  }
  expect<amqp::Open>();
  expect<amqp::Begin>();
  expect<amqp::Attach>();
  expect<amqp::Attach>();
  sessions_.emplace_back();
  put_token("sb://" + host + "/" + entity, token);
}

void EventReader::put_token(const std::string& audience, const std::string& token) {
  output_.clear();
  amqp::Flow credit;
  credit.next_incoming_id = 0;
  credit.incoming_window = credit.outgoing_window = options_.window;
  credit.handle = 1;
  credit.delivery_count = 0;
  credit.link_credit = 1;
  amqp::append_flow(output_, 0, credit);
  std::string message;
  amqp::Properties properties;
  properties.message_id = std::string("1");
  properties.reply_to = "cbs";
  amqp::append_properties(message, properties);
  amqp::Map application;
  application.entries.push_back({"operation", "put-token"});
  application.entries.push_back({"type", "servicebus.windows.net:sastoken"});
  application.entries.push_back({"name", audience});
  amqp::append_application_properties(message, application);
  amqp::append_amqp_value(message, token);
  amqp::Transfer transfer;
  transfer.delivery_id = 0;
  transfer.delivery_tag = "1";
  transfer.message_format = 0;
  transfer.settled = true;
  amqp::append_transfer_head(output_, 0, transfer, message.size());
  output_ += message;
  stream_.write(output_);
  const auto answer = amqp::read_message(expect<amqp::Transfer>().payload);
  const amqp::Value* status = answer ? answer->application_properties.find("status-code") : nullptr;
  if (!status || status->integer() != 200) give_up("the hub refused the token");
}

void EventReader::attach(const std::string& entity, std::uint32_t partition) {
  const auto channel = static_cast<std::uint16_t>(sessions_.size());
  sessions_.emplace_back();
  output_.clear();
  amqp::Begin begin;
  begin.incoming_window = begin.outgoing_window = options_.window;
  amqp::append_begin(output_, channel, begin);
  const std::string id = std::to_string(partition);
  amqp::append_attach(
      output_, channel,
      receiver_of("partition-" + id, 0, entity + "/ConsumerGroups/" + options_.group + "/Partitions/" + id));
  stream_.write(output_);
  expect<amqp::Begin>();
  if (expect<amqp::Attach>().source.is_null()) expect<amqp::Begin>();  // the detach that follows says why
}

void EventReader::flow(std::uint16_t channel, Session& session) {
  session.answered = session.received;
  amqp::Flow flow;
  flow.next_incoming_id = session.received;
  flow.incoming_window = flow.outgoing_window = options_.window;
  flow.handle = 0;
  flow.delivery_count = session.deliveries;
  flow.link_credit = kLinkCredit;
  amqp::append_flow(output_, channel, flow);
}

void EventReader::on_transfer(std::uint16_t channel, const amqp::Transfer& transfer) {
  if (channel == 0 || channel >= sessions_.size()) give_up("a transfer came on a channel without a reader");
  Session& session = sessions_[channel];
  ++session.received;
  bytes_ += transfer.payload.size();
  if (!transfer.more) {
    ++session.deliveries;
    ++events_;
  }
  if (session.received - session.answered >= options_.window / 2) flow(channel, session);
}

void EventReader::read(std::uint64_t events) {
  output_.clear();
  for (std::size_t channel = 1; channel < sessions_.size(); ++channel)
    flow(static_cast<std::uint16_t>(channel), sessions_[channel]);
  while (events_ < events) {
    if (!output_.empty()) stream_.write(std::exchange(output_, {}));
    std::uint16_t channel = 0;
    const amqp::Performative performative = next(channel);
    if (const auto* transfer = std::get_if<amqp::Transfer>(&performative)) {
      on_transfer(channel, *transfer);
    } else if (std::holds_alternative<amqp::Detach>(performative)) {
      give_up("the hub ended a link");
    }
  }
}

}  // namespace kyanite::load
