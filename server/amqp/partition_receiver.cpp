#include "server/amqp/partition_receiver.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "protocol/base/percent_encoding.h"
#include "server/amqp/amqp_shard.h"
#include "server/amqp/event_message.h"
#include "server/amqp/events_shard.h"
#include "server/amqp/link_openers.h"

namespace kyanite {
namespace {

constexpr std::string_view kEpochProperty = "com.microsoft:epoch";
constexpr std::string_view kMetricCapability = "com.microsoft:enable-receiver-runtime-metric";
constexpr milliseconds kReadRetry{100};  // the readers of the store had too much to do

// What a reader is told of an error, where the codes mean more here than elsewhere.
amqp::Condition reader_condition(const Error& error) {
  const auto condition = [&](std::string name) { return amqp::Condition{std::move(name), error.detail, {}}; };
  switch (error.code) {
    case Errc::conflict:
      return condition("amqp:link:stolen");
    case Errc::quota_exceeded:
      return condition("amqp:resource-limit-exceeded");
    case Errc::argument_invalid:
      return condition("com.microsoft:argument-error");
    default:
      return condition_of(error);
  }
}

// Clients look for these words (6.3).
amqp::Condition unknown_entity(const std::string& name) {
  return {"amqp:not-found", "The messaging entity '" + name + "' could not be found.", {}};
}

std::optional<PartitionId> partition_from(std::string_view text, std::uint32_t partitions) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number >= partitions) return std::nullopt;
  return PartitionId{number};
}

bool wants(const std::vector<std::string>& capabilities, std::string_view name) {
  return std::find(capabilities.begin(), capabilities.end(), name) != capabilities.end();
}

// On the reader's shard: it may be gone by now.
void put_out_reader(AmqpShard& shard, std::uint64_t connection_number, amqp::LinkId id,
                    amqp::Condition condition) {
  AmqpConnection* connection = shard.find(connection_number);
  if (!connection || !connection->find(id)) return;
  connection->detach(id, std::move(condition));
  connection->flush();
}

}  // namespace

PartitionReceiver::PartitionReceiver(AmqpConnection& connection, amqp::LinkId id, PartitionReading reading,
                                     ReaderClaim claim)
    : AmqpLink(connection, id), reading_(std::move(reading)), claim_(std::move(claim)) {
  if (const auto* offset = std::get_if<TelemetryOffset>(&reading_.from)) {
    next_ = *offset;
  } else {
    located_ = false;
  }
}

PartitionReceiver::~PartitionReceiver() {
  const HubServices& hub = connection().services();
  if (waiting_) hub.stores.telemetry().cancel_wait(wait_);
  if (retry_) hub.executor.cancel(retry_);
}

void PartitionReceiver::pump() {
  metric_.clear();
  while (connection().may_send(id()) > 0) {
    if (!page_ && !fetch()) {
      // A read under way may bring more, and so may what was just told of; at the end of the log the credit
      // that is left goes back.
      const bool at_end = connection().services().stores.telemetry().range(reading_.partition).end <= next_;
      if (!asking_ && !retry_ && (at_end || !located_)) connection().engine().drained(id());
      return;
    }
    send_next();
  }
}

bool PartitionReceiver::fetch() {
  if (asking_ || waiting_ || retry_) return false;
  const HubServices& hub = connection().services();
  TelemetryLog& log = hub.stores.telemetry();
  if (!located_) {
    asking_ = true;
    known_end_ = log.range(reading_.partition).end;
    log.find_time(
        reading_.partition, std::get<WallTime>(reading_.from),
        connection().reply_to_link<TelemetryOffset, PartitionReceiver>(
            id(), [](PartitionReceiver& self, Result<TelemetryOffset> found) { self.on_located(found); }));
    return false;
  }
  EventPages& pages = connection().shard().events().pages;
  if (EventPagePtr kept = pages.find(reading_.partition, next_)) {
    use(std::move(kept));
    if (page_) return true;
  }
  if (log.range(reading_.partition).end <= next_) {
    wait_for_events();
    return false;
  }
  asking_ = true;
  pages.read(
      reading_.partition, next_,
      connection().reply_to_link<EventPagePtr, PartitionReceiver>(
          id(), [](PartitionReceiver& self, const Result<EventPagePtr>& page) { self.on_page(page); }));
  return false;
}

void PartitionReceiver::wait_for_events() {
  waiting_ = true;
  wait_ = connection().services().stores.telemetry().wait_past(
      reading_.partition, next_,
      connection().reply_to_link<TelemetryOffset, PartitionReceiver>(
          id(), [](PartitionReceiver& self, Result<TelemetryOffset> end) { self.on_new_events(end); }));
}

void PartitionReceiver::send_next() {
  const HubServices& hub = connection().services();
  if (reading_.wants_metric && metric_.empty()) {
    append_runtime_metric(metric_, hub.stores.telemetry().range(reading_.partition), hub.executor.wall_now());
  }
  const std::string_view event = page_->event(index_);
  std::array<char, sizeof(std::uint64_t)> tag{};
  std::uint64_t number = page_->events[index_].offset.value;
  next_ = TelemetryOffset{number + 1};
  for (std::size_t at = tag.size(); at-- > 0; number >>= 8) tag[at] = static_cast<char>(number & 0xff);
  connection().engine().send(id(), {.tag = {tag.data(), tag.size()}, .settled = true}, metric_, event);
  AmqpStatistics& statistics = connection().shard().statistics();
  ++statistics.events_sent;
  statistics.event_bytes_sent += event.size();
  if (++index_ == page_->events.size()) {
    next_ = page_->next;
    page_.reset();
  }
}

