#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "server/amqp/amqp_connection.h"

namespace kyanite {

// LockingLink is a back end's receiver of what the hub has for any one of them: it asks a queue for the next
// thing while there is credit, sends it under its lock, and settles the lock as the receiver says (spec
// amqp.md 5.2, 5.3). A drain takes what is there now and gives back the credit that is left. A link that ends
// gives back what it holds.
//
// Bound: kHeldMax things that are not settled; those whose lock ended are forgotten.
class LockingLink : public AmqpLink {
 public:
  static constexpr std::size_t kHeldMax = 16;

  LockingLink(AmqpConnection& connection, amqp::LinkId id, milliseconds lock_time)
      : AmqpLink(connection, id), lock_time_(lock_time) {}
  ~LockingLink() override;

  void on_room() final;
  void on_outcome(const amqp::OutcomeReceived& outcome) final;
  void on_ending() final;

  static amqp::Acceptance acceptance();

 protected:
  // What the queue behind it does.
  virtual std::uint64_t new_waiter() = 0;
  virtual void ask(std::uint64_t waiter) = 0;  // answered with on_ready() or on_failed()
  virtual void cancel(std::uint64_t waiter) = 0;
  virtual void look() = 0;  // as ask(), but does not wait: answered with on_looked()
  virtual void complete(const std::string& lock_token, Reply<void> reply) = 0;
  virtual void abandon(const std::string& lock_token, Reply<void> reply) = 0;
  virtual void return_unsent(const std::string& lock_token) = 0;

  void on_ready(std::uint64_t waiter, std::string lock_token, std::string message);
  void on_failed(std::uint64_t waiter, const Error& error);
  void on_looked(std::string lock_token, std::string message);
  void on_nothing();  // there, or nothing that can be had now
  std::string hub_name() const;

 private:
  struct Ready {
    std::string lock_token;
    std::string message;
  };
  struct Held {
    std::string lock_token;
    WallTime until;
  };

  void send(Ready ready);
  void forget_ended();
  void wait_for_locks();
  void give_back(const std::string& lock_token);

  const milliseconds lock_time_;
  std::optional<std::uint64_t> waiter_;
  std::optional<Ready> ready_;                    // there is no room for it at present
  std::unordered_map<std::uint64_t, Held> held_;  // by the key of the delivery
  std::uint64_t last_key_ = 0;
  bool looking_ = false;
  TimerId lock_timer_{};  // while kHeldMax are held
};

}  // namespace kyanite
