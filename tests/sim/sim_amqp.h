#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tests/sim/amqp_watcher.h"
#include "tests/sim/checkers.h"
#include "tests/support/amqp_client.h"
#include "tests/support/sim_channel.h"
#include "tests/support/sim_hub.h"

namespace kyanite::sim {

// The body as bytes; empty when it has no such form.
std::string body_of(const amqp::Message& message);

// SimAmqp is one program that speaks AMQP, on one connection at a time: what devices, back ends and readers
// of events have in common. It reads what came when it is told to, so that anything may lie unread.
class SimAmqp {
 public:
  SimAmqp(Checkers& checkers, Random& random, std::string name);
  virtual ~SimAmqp() = default;
  SimAmqp(const SimAmqp&) = delete;
  SimAmqp& operator=(const SimAmqp&) = delete;

  bool is_connected() const { return connected_; }
  bool is_stalled() const { return stalled_; }

  void ping();
  void disconnect();  // says so and goes on reading
  void cut();
  void stall();
  void unstall();
  // Forgets the connection, as when the hub's machine went down.
  void forget();
  // Reads and reacts to what came; notices the end of the connection.
  void read();

 protected:
  using Client = test::AmqpClient;
  using Handle = Client::Handle;

  // Proves `token` by SASL PLAIN as `user` or over $cbs for `audience`; on_connected() follows.
  void open(test::SimHub& hub, const std::string& user, const std::string& token,
            const std::string& audience);
  Handle attach(amqp::Role role, const std::string& address, const Client::LinkOptions& options = {});
  void flush();  // sends what was written

  virtual void on_connected() {}
  virtual void on_forgotten() {}
  virtual void on_attached(Handle) {}
  virtual void on_detached(Handle, const std::optional<amqp::Condition>&) {}
  virtual void on_received(const Client::Received&) {}
  virtual void on_settled(const Client::Settled&) {}
  virtual void on_confirmed(const Client::Confirmed&) {}
  // What the hub writes on the links where it sends, as it writes.
  virtual AmqpWatcher::OnMessage watcher() { return {}; }

  const MemoryState& state() const { return hub_->stores.committed(); }
  void tell(const std::string& line) const { checkers_.judge.tell(name_ + " " + line); }

  Checkers& checkers_;
  Random& random_;
  const std::string name_;
  test::SimHub* hub_ = nullptr;
  std::unique_ptr<Client> client_;
  std::uint64_t connection_ = 0;

 private:
  void watch();
  void put_token();
  void react(Client::Event& event);

  std::unique_ptr<test::SimLink> link_;
  std::string token_;
  std::string audience_;
  bool uses_cbs_ = false;
  bool token_sent_ = false;
  Handle cbs_requests_ = 0;
  Handle cbs_answers_ = 0;
  bool connected_ = false;
  bool stalled_ = false;
};

}  // namespace kyanite::sim
