#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "server/amqp/amqp_device.h"

// Links of devices and modules, all of them owned by their connection (spec amqp.md 7).
namespace kyanite {

// AmqpDeviceLink is a link that belongs to an AmqpDevice, which outlives it.
class AmqpDeviceLink : public AmqpLink {
 public:
  AmqpDeviceLink(AmqpConnection& connection, AmqpDevice& device, const amqp::AttachReceived& attach,
                 AmqpNode node);

  AmqpNode node() const { return node_; }
  bool hub_sends() const { return hub_sends_; }
  // com.microsoft:channel-correlation-id when it is one of the node's own kind: some clients leave those of
  // twins on their other links.
  const std::string& channel() const { return channel_; }
  std::uint32_t session() const { return session_; }

  void on_ending() final { device_.on_link_ended(*this); }

  // What the owner sends, for the receivers that know it.
  virtual void lend(LendC2d /*lent*/) {}
  virtual void withdraw(std::uint64_t /*sequence*/) {}
  virtual void notify(const NotifyDesired& /*notify*/) {}
  virtual bool wants_desired() const { return false; }
  virtual void call(const CallMethod& /*call*/) {}

 protected:
  AmqpDevice& device() const { return device_; }
  void settle(const amqp::MessageReceived& message) const;
  void refuse(const amqp::MessageReceived& message, const Error& error) const;

 private:
  AmqpDevice& device_;
  const AmqpNode node_;
  const bool hub_sends_;
  const std::string channel_;
  const std::uint32_t session_;
};

// SendingLink is one on which the hub sends messages that need no outcome, in order, as room comes.
//
// Bound: limits::kOutputHardBytes that wait; a peer that lets more pile up loses the link.
class SendingLink : public AmqpDeviceLink {
 public:
  SendingLink(AmqpConnection& connection, AmqpDevice& device, const amqp::AttachReceived& attach,
              AmqpNode node, bool settled);

  void on_room() final;
  void on_outcome(const amqp::OutcomeReceived& outcome) final;

  void send(std::string message);

 private:
  const bool settled_;
  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::uint64_t last_key_ = 0;
};

// The link that serves the node in the peer's role; nullptr when none does.
std::unique_ptr<AmqpDeviceLink> make_device_link(AmqpConnection& connection, AmqpDevice& device,
                                                 const amqp::AttachReceived& attach, AmqpNode node);
std::unique_ptr<AmqpDeviceLink> make_telemetry_link(AmqpConnection& connection, AmqpDevice& device,
                                                    const amqp::AttachReceived& attach);
std::unique_ptr<AmqpDeviceLink> make_c2d_link(AmqpConnection& connection, AmqpDevice& device,
                                              const amqp::AttachReceived& attach);
std::unique_ptr<AmqpDeviceLink> make_twin_link(AmqpConnection& connection, AmqpDevice& device,
                                               const amqp::AttachReceived& attach);
std::unique_ptr<AmqpDeviceLink> make_method_link(AmqpConnection& connection, AmqpDevice& device,
                                                 const amqp::AttachReceived& attach);

// How the node's links are accepted.
amqp::Acceptance acceptance_of(AmqpNode node, const amqp::Attach& attach);

}  // namespace kyanite
