#include "storage/memory/memory_stores.h"

#include <gtest/gtest.h>

#include "tests/support/store_helpers.h"

namespace kyanite {
namespace {

class MemoryStoresTest : public testing::Test {
 protected:
  void append(std::uint64_t sequence) {
    stores_.telemetry().append({&sink_, {make_append(0, "d", sequence, "b")}});
  }
  std::uint64_t end() { return stores_.telemetry().range(PartitionId{0}).end.value; }

  ManualExecutor home_;
  int fatal_ = 0;
  MemoryStores stores_{home_, {.on_fatal = [this](const Error&) { ++fatal_; }}};
  RecordingSink sink_;
};

TEST_F(MemoryStoresTest, held_commits_wait_until_they_are_released) {
  stores_.faults.hold_commits = true;
  append(1);
  append(2);
  home_.run_ready();
  EXPECT_EQ(sink_.count(), 0u);
  EXPECT_EQ(stores_.queued(), 2u);
  stores_.release_commits();
  home_.run_ready();
  EXPECT_EQ(sink_.sequences(), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(stores_.commits(), 1u);
}

TEST_F(MemoryStoresTest, a_commit_delay_passes_in_virtual_time) {
  stores_.faults.commit_delay = milliseconds(5);
  append(1);
  home_.run_ready();
  home_.advance(milliseconds(4));
  EXPECT_EQ(sink_.count(), 0u);
  home_.advance(milliseconds(1));
  EXPECT_EQ(sink_.count(), 1u);
}

TEST_F(MemoryStoresTest, a_failed_commit_acknowledges_nothing_and_is_told_once) {
  stores_.faults.fail_commit = 2;
  append(1);
  home_.run_ready();
  append(2);
  EXPECT_EQ(create(home_, stores_, make_identity("d")).error().code, Errc::storage_failed);
  append(3);
  EXPECT_EQ(create(home_, stores_, make_identity("e")).error().code, Errc::storage_failed);
  EXPECT_EQ(sink_.sequences(), std::vector<std::uint64_t>{1});
  EXPECT_EQ(fatal_, 1);
  EXPECT_EQ(end(), 1u);
}

TEST_F(MemoryStoresTest, a_crash_loses_what_was_not_committed_and_the_store_works_on) {
  append(1);
  home_.run_ready();
  stores_.faults.hold_commits = true;
  append(2);
  stores_.crash();
  stores_.faults = {};
  home_.run_ready();
  EXPECT_EQ(sink_.sequences(), std::vector<std::uint64_t>{1});
  EXPECT_EQ(end(), 1u);
  append(3);
  home_.run_ready();
  EXPECT_EQ(end(), 2u);
}

TEST_F(MemoryStoresTest, a_crash_takes_back_unsynced_commits_when_the_plan_says_so) {
  stores_.faults.lose_unsynced = true;
  append(1);
  home_.run_ready();
  stores_.sync();
  append(2);
  home_.run_ready();
  EXPECT_EQ(end(), 2u);
  stores_.crash();
  EXPECT_EQ(end(), 1u);
}

TEST_F(MemoryStoresTest, pressure_is_told_and_refuses_the_control_path_as_busy) {
  std::vector<StorePressure> heard;
  stores_.on_pressure_change(home_, [&](StorePressure pressure) { heard.push_back(pressure); });
  stores_.set_pressure(StorePressure::disk_low);
  EXPECT_EQ(create(home_, stores_, make_identity("d")).error().code, Errc::busy);
  stores_.set_pressure(StorePressure::none);
  EXPECT_TRUE(create(home_, stores_, make_identity("d")));
  EXPECT_EQ(heard, (std::vector{StorePressure::disk_low, StorePressure::none}));
}

TEST_F(MemoryStoresTest, what_makes_room_is_taken_under_pressure_and_refused_when_closed) {
  ASSERT_TRUE(create(home_, stores_, make_identity("d")));
  ASSERT_TRUE(append_message(home_, stores_, make_message("d", 1)));
  stores_.set_pressure(StorePressure::queue_full);
  EXPECT_EQ(append_message(home_, stores_, make_message("d", 2)).error().code, Errc::busy);
  EXPECT_TRUE(settle(home_, stores_, {"d", {1}, {}, {}}));
  EXPECT_TRUE(read_messages(home_, stores_, "d")->empty());
  stores_.close();
  EXPECT_EQ(settle(home_, stores_, {"d", {1}, {}, {}}).error().code, Errc::shutting_down);
}

TEST_F(MemoryStoresTest, starts_are_counted_over_crashes_that_take_commits_back) {
  stores_.faults.lose_unsynced = true;
  for (std::uint64_t starts = 1; starts <= 3; ++starts) {
    EXPECT_EQ(stores_.committed().hub.starts, starts);
    stores_.crash();
  }
}

TEST_F(MemoryStoresTest, events_of_a_change_that_was_not_committed_are_lost_with_it) {
  stores_.faults.hold_commits = true;
  IdentityChange change;
  change.writes.push_back(creation(make_identity("d")));
  change.events.push_back(make_append(0, "d", 0, "created", false));
  bool failed = false;
  stores_.identities().commit(std::move(change),
                              Reply<void>(home_, [&](Result<void> result) { failed = !result; }));
  stores_.crash();
  home_.run_ready();
  EXPECT_TRUE(failed);
  EXPECT_EQ(end(), 0u);
}

TEST_F(MemoryStoresTest, a_trimmed_log_tells_readers_where_it_begins) {
  for (std::uint64_t i = 0; i < 5; ++i) append(i);
  home_.run_ready();
  stores_.trim(PartitionId{0}, TelemetryOffset{3});
  const auto page = read_page(home_, stores_, 0, 1);
  ASSERT_EQ(page->records.size(), 2u);
  EXPECT_EQ(page->records[0].offset.value, 3u);
  EXPECT_EQ(page->first_available.value, 3u);
}

}  // namespace
}  // namespace kyanite