// The time may be ahead: what is enqueued until then is not wanted, nor what came behind the end while the
// search was under way. It finds out when it searches again.
void PartitionReceiver::on_located(const Result<TelemetryOffset>& found) {
  asking_ = false;
  if (!found) return fail(found.error());
  next_ = *found;
  located_ = next_ < known_end_;
  if (!located_) {
    wait_for_events();
    connection().engine().drained(id());
    return;
  }
  pump();
}

void PartitionReceiver::on_page(const Result<EventPagePtr>& page) {
  asking_ = false;
  if (!page) return fail(page.error());
  use(*page);
  pump();
}

// Without an event at or behind `next_` the page is of no use, but for where to go on. Offsets have no gaps
// but the one that retention makes; who begins at the start wants the oldest event, whichever that is.
void PartitionReceiver::use(EventPagePtr page) {
  index_ = page->index_of(next_);
  const bool has_events = index_ < page->events.size();
  const TelemetryOffset goes_on = has_events ? page->events[index_].offset : std::max(next_, page->next);
  if (goes_on > next_ && next_.value > 0 && !told_overtaken_) {
    told_overtaken_ = true;
    connection().shard().observer().on_reader_overtaken(reading_.group, reading_.partition, next_, goes_on);
  }
  next_ = goes_on;
  if (has_events) page_ = std::move(page);
}

void PartitionReceiver::on_new_events(const Result<TelemetryOffset>& end) {
  waiting_ = false;
  if (!end) return fail(end.error());
  pump();
}

void PartitionReceiver::fail(const Error& error) {
  if (error.code == Errc::shutting_down) return;  // the connection ends too
  if (error.code != Errc::busy) return connection().detach(id(), reader_condition(error));
  retry_ = connection().services().executor.after(
      kReadRetry, [&shard = connection().shard(), number = connection().number(), link = id()] {
        AmqpConnection* found = shard.find(number);
        AmqpLink* self = found ? found->find(link) : nullptr;
        if (!self) return;
        auto& receiver = static_cast<PartitionReceiver&>(*self);
        receiver.retry_ = {};
        receiver.pump();
        found->flush();
      });
}

void open_partition(AmqpConnection& connection, const amqp::AttachReceived& attach,
                    const AmqpAddress& address, const Claim& claim) {
  const amqp::Attach& asked = attach.attach;
  AmqpShard& shard = connection.shard();
  const HubServices& hub = connection.services();
  TelemetryLog& log = hub.stores.telemetry();
  const auto refuse = [&](amqp::Condition condition) {
    connection.refuse(attach.link, std::move(condition));
  };
  if (asked.role != amqp::Role::receiver)
    return refuse({"amqp:not-allowed", "events come from devices; nobody may send them here", {}});
  if (!equals_ignoring_case(address.entity, shard.events().endpoint.entity))
    return refuse(unknown_entity(address.entity));
  const auto partition = partition_from(address.partition, log.partitions());
  if (!partition) {
    return refuse({"com.microsoft:argument-out-of-range",
                   "there are the partitions 0 to " + std::to_string(log.partitions() - 1),
                   {}});
  }
  Result<EventPosition> from = event_position_of(asked.source.filter);
  if (!from) return refuse(reader_condition(from.error()));
  // What is enqueued after the attach came is past "@latest", however long the claim takes.
  if (std::holds_alternative<Latest>(*from)) from = EventPosition(log.range(*partition).end);
  ReaderRequest request{address.group, *partition, std::nullopt};
  if (const amqp::Value* epoch = asked.properties.find(kEpochProperty); epoch && !epoch->is_null()) {
    request.epoch = epoch->integer();
    if (!request.epoch || *request.epoch < 0)
      return refuse(
          {"com.microsoft:argument-error", "com.microsoft:epoch must be an integer of at least 0", {}});
  }
  PartitionReading reading{address.group, *partition, *from,
                           wants(asked.desired_capabilities, kMetricCapability)};
  const amqp::LinkId link = attach.link;
  hub.consumer_groups.claim(
      std::move(request), hub.executor,
      [&shard, number = connection.number(), link](const Error& why) {
        put_out_reader(shard, number, link, reader_condition(why));
      },
      connection.reply_to_self<ReaderClaim>(
          [link, reading = std::move(reading), entity = address.entity + "/ConsumerGroups/" + address.group,
           claim_id = claim.id](AmqpConnection& self, Result<ReaderClaim> claimed) mutable {
            if (!claimed) {
              const bool unknown = claimed.error().code == Errc::not_found;
              return self.refuse(link, unknown ? unknown_entity(entity) : reader_condition(claimed.error()));
            }
            if (!self.engine().has(link)) return;  // gone meanwhile, and the claim with it
            if (!self.claims().find(claim_id)) {
              return self.refuse(link, condition_of(Error(Errc::unauthorized, "the token has expired")));
            }
            amqp::Acceptance acceptance;
            acceptance.sender_mode = amqp::SenderMode::settled;
            self.accept(
                link, std::move(acceptance),
                std::make_unique<PartitionReceiver>(self, link, std::move(reading), std::move(*claimed)),
                claim_id);
          }));
}

}  // namespace kyanite
