#pragma once

#include <cstddef>
#include <string>

#include "server/amqp/amqp_connection.h"
#include "server/amqp/event_pages.h"
#include "server/amqp/event_position.h"
#include "server/hub/consumer_groups.h"

namespace kyanite {

// What a reader asked for.
struct PartitionReading {
  std::string group;
  PartitionId partition;
  EventPosition from;
  bool wants_metric = false;  // delivery annotations with each event
};

// PartitionReceiver sends the events of one partition to one reader, in order and settled, as far as its
// credit, the session's window and the connection's output go; nothing is read ahead of them but the rest of
// a page. Where the reader has caught up it waits for the log. When retention removes what it had not read it
// goes on with the oldest event, which is said to the log once.
//
// Owner: its AmqpConnection. Its claim on the partition ends with it.
class PartitionReceiver final : public AmqpLink {
 public:
  PartitionReceiver(AmqpConnection& connection, amqp::LinkId id, PartitionReading reading, ReaderClaim claim);
  ~PartitionReceiver() override;

  void on_room() override { pump(); }
  void on_ending() override { claim_ = ReaderClaim(); }  // before the next attach of the same turn

 private:
  void pump();
  // Makes the next event available; false when it has to be waited for.
  bool fetch();
  void send_next();
  void wait_for_events();
  void on_located(const Result<TelemetryOffset>& found);
  void on_page(const Result<EventPagePtr>& page);
  void on_new_events(const Result<TelemetryOffset>& end);
  void use(EventPagePtr page);
  void fail(const Error& error);

  const PartitionReading reading_;
  ReaderClaim claim_;
  TelemetryOffset next_{};       // event
  bool located_ = true;          // false: `next_` must be found by time first
  TelemetryOffset known_end_{};  // of the partition as the search for it began
  bool asking_ = false;          // the log, for a page or a place
  bool waiting_ = false;         // for events at or behind `next_`
  bool told_overtaken_ = false;
  WaitId wait_{};
  TimerId retry_{};
  EventPagePtr page_;  // the rest of it is at hand
  std::size_t index_ = 0;
  std::string metric_;  // delivery annotations of this turn, encoded
};

}  // namespace kyanite
