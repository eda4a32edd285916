#include "server/hub/activity_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <algorithm>

#include "protocol/base/limits.h"
#include "tests/support/sim_device.h"

// When devices were last heard of, across restarts of the hub (spec device-mqtt.md 10.6).
namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ActivityTest : public testing::Test {
 protected:
  ActivityTest() { start(); }

  void start() {
    SimHub::Options options;
    options.machine = &machine;
    hub = std::make_unique<SimHub>(std::move(options));
  }
  // As after SIGTERM: what the directories still know is handed over.
  void restart() {
    for (std::uint16_t i = 0; i < hub->shard_count(); ++i) hub->directory(i).flush_activity();
    machine.loop.run();
    kill();
  }
  void kill() {
    hub.reset();
    machine.stores.crash();
    start();
  }
  IdentityView listed(const std::string& id) {
    const auto page = hub->ask<std::vector<IdentityView>>(
        [&](Reply<std::vector<IdentityView>> reply) { hub->registry().list("", 1000, std::move(reply)); });
    for (const IdentityView& view : page.value()) {
      if (view.record.id.device == id) return view;
    }
    ADD_FAILURE() << id << " is not listed";
    return {};
  }
  std::size_t documents() const {
    const auto& all = machine.stores.committed().documents;
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [](const auto& row) { return row.first.first == Collection::activity; }));
  }
  void advance(milliseconds time) {
    machine.loop.advance(time);
    machine.loop.run();
  }

  SimMachine machine;
  std::unique_ptr<SimHub> hub;
};

TEST_F(ActivityTest, R48_the_times_survive_a_restart_and_the_etag_does_not_move) {
  const IdentityRecord d = hub->add(device("d"));
  const IdentityRecord m = hub->add(module("d", "m"));
  hub->add(device("never"));
  SimDevice client(*hub, d);
  SimDevice module_client(*hub, m, 1);
  client.connect();
  module_client.connect();
  advance(seconds(5));
  client.telemetry("", "x");
  const WallTime spoke = machine.loop.wall_now();
  advance(seconds(5));
  client.disconnect();
  const WallTime ended = machine.loop.wall_now();
  advance(seconds(1));
  restart();
  const IdentityView shown = *hub->get(device("d"));
  EXPECT_FALSE(shown.connected);
  EXPECT_EQ(shown.connection_state_updated, ended);
  EXPECT_EQ(shown.last_activity, spoke);
  EXPECT_EQ(shown.record, d);
  EXPECT_EQ(listed("d").connection_state_updated, ended);
  EXPECT_EQ(listed("d").last_activity, spoke);
  EXPECT_EQ(hub->get(module("d", "m"))->connection_state_updated, ended - seconds(10));
  EXPECT_EQ(listed("never").last_activity, kNever);
  const auto twin =
      hub->ask<TwinView>([&](Reply<TwinView> reply) { hub->registry().twin(device("d"), std::move(reply)); });
  EXPECT_EQ(twin->identity.last_activity, spoke);
  // A second restart in which nobody looked loses nothing either.
  restart();
  restart();
  EXPECT_EQ(listed("d").last_activity, spoke);
  // What happens now counts again.
  SimDevice again(*hub, d);
  again.connect();
  EXPECT_TRUE(listed("d").connected);
  EXPECT_EQ(listed("d").last_activity, machine.loop.wall_now());
}

TEST_F(ActivityTest, an_end_is_written_soon_and_a_crash_after_that_loses_nothing) {
  const IdentityRecord d = hub->add(device("d"));
  SimDevice client(*hub, d);
  client.connect();
  advance(seconds(30));
  EXPECT_EQ(documents(), 0u);
  client.disconnect();
  const WallTime ended = machine.loop.wall_now();
  advance(seconds(2));
  EXPECT_EQ(documents(), 1u);
  kill();
  EXPECT_EQ(hub->get(device("d"))->connection_state_updated, ended);
}

TEST_F(ActivityTest, a_connection_that_goes_on_is_written_every_few_minutes_and_not_per_message) {
  const IdentityRecord d = hub->add(device("d"));
  SimDevice client(*hub, d);
  client.connect();
  client.publish("devices/d/messages/events/", "x", mqtt::QoS::at_most_once);
  std::uint64_t written = 0;
  std::string last;
  machine.stores.after_commit = [&] {
    const auto& all = machine.stores.committed().documents;
    if (all.empty() || all.begin()->second == last) return;
    last = all.begin()->second;
    ++written;
  };
  for (int second = 0; second < 900; ++second) {
    advance(seconds(1));
    client.telemetry("", "x");
  }
  machine.stores.after_commit = nullptr;
  EXPECT_GE(written, 3u);
  EXPECT_LE(written, 6u);
  const WallTime now = machine.loop.wall_now();
  kill();
  const WallTime known = hub->get(device("d"))->last_activity;
  EXPECT_GT(known, now - seconds(300));
  EXPECT_LE(known, now);
}

TEST_F(ActivityTest, what_is_erased_leaves_nothing_behind_even_while_it_is_written) {
  const IdentityRecord d = hub->add(device("d"));
  SimDevice client(*hub, d);
  client.connect();
  client.disconnect();
  machine.stores.faults.hold_commits = true;
  std::optional<Result<void>> erased;
  hub->registry().erase(device("d"), IfMatch{true, {}},
                        Reply<void>(hub->executor(0), [&](Result<void> r) { erased = r; }));
  machine.loop.run();
  advance(seconds(2));  // the write is submitted behind the deletion
  machine.stores.release_commits();
  machine.loop.run();
  ASSERT_TRUE(erased && *erased);
  advance(seconds(300));
  EXPECT_EQ(documents(), 0u);
  hub->add(device("d"));
  EXPECT_EQ(hub->get(device("d"))->last_activity, kNever);
}

TEST_F(ActivityTest, a_store_that_refuses_is_asked_again) {
  const IdentityRecord d = hub->add(device("d"));
  SimDevice client(*hub, d);
  client.connect();
  client.disconnect();
  machine.stores.set_pressure(StorePressure::disk_low);
  advance(seconds(2));
  EXPECT_EQ(documents(), 0u);
  machine.stores.set_pressure(StorePressure::none);
  advance(seconds(200));
  EXPECT_EQ(documents(), 1u);
}

TEST_F(ActivityTest, a_crowd_is_written_in_few_commits) {
  SimLoop loop;
  SimExecutor executor(loop), commit_thread(loop);
  MemoryStores stores(commit_thread);
  const WallTime when = loop.wall_now();
  ActivityBook book(executor, stores.documents(), [&](const Identity& id) {
    return ActivityRecord{id, when, when};
  });
  const std::size_t count = 3 * limits::kActivityBatchMax + 1;
  for (std::size_t i = 0; i < count; ++i) {
    book.note(device("d" + std::to_string(i)), ActivityBook::When::soon);
    book.note(device("d" + std::to_string(i)), ActivityBook::When::later);
  }
  for (int i = 0; i < 10; ++i) {
    loop.advance(seconds(1));
    loop.run();
  }
  EXPECT_EQ(stores.committed().documents.size(), count);
  EXPECT_EQ(stores.commits(), 4u);
  std::vector<ActivityRecord> read;
  read_activity(stores.documents(), executor, "d10", "d11",
                Reply<std::vector<ActivityRecord>>(
                    executor, [&](Result<std::vector<ActivityRecord>> r) { read = std::move(*r); }));
  loop.run();
  ASSERT_FALSE(read.empty());
  EXPECT_EQ(read.front().id, device("d10"));
  EXPECT_EQ(read.back().id, device("d11"));
}

}  // namespace
}  // namespace kyanite::test
