#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/device/mqtt_connection.h"
#include "tests/support/sim_device.h"

namespace kyanite::test {
namespace {

using testing::IsEmpty;
using Packets = std::vector<std::string>;

TEST(ConnectionTable, a_stale_reference_finds_nothing_and_the_table_is_bounded) {
  ConnectionTable table(ShardIndex{4}, 2);
  const ConnectionRef first = table.reserve();
  const ConnectionRef second = table.reserve();
  EXPECT_TRUE(first);
  EXPECT_EQ(first.shard, ShardIndex{4});
  EXPECT_NE(first, second);
  EXPECT_FALSE(table.reserve()) << "full";
  EXPECT_EQ(table.find({ShardIndex{4}, 77, 1}), nullptr);
  EXPECT_EQ(table.find({ShardIndex{4}, first.slot, first.generation + 1}), nullptr);
  table.deliver({ShardIndex{4}, first.slot, first.generation + 1}, CloseConnection{CloseReason::takeover});
}

class MqttShardTest : public testing::Test {
 protected:
  SimHub hub;
};

TEST_F(MqttShardTest, drain_closes_everybody_without_wills_and_ends) {
  std::vector<std::unique_ptr<SimDevice>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<SimDevice>(hub, hub.add(device("d" + std::to_string(i)))));
    const std::string topic = clients.back()->events_topic();
    ASSERT_EQ(clients.back()->connect({.will = mqtt::Will{topic, "will"}}), Packets{"CONNACK 0"});
  }
  SimDevice silent(hub, wanted(device("silent")));
  bool done = false;
  hub.mqtt(0).drain(seconds(1), [&done] { done = true; });
  hub.loop.advance(milliseconds(300));
  EXPECT_FALSE(done) << "the closes are spread over the time given";
  EXPECT_GT(hub.mqtt(0).statistics().open, 0u);
  EXPECT_LT(hub.mqtt(0).statistics().open, 41u);
  hub.loop.advance(milliseconds(800));
  EXPECT_TRUE(done);
  EXPECT_EQ(hub.open_connections(), 0u);
  EXPECT_THAT(hub.telemetry(), IsEmpty());
  SimDevice late(hub, wanted(device("late")));
  EXPECT_TRUE(late.closed());
  EXPECT_EQ(hub.mqtt(0).statistics().turned_away, 1u);
}

TEST_F(MqttShardTest, drain_of_an_empty_shard_ends_at_once) {
  bool done = false;
  hub.mqtt(1).drain(seconds(5), [&done] { done = true; });
  hub.loop.run();
  EXPECT_TRUE(done);
}

TEST_F(MqttShardTest, telemetry_before_a_drain_is_still_acknowledged_or_sent_again) {
  SimDevice client(hub, hub.add(device("d1")));
  client.connect();
  hub.stores.faults.hold_commits = true;
  client.telemetry("", "x");
  bool done = false;
  hub.mqtt(0).drain(milliseconds(0), [&done] { done = true; });
  hub.loop.advance(seconds(1));
  EXPECT_TRUE(done) << "a drain does not wait for the store";
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_THAT(client.packets(), IsEmpty());
  EXPECT_EQ(hub.telemetry().size(), 1u);
}

TEST_F(MqttShardTest, statistics_count_what_happened) {
  const IdentityRecord d1 = hub.add(device("d1"));
  SimDevice first(hub, d1);
  first.connect();
  first.telemetry("", "abc");
  SimDevice second(hub, d1);
  second.connect();
  SimDevice::try_connect(hub, d1, {.password = "secret"});
  const MqttStatistics& s = hub.mqtt(0).statistics();
  EXPECT_EQ(s.accepted, 2u);
  EXPECT_EQ(s.connected, 1u);
  EXPECT_EQ(s.open, 1u);
  EXPECT_EQ(s.refused[5], 1u);
  EXPECT_EQ(s.telemetry_messages, 1u);
  EXPECT_EQ(s.telemetry_bytes, 3u);
  EXPECT_EQ(s.telemetry_acknowledged, 1u);
  EXPECT_EQ(s.ends[static_cast<std::size_t>(EndReason::takeover)], 1u);
  EXPECT_EQ(s.ends[static_cast<std::size_t>(EndReason::refused)], 1u);
}

TEST_F(MqttShardTest, a_connection_costs_little_memory) { EXPECT_LE(sizeof(MqttConnection), 1024u); }

}  // namespace
}  // namespace kyanite::test
