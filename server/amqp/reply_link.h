#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "protocol/amqp/message.h"
#include "protocol/amqp/value.h"
#include "server/amqp/amqp_connection.h"

namespace kyanite {

// ReplyLink is a client's receiver on a node of requests and answers: `$cbs`, `$management`. Answers wait in
// it until the client grants credit, which may be after its request (spec amqp.md 2.5).
//
// Bound: kWaitingMax answers and kWaitingBytesMax of all but the newest; the oldest are dropped.
// kLinksMax of them on a connection, which need no proof for `$cbs`.
class ReplyLink final : public AmqpLink {
 public:
  static constexpr std::size_t kWaitingMax = 128;
  static constexpr std::size_t kWaitingBytesMax = 64 * 1024;
  static constexpr std::size_t kLinksMax = 64;

  // `node` is "$cbs" or "$management". Registers itself with the connection.
  ReplyLink(AmqpConnection& connection, const amqp::AttachReceived& attach, std::string_view node);
  ~ReplyLink() override;

  // Sends an encoded message, or keeps it.
  void answer(std::string message);

  void on_room() override;
  void on_outcome(const amqp::OutcomeReceived& outcome) override;
  void on_ending() override;

  const std::string& node() const { return node_; }
  const std::string& name() const { return name_; }
  const std::string& target() const { return target_; }
  std::uint32_t session() const { return session_; }

 private:
  const std::string node_;
  const std::string name_;
  const std::string target_;
  const std::uint32_t session_;
  const bool settled_;
  std::uint64_t sent_ = 0;
  std::deque<std::string> waiting_;
  std::size_t waiting_bytes_ = 0;
};

// True when the connection has too many of them already: the attach is refused then.
bool refuse_reply_link(AmqpConnection& connection, const amqp::AttachReceived& attach);

// The client's receiver that an answer goes to (spec 3.1): the one whose target address is `reply_to`, whose
// name is that, that of the session, or of the connection; of several the newest. nullptr: there is none.
ReplyLink* choose_reply_link(const AmqpConnection& connection, std::string_view node, std::uint32_t session,
                             std::string_view reply_to);

// The head of an answer: correlation-id as the request's message-id, else its correlation-id, in the same
// type. `status` is an int on the wire; `condition` is left out when empty. The body is the caller's to
// append.
std::string reply_head(const amqp::Properties& request, int status, std::string_view description,
                       std::string_view condition = {});

// What a request was answered with is settled first (spec 2.6): call before the answer.
void settle_request(AmqpConnection& connection, const amqp::MessageReceived& message);

}  // namespace kyanite
