#include "server/hub/c2d_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/hub/c2d_fixture.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

C2dEnd end_of(const std::string& device, const std::string& id, const std::string& generation = "1") {
  C2dEnd end;
  end.device = device;
  end.generation_id = generation;
  end.message_id = id;
  return end;
}

std::vector<std::string> ids(const std::vector<C2dEnd>& ends) {
  std::vector<std::string> found;
  for (const C2dEnd& end : ends) found.push_back(end.message_id);
  return found;
}

TEST(C2dJournal, tells_the_ends_of_one_device_the_newest_first) {
  C2dJournal journal(10);
  for (const char* id : {"a", "b", "c"}) journal.add(end_of("d1", id));
  journal.add(end_of("d2", "x"));
  EXPECT_THAT(ids(journal.of("d1", "1", 10)), ElementsAre("c", "b", "a"));
  EXPECT_THAT(ids(journal.of("d1", "1", 2)), ElementsAre("c", "b"));
  EXPECT_THAT(ids(journal.of("d", "1", 10)), IsEmpty());
}

TEST(C2dJournal, a_device_that_was_made_again_has_none_of_the_older_one) {
  C2dJournal journal(10);
  journal.add(end_of("d1", "old", "1"));
  journal.add(end_of("d1", "new", "2"));
  EXPECT_THAT(ids(journal.of("d1", "2", 10)), ElementsAre("new"));
}

TEST(C2dJournal, holds_no_more_than_its_bound) {
  C2dJournal journal(3);
  for (int i = 0; i < 100; ++i) journal.add(end_of("d1", std::to_string(i)));
  EXPECT_THAT(ids(journal.of("d1", "1", 100)), ElementsAre("99", "98", "97"));
  C2dJournal nothing(0);
  nothing.add(end_of("d1", "a"));
  EXPECT_THAT(ids(nothing.of("d1", "1", 100)), IsEmpty());
}

// What the queue tells of its messages.
class C2dEndsTest : public testing::Test {
 protected:
  FakeHost host;
};

TEST_F(C2dEndsTest, every_end_is_told_once_with_its_reason) {
  host.resume();
  for (const char* body : {"a", "b", "c"}) ASSERT_TRUE(host.send_c2d(body));
  host.settle(1);
  host.settle(2, C2dSettlement::reject);
  EXPECT_THAT(host.ended, ElementsAre("id-a Success", "id-b Rejected"));
  for (std::uint32_t i = 0; i < host.settings_.c2d.max_delivery_count; ++i) {
    host.settle(3, C2dSettlement::abandon);
  }
  EXPECT_THAT(host.ended, ElementsAre("id-a Success", "id-b Rejected", "id-c DeliveryCountExceeded"));
}

TEST_F(C2dEndsTest, purged_and_expired_messages_are_told) {
  ASSERT_TRUE(host.send_c2d("a"));
  host.loop.step_wall_clock(seconds{3600});
  host.queue->expire();
  host.loop.run();
  ASSERT_TRUE(host.send_c2d("b"));
  ASSERT_TRUE(host.purge());
  EXPECT_THAT(host.ended, ElementsAre("id-a Expired", "id-b Purged"));
}

TEST_F(C2dEndsTest, a_purge_that_the_store_refuses_ends_nothing) {
  ASSERT_TRUE(host.send_c2d("a"));
  host.stores_.faults.fail_commit = 3;  // behind the device and the message
  EXPECT_FALSE(host.purge());
  EXPECT_THAT(host.ended, IsEmpty());
}

TEST_F(C2dEndsTest, the_list_has_what_waits_and_what_is_with_the_device) {
  for (const char* body : {"a", "b"}) ASSERT_TRUE(host.send_c2d(body));
  ASSERT_EQ(host.queue->list().size(), 2u);
  EXPECT_FALSE(host.queue->list()[0].with_device);
  host.resume();
  EXPECT_TRUE(host.queue->list()[0].with_device);
  host.settle(1);
  ASSERT_EQ(host.queue->list().size(), 1u);
  EXPECT_EQ(host.queue->list()[0].header.message_id, "id-b");
}

TEST_F(C2dEndsTest, a_leased_message_is_with_the_device) {
  ASSERT_TRUE(host.send_c2d("a"));
  ASSERT_EQ(host.leased_body(), "a");
  EXPECT_TRUE(host.queue->list()[0].with_device);
  ASSERT_TRUE(host.settle_lease(host.lock));
  EXPECT_THAT(host.ended, ElementsAre("id-a Success"));
}

}  // namespace
}  // namespace kyanite::test
