#include "server/hub/device_directory.h"

#include <gtest/gtest.h>

#include "protocol/base/limits.h"
#include "tests/support/sim_device.h"

namespace kyanite::test {
namespace {

const IfMatch kAnyVersion{true, {}};

class DeviceDirectoryTest : public testing::Test {
 protected:
  SimHub hub;
};

TEST_F(DeviceDirectoryTest, questions_about_unknown_devices_leave_no_actor) {
  for (int i = 0; i < 200; ++i) {
    const Identity id = device("ghost-" + std::to_string(i));
    EXPECT_FALSE(hub.get(id));
    EXPECT_FALSE(hub.erase(id));
    EXPECT_FALSE(hub.put(wanted(id), kAnyVersion));
  }
  EXPECT_EQ(hub.actors(), 0u);
}

TEST_F(DeviceDirectoryTest, a_registered_device_that_nobody_uses_costs_no_memory) {
  for (int i = 0; i < 50; ++i) hub.add(device("d" + std::to_string(i)));
  EXPECT_EQ(hub.actors(), 0u);
}

TEST_F(DeviceDirectoryTest, writes_of_one_device_run_one_after_the_other) {
  hub.add(device("d"));
  hub.stores.faults.hold_commits = true;
  std::vector<Result<IdentityView>> answers;
  const IdentityRecord current = hub.get(device("d"))->record;
  for (int i = 0; i < 3; ++i) {
    hub.registry().put(
        current, IfMatch{false, identity_etag(current)},
        Reply<IdentityView>(hub.executor(0), [&](Result<IdentityView> r) { answers.push_back(r); }));
  }
  hub.loop.run();
  EXPECT_TRUE(answers.empty());
  hub.stores.release_commits();
  hub.loop.run();
  ASSERT_EQ(answers.size(), 3u);
  EXPECT_TRUE(answers[0]) << "the first one wins";
  EXPECT_EQ(answers[1].error().code, Errc::precondition_failed);
  EXPECT_EQ(answers[2].error().code, Errc::precondition_failed);
}

TEST_F(DeviceDirectoryTest, a_failed_write_changes_nothing_and_is_told) {
  const IdentityRecord d = hub.add(device("d"));
  hub.stores.faults.fail_commit = hub.stores.commits() + 1;
  IdentityRecord off = d;
  off.status = IdentityStatus::disabled;
  EXPECT_EQ(hub.put(off, kAnyVersion).error().code, Errc::storage_failed);
  EXPECT_EQ(hub.stores.committed().identities.at(d.id), d);
  EXPECT_EQ(hub.actors(), 0u);
}

TEST_F(DeviceDirectoryTest, the_queue_of_a_device_is_bounded) {
  hub.stores.faults.hold_commits = true;
  std::size_t busy = 0;
  std::size_t other = 0;
  for (std::size_t i = 0; i < limits::kDeviceQueueMax + 20; ++i) {
    hub.registry().put(wanted(device("d")), std::nullopt,
                       Reply<IdentityView>(hub.executor(0), [&](Result<IdentityView> r) {
                         (!r && r.error().code == Errc::busy ? busy : other) += 1;
                       }));
  }
  hub.loop.run();
  EXPECT_GE(busy, 19u);
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_EQ(busy + other, limits::kDeviceQueueMax + 20);
  EXPECT_EQ(hub.actors(), 0u);
}

TEST_F(DeviceDirectoryTest, what_is_said_of_a_connection_that_is_unknown_is_dropped) {
  hub.router().send(Detached{{ShardIndex{0}, 3, 9}, device("ghost"), Epoch{4}});
  hub.router().send(Active{device("ghost"), Epoch{4}, hub.loop.wall_now()});
  hub.loop.run();
  EXPECT_EQ(hub.actors(), 0u);
}

TEST_F(DeviceDirectoryTest, a_stale_detached_does_not_disconnect) {
  SimDevice client(hub, hub.add(device("d")));
  client.connect();
  hub.router().send(Detached{{ShardIndex{0}, 0, 1}, device("d"), Epoch{77}});
  hub.router().send(Detached{{ShardIndex{0}, 0, 99}, device("d"), Epoch{1}});
  hub.loop.run();
  EXPECT_TRUE(hub.get(device("d"))->connected);
}

TEST_F(DeviceDirectoryTest, live_facts_survive_the_eviction_of_the_records) {
  SimDevice client(hub, hub.add(device("d")));
  client.connect();
  client.disconnect();
  EXPECT_EQ(hub.actors(), 1u);
  EXPECT_EQ(hub.get(device("d"))->connection_state_updated, hub.loop.wall_now());
  ASSERT_TRUE(hub.erase(device("d")));
  EXPECT_EQ(hub.actors(), 0u) << "nothing is remembered of a deleted device";
}

TEST_F(DeviceDirectoryTest, modules_are_not_counted_as_connected_devices) {
  const IdentityRecord d = hub.add(device("d"));
  SimDevice device_client(hub, d, 0);
  SimDevice module_client(hub, hub.add(module("d", "m")), 1);
  device_client.connect();
  module_client.connect();
  const auto connected = [&] {
    return hub
        .ask<ServiceStatistics>([&](Reply<ServiceStatistics> r) { hub.registry().connected(std::move(r)); })
        ->connected_devices;
  };
  EXPECT_EQ(connected(), 1u);
  device_client.disconnect();
  EXPECT_EQ(connected(), 0u);
  EXPECT_TRUE(hub.get(module("d", "m"))->connected);
}

}  // namespace
}  // namespace kyanite::test
