#include "server/amqp/event_pages.h"

#include <gmock/gmock.h>

#include "protocol/amqp/message.h"
#include "storage/memory/memory_stores.h"
#include "tests/support/sim_executor.h"
#include "tests/support/store_helpers.h"

namespace kyanite::test {
namespace {

constexpr PartitionId kPagesPartition{1};

class EventPagesTest : public testing::Test {
 protected:
  ~EventPagesTest() override { loop.run(); }

  void append(std::size_t count, std::size_t body_bytes = 4) {
    TelemetryBatch batch{&sink, {}};
    for (std::size_t i = 0; i < count; ++i) {
      batch.appends.push_back(
          make_append(kPagesPartition.value, "d1", 0, std::string(body_bytes, 'b'), false));
    }
    stores.telemetry().append(std::move(batch));
    loop.run();
  }
  EventPagePtr read(std::uint64_t from) {
    EventPagePtr page;
    pages.read(kPagesPartition, TelemetryOffset{from},
               Reply<EventPagePtr>(shard, [&](const Result<EventPagePtr>& read) { page = *read; }));
    loop.run();
    return page;
  }

  SimLoop loop;
  SimExecutor shard{loop};
  SimExecutor commit_thread{loop};
  RecordingSink sink;
  MemoryStores stores{commit_thread};
  EventPages pages{shard, stores.telemetry(), 64 * 1024};
};

TEST_F(EventPagesTest, a_page_holds_messages_in_order) {
  append(3);
  const EventPagePtr page = read(1);
  ASSERT_EQ(page->events.size(), 2u);
  EXPECT_EQ(page->next.value, 3u);
  EXPECT_EQ(page->index_of(TelemetryOffset{0}), 0u);
  EXPECT_EQ(page->index_of(TelemetryOffset{2}), 1u);
  EXPECT_EQ(page->index_of(TelemetryOffset{3}), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto message = amqp::read_message(page->event(i));
    ASSERT_TRUE(message);
    EXPECT_EQ(message->message_annotations.find("x-opt-sequence-number")->integer(), 1 + i);
  }
}

TEST_F(EventPagesTest, readers_at_one_place_share_what_is_read_and_what_is_kept) {
  append(10);
  std::vector<EventPagePtr> got;
  for (int reader = 0; reader < 3; ++reader) {
    pages.read(kPagesPartition, TelemetryOffset{0},
               Reply<EventPagePtr>(shard, [&](const Result<EventPagePtr>& page) { got.push_back(*page); }));
  }
  loop.run();
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[0], got[1]);
  EXPECT_EQ(got[0], got[2]);
  EXPECT_EQ(pages.encoded_events(), 10u);
  EXPECT_EQ(pages.find(kPagesPartition, TelemetryOffset{0}), got[0]);
  EXPECT_EQ(pages.find(kPagesPartition, TelemetryOffset{9}), got[0]);
  EXPECT_EQ(pages.find(kPagesPartition, TelemetryOffset{10}), nullptr);
  EXPECT_EQ(pages.find(PartitionId{0}, TelemetryOffset{0}), nullptr);
  EXPECT_EQ(pages.find(PartitionId{2}, TelemetryOffset{0}), nullptr);
}

TEST_F(EventPagesTest, a_longer_page_takes_the_place_of_a_shorter_one) {
  append(1);
  read(0);
  append(5);
  const EventPagePtr longer = read(0);
  EXPECT_EQ(longer->events.size(), 6u);
  EXPECT_EQ(pages.find(kPagesPartition, TelemetryOffset{5}), longer);
}

TEST_F(EventPagesTest, kept_pages_are_bounded_and_the_least_used_go_first) {
  append(1024, 100);
  std::vector<TelemetryOffset> begins;
  std::size_t largest = 0;
  for (TelemetryOffset at{0}; at.value < 1024;) {
    begins.push_back(at);
    const EventPagePtr page = read(at.value);
    largest = std::max(largest, page->cost());
    at = page->next;
    EXPECT_LE(pages.kept_bytes(), 64u * 1024u);
  }
  ASSERT_GE(begins.size(), 3u);
  EXPECT_EQ(pages.find(kPagesPartition, begins.front()), nullptr);
}

TEST_F(EventPagesTest, a_page_larger_than_all_that_may_be_kept_is_read_all_the_same) {
  append(1, 200 * 1024);
  const EventPagePtr page = read(0);
  ASSERT_EQ(page->events.size(), 1u);
  EXPECT_EQ(pages.kept_bytes(), 0u);
}

TEST_F(EventPagesTest, what_the_store_refuses_reaches_every_reader) {
  std::vector<Errc> refused;
  for (int reader = 0; reader < 2; ++reader) {
    pages.read(PartitionId{99}, TelemetryOffset{0},
               Reply<EventPagePtr>(
                   shard, [&](const Result<EventPagePtr>& page) { refused.push_back(page.error().code); }));
  }
  loop.run();
  EXPECT_THAT(refused, testing::ElementsAre(Errc::argument_invalid, Errc::argument_invalid));
}

}  // namespace
}  // namespace kyanite::test
