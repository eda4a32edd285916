#include "server/amqp/partition_receiver.h"

#include <gmock/gmock.h>

#include "protocol/amqp/message.h"
#include "server/amqp/amqp_shard.h"
#include "server/amqp/events_shard.h"
#include "tests/support/sim_channel.h"
#include "tests/support/sim_hub.h"
#include "tests/support/store_helpers.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint32_t kReadPartition = 2;

// A client with one session and a proven connection, which reads what comes as events by number.
class EventsPeer {
 public:
  EventsPeer(SimHub& hub, AmqpShard& shard) : hub_(hub), link_(hub.executor(0)) {
    shard.accept(link_.take_channel());
    amqp::append_open(bytes_, {});
    amqp::append_begin(bytes_, 0, amqp::Begin{std::nullopt, 0, 100'000, 1000, 255});
    send(std::string("AMQP\x00\x01\x00\x00", 8) + std::exchange(bytes_, {}));
    constexpr std::uint64_t few = 16;
    for (std::uint64_t each = 1; each < few; ++each) number = shard.find(each) ? each : number;
    Claim claim;
    claim.policy = "service";
    claim.rights = Right::service_connect;
    shard.find(number)->put_claim(std::move(claim));
    const std::string header = link_.take_received();
    EXPECT_EQ(header.substr(0, 4), "AMQP");
    decoder_.feed(kept_ = header.substr(8));
    read();
  }

  void attach(std::optional<std::string> selector = std::nullopt, const std::string& group = "$Default") {
    amqp::Attach attach;
    attach.name = "reader";
    attach.role = amqp::Role::receiver;
    std::string source;
    amqp::Writer writer(source);
    writer.descriptor(0x28);
    writer.begin_list();
    writer.string("iothub-ehub-hub/ConsumerGroups/" + group + "/Partitions/" +
                  std::to_string(kReadPartition));
    for (int field = 1; field <= 6; ++field) writer.null();
    if (selector) {
      writer.begin_map();
      writer.symbol("apache.org:selector-filter:string");
      writer.string(*selector);
      writer.end();
    }
    writer.end();
    attach.source.encoded = source;
    attach.target.encoded = amqp::empty_target();
    amqp::append_attach(bytes_, 0, attach);
    send(std::exchange(bytes_, {}));
  }
  void credit(std::uint32_t count, bool drain = false) { send(credit_bytes(count, drain)); }
  std::string credit_bytes(std::uint32_t count, bool drain = false) {
    amqp::Flow flow;
    flow.next_incoming_id = transfers_;
    flow.incoming_window = 100'000;
    flow.handle = 0;
    flow.delivery_count = static_cast<std::uint32_t>(received_);
    flow.link_credit = count;
    flow.drain = drain;
    amqp::append_flow(bytes_, 0, flow);
    return std::exchange(bytes_, {});
  }
  void send(const std::string& bytes) {
    link_.send(bytes);
    hub_.loop.run();
  }

  // Sequence numbers of the events that came since the last call.
  std::vector<std::int64_t> events() {
    decoder_.feed(kept_ = link_.take_received());
    read();
    return std::exchange(events_, {});
  }
  // Conditions of detaches that came so far.
  std::vector<std::string> ends() {
    events();
    return ends_;
  }
  std::size_t drained() {
    events();
    return drained_;
  }
  SimLink& link() { return link_; }
  std::uint64_t number = 0;

 private:
  void read() {
    for (;;) {
      const auto frame = decoder_.next_frame();
      ASSERT_TRUE(frame);
      if (!*frame) return;
      if ((*frame)->body.empty()) continue;
      const auto performative = amqp::read_performative((*frame)->body);
      ASSERT_TRUE(performative);
      if (const auto* transfer = std::get_if<amqp::Transfer>(&*performative)) on_transfer(*transfer);
      if (const auto* detach = std::get_if<amqp::Detach>(&*performative))
        ends_.push_back(detach->error ? detach->error->name : "none");
      if (const auto* flow = std::get_if<amqp::Flow>(&*performative); flow && flow->drain) ++drained_;
    }
  }
  void on_transfer(const amqp::Transfer& transfer) {
    ++transfers_;
    message_ += transfer.payload;
    if (transfer.more) return;
    ++received_;
    const auto message = amqp::read_message(message_);
    ASSERT_TRUE(message);
    events_.push_back(*message->message_annotations.find("x-opt-sequence-number")->integer());
    message_.clear();
  }

  SimHub& hub_;
  SimLink link_;
  amqp::FrameDecoder decoder_{1'000'000};
  std::string kept_;
  std::string bytes_;
  std::string message_;
  std::vector<std::int64_t> events_;
  std::vector<std::string> ends_;
  std::size_t drained_ = 0;
  std::uint32_t transfers_ = 0;
  std::uint64_t received_ = 0;
};

std::vector<std::int64_t> numbers(std::int64_t first, std::int64_t last) {
  std::vector<std::int64_t> out;
  for (std::int64_t number = first; number <= last; ++number) out.push_back(number);
  return out;
}

class PartitionReceiverTest : public testing::Test {
 protected:
  PartitionReceiverTest() { hub.loop.run(); }
  // As the application stops: what is under way ends while the shard is there.
  ~PartitionReceiverTest() override {
    shard.drain(milliseconds(0), [] {});
    hub.loop.run();
  }

  void append(std::size_t count, std::size_t body_bytes = 8) {
    TelemetryBatch batch{&sink, {}};
    for (std::size_t i = 0; i < count; ++i)
      batch.appends.push_back(make_append(kReadPartition, "d1", 0, std::string(body_bytes, 'b'), false));
    hub.stores.telemetry().append(std::move(batch));
    hub.loop.run();
  }
  std::size_t readers() {
    const auto groups = hub.ask<std::vector<ConsumerGroup>>(
        [&](Reply<std::vector<ConsumerGroup>> r) { hub.consumer_groups().list(std::move(r)); });
    return groups->front().readers;
  }

  RecordingSink sink;
  SimHub hub;
  AmqpShard shard{hub.services(0), hub.security_snapshot(), hub.observer};
};

TEST_F(PartitionReceiverTest, credit_and_no_more_is_sent_in_order) {
  append(1000);
  EventsPeer peer(hub, shard);
  peer.attach();
  EXPECT_THAT(peer.events(), IsEmpty());
  peer.credit(3);
  EXPECT_EQ(peer.events(), numbers(0, 2));
  peer.credit(5000);
  EXPECT_EQ(peer.events(), numbers(3, 999));
  append(2);
  EXPECT_EQ(peer.events(), numbers(1000, 1001));
  EXPECT_EQ(shard.statistics().events_sent, 1002u);
}

TEST_F(PartitionReceiverTest, amqp_6_4_retention_overtakes_a_reader_which_goes_on_with_the_oldest) {
  append(600);
  EventsPeer peer(hub, shard);
  peer.attach();
  peer.credit(10);
  EXPECT_EQ(peer.events(), numbers(0, 9));
  append(400);
  hub.stores.trim({kReadPartition}, {800});
  hub.observer.take();
  peer.credit(5000);
  // The rest of the page that it was in, then what is there still.
  std::vector<std::int64_t> expected = numbers(10, 255);
  for (const std::int64_t number : numbers(800, 999)) expected.push_back(number);
  EXPECT_EQ(peer.events(), expected);
  EXPECT_THAT(hub.observer.take(),
              ElementsAre("reader of $Default overtaken in partition 2 at 256, goes on at 800"));
}

TEST_F(PartitionReceiverTest, an_offset_that_expired_goes_on_with_the_oldest_and_the_start_is_no_loss) {
  append(100);
  hub.stores.trim({kReadPartition}, {40});
  hub.observer.take();
  EventsPeer from_start(hub, shard);
  from_start.attach();
  from_start.credit(1);
  EXPECT_EQ(from_start.events(), numbers(40, 40));
  EXPECT_THAT(hub.observer.take(), IsEmpty());
  EventsPeer from_offset(hub, shard);
  from_offset.attach("amqp.annotation.x-opt-offset > '7'");
  from_offset.credit(1);
  EXPECT_EQ(from_offset.events(), numbers(40, 40));
  EXPECT_THAT(hub.observer.take(),
              ElementsAre("reader of $Default overtaken in partition 2 at 8, goes on at 40"));
}

TEST_F(PartitionReceiverTest, a_reader_that_does_not_take_what_it_is_sent_holds_no_more_than_its_output) {
  append(2000, 1000);
  EventsPeer slow(hub, shard);
  slow.attach();
  slow.link().stall();
  slow.credit(100'000);
  const std::uint64_t sent = shard.statistics().events_sent;
  EXPECT_LT(sent, 400u) << "of about 1.4 KB";
  EXPECT_GT(sent, 0u);
  EventsPeer quick(hub, shard);
  quick.attach();
  quick.credit(100'000);
  EXPECT_EQ(quick.events(), numbers(0, 1999));
  append(1, 1000);
  EXPECT_EQ(quick.events(), numbers(2000, 2000));
  EXPECT_EQ(shard.statistics().events_sent, sent + 2001);
  slow.link().unstall();
  hub.loop.run();
  EXPECT_EQ(slow.events(), numbers(0, 2000));
}

TEST_F(PartitionReceiverTest, readers_at_one_place_cost_one_encoding) {
  append(500);
  EventsPeer first(hub, shard);
  EventsPeer second(hub, shard);
  for (EventsPeer* peer : {&first, &second}) {
    peer->attach();
    peer->credit(1000);
  }
  EXPECT_EQ(first.events(), numbers(0, 499));
  EXPECT_EQ(second.events(), numbers(0, 499));
  EXPECT_EQ(shard.events().pages.encoded_events(), 500u);
}

TEST_F(PartitionReceiverTest, amqp_37_what_comes_before_a_time_that_is_ahead_is_not_sent_whenever_it_comes) {
  constexpr std::size_t steps = 12;
  for (std::size_t step = 0; step < steps; ++step) {
    EventsPeer peer(hub, shard);
    const WallTime at = hub.loop.wall_now() + seconds(60);
    peer.attach("amqp.annotation.x-opt-enqueued-time > '" + std::to_string(at.time_since_epoch().count()) +
                "'");
    peer.link().send(peer.credit_bytes(10));
    hub.loop.run_some(step);
    append(1);
    append(1);
    EXPECT_THAT(peer.events(), IsEmpty()) << step;
    hub.loop.advance(seconds(61));
    append(1);
    const auto wanted = static_cast<std::int64_t>(step * 3 + 2);
    EXPECT_EQ(peer.events(), numbers(wanted, wanted)) << step;
  }
}

TEST_F(PartitionReceiverTest, amqp_42_a_drain_ends_when_all_that_is_there_was_sent) {
  append(700);
  EventsPeer peer(hub, shard);
  peer.attach();
  peer.credit(10'000, true);
  EXPECT_EQ(peer.events(), numbers(0, 699));
  EXPECT_EQ(peer.drained(), 1u);
  append(1);
  EXPECT_THAT(peer.events(), IsEmpty()) << "the credit is used up";
}

TEST_F(PartitionReceiverTest, amqp_40_a_claim_ends_with_its_connection) {
  EventsPeer peer(hub, shard);
  peer.attach();
  EXPECT_EQ(readers(), 1u);
  peer.link().drop();
  hub.loop.run();
  EXPECT_EQ(readers(), 0u);
}

TEST_F(PartitionReceiverTest, a_connection_that_ends_before_its_claim_is_granted_leaves_none) {
  EventsPeer peer(hub, shard);
  peer.link().send([] {
    std::string bytes;
    amqp::Attach attach;
    attach.name = "reader";
    attach.role = amqp::Role::receiver;
    attach.source.encoded = amqp::source_of("iothub-ehub-hub/ConsumerGroups/$Default/Partitions/2");
    attach.target.encoded = amqp::empty_target();
    amqp::append_attach(bytes, 0, attach);
    return bytes;
  }());
  peer.link().drop();
  hub.loop.run();
  EXPECT_EQ(readers(), 0u);
}

TEST_F(PartitionReceiverTest, amqp_40_a_claim_ends_with_its_link_before_what_the_same_bytes_ask_for) {
  EventsPeer peer(hub, shard);
  const auto attach_bytes = [](std::uint32_t handle, std::optional<std::int64_t> level) {
    std::string bytes;
    amqp::Attach attach;
    attach.name = "reader" + std::to_string(handle);
    attach.handle = handle;
    attach.role = amqp::Role::receiver;
    attach.source.encoded = amqp::source_of("iothub-ehub-hub/ConsumerGroups/$Default/Partitions/2");
    attach.target.encoded = amqp::empty_target();
    if (level) attach.properties.entries.push_back({amqp::Symbol{"com.microsoft:epoch"}, *level});
    amqp::append_attach(bytes, 0, attach);
    return bytes;
  };
  peer.send(attach_bytes(0, 7));
  ASSERT_EQ(readers(), 1u);
  std::string bytes;
  amqp::append_detach(bytes, 0, amqp::Detach{0, true, std::nullopt});
  peer.send(bytes + attach_bytes(1, std::nullopt));
  EXPECT_THAT(peer.ends(), ElementsAre("none")) << "the answer to the detach alone";
  EXPECT_EQ(readers(), 1u);
}

TEST_F(PartitionReceiverTest, amqp_21_a_token_that_ends_while_its_link_is_opened_opens_none) {
  constexpr std::size_t steps = 16;
  for (std::size_t step = 0; step < steps; ++step) {
    EventsPeer peer(hub, shard);
    Claim claim;
    claim.policy = "service";
    claim.rights = Right::service_connect;
    claim.expiry = hub.loop.wall_now() + seconds(10);
    shard.find(peer.number)->put_claim(std::move(claim));
    std::string bytes;
    amqp::Attach attach;
    attach.name = "reader";
    attach.role = amqp::Role::receiver;
    attach.source.encoded = amqp::source_of("iothub-ehub-hub/ConsumerGroups/$Default/Partitions/2");
    attach.target.encoded = amqp::empty_target();
    amqp::append_attach(bytes, 0, attach);
    peer.link().send(bytes);
    hub.loop.run_some(step);
    hub.loop.step_wall_clock(seconds(3600));
    shard.find(peer.number)->on_clock_shift();
    hub.loop.run();
    EXPECT_THAT(peer.ends(), ElementsAre("amqp:unauthorized-access")) << step;
    EXPECT_EQ(readers(), 0u) << step;
  }
}

TEST_F(PartitionReceiverTest, amqp_21_a_token_that_has_to_make_room_takes_its_links_along) {
  EventsPeer peer(hub, shard);
  peer.attach();
  EXPECT_EQ(readers(), 1u);
  AmqpConnection& connection = *shard.find(peer.number);
  Claim first;
  first.policy = "service";
  first.rights = Right::service_connect;
  first.expiry = hub.loop.wall_now() + seconds(60);
  connection.put_claim(first);  // the reader's, renewed
  for (std::size_t i = 0; i < Claims::kClaimsMax; ++i) {
    Claim claim = first;
    claim.audience = "devices/d" + std::to_string(i);
    claim.expiry += seconds(3600);
    connection.put_claim(std::move(claim));
  }
  connection.flush();
  hub.loop.run();
  EXPECT_THAT(peer.ends(), ElementsAre("amqp:unauthorized-access"));
  EXPECT_EQ(readers(), 0u);
}

TEST_F(PartitionReceiverTest, a_reader_that_leaves_while_it_waits_leaves_no_wait) {
  auto peer = std::make_unique<EventsPeer>(hub, shard);
  peer->attach();
  peer->credit(5);
  peer->link().drop();
  hub.loop.run();
  append(3);
  EXPECT_EQ(shard.statistics().events_sent, 0u);
}

TEST_F(PartitionReceiverTest, a_full_disk_stops_devices_and_no_readers) {
  append(10);
  EventsPeer reader(hub, shard);
  reader.attach();
  EventsPeer device(hub, shard);
  ASSERT_TRUE(shard.find(device.number)->device({"d1", {}}));
  shard.on_pressure(StorePressure::disk_low);
  EXPECT_FALSE(device.link().hub_is_reading());
  reader.credit(3);
  EXPECT_EQ(reader.events(), numbers(0, 2));
  shard.on_pressure(StorePressure::queue_full);
  EXPECT_FALSE(device.link().hub_is_reading());
  EXPECT_FALSE(reader.link().hub_is_reading()) << "for a moment";
  shard.on_pressure(StorePressure::none);
  EXPECT_TRUE(device.link().hub_is_reading());
  EXPECT_TRUE(reader.link().hub_is_reading());
}

TEST_F(PartitionReceiverTest, a_deleted_group_ends_its_readers) {
  ASSERT_TRUE(
      hub.ask<ConsumerGroup>([&](Reply<ConsumerGroup> r) { hub.consumer_groups().put("g", std::move(r)); }));
  EventsPeer peer(hub, shard);
  peer.attach(std::nullopt, "G");
  ASSERT_TRUE(hub.ask<void>([&](Reply<void> r) { hub.consumer_groups().erase("g", std::move(r)); }));
  EXPECT_THAT(peer.ends(), ElementsAre("amqp:not-found"));
}

}  // namespace
}  // namespace kyanite::test
