#pragma once

#include <string>

#include "server/amqp/amqp_connection.h"
#include "server/hub/events_endpoint.h"

namespace kyanite {

// What tells a client where events are read: the error amqp:link:redirect (spec amqp.md 6.2). `rest` is what
// stood behind messages/events in the address it asked for.
amqp::Condition redirect_condition(const EventsEndpoint& endpoint, const std::string& rest);

// EventsRedirect is a link that lives for the gap between its attach and the redirect: with both in one read
// one client takes the link for open and never sees its end.
//
// Owner: its AmqpConnection.
class EventsRedirect final : public AmqpLink {
 public:
  static constexpr milliseconds kGap{50};

  EventsRedirect(AmqpConnection& connection, amqp::LinkId id, amqp::Condition condition);
  ~EventsRedirect() override;

 private:
  void redirect();

  amqp::Condition condition_;
  TimerId timer_{};
};

}  // namespace kyanite
