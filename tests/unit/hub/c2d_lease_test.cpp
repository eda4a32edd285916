#include <gmock/gmock.h>

#include "tests/unit/hub/c2d_fixture.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class C2dLeaseTest : public testing::Test {
 protected:
  FakeHost host;
};

TEST_F(C2dLeaseTest, R95_messages_are_leased_in_order_and_once) {
  for (const char* body : {"a", "b"}) ASSERT_TRUE(host.send_c2d(body));
  EXPECT_EQ(host.leased_body(), "a");
  EXPECT_EQ(host.leased_body(), "b");
  EXPECT_EQ(host.leased_body(), "-");
  EXPECT_EQ(host.queue->size(), 2u);
}

TEST_F(C2dLeaseTest, completing_removes_the_message_before_the_answer) {
  ASSERT_TRUE(host.send_c2d("a", AckRequest::full));
  ASSERT_EQ(host.leased_body(), "a");
  EXPECT_TRUE(host.settle_lease(host.lock));
  EXPECT_THAT(host.stored(), IsEmpty());
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Success"));
  EXPECT_EQ(host.settle_lease(host.lock).error().code, Errc::lock_lost);
  host.advance(seconds{60});
  EXPECT_TRUE(host.queue->is_quiet());
}

TEST_F(C2dLeaseTest, R96_rejecting_is_the_end_of_the_message) {
  ASSERT_TRUE(host.send_c2d("a", AckRequest::full));
  ASSERT_EQ(host.leased_body(), "a");
  EXPECT_TRUE(host.settle_lease(host.lock, C2dSettlement::reject));
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Rejected"));
  EXPECT_EQ(host.leased_body(), "-");
}

TEST_F(C2dLeaseTest, R97_an_abandoned_message_comes_back_counted_and_in_its_place) {
  for (const char* body : {"a", "b"}) ASSERT_TRUE(host.send_c2d(body));
  auto first = host.lease();
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->message.header.delivery_count, 0u);
  EXPECT_TRUE(host.settle_lease((*first)->lock, C2dSettlement::abandon));
  auto again = host.lease();
  ASSERT_TRUE(again && *again);
  EXPECT_EQ((*again)->message.body, "a");
  EXPECT_EQ((*again)->message.header.delivery_count, 1u);
}

TEST_F(C2dLeaseTest, R97_a_lock_that_ended_is_lost_and_the_message_comes_back_counted) {
  ASSERT_TRUE(host.send_c2d("a"));
  ASSERT_EQ(host.leased_body(seconds{5}), "a");
  const std::string old = host.lock;
  host.advance(seconds{4});
  EXPECT_EQ(host.leased_body(), "-");
  host.advance(seconds{1});
  EXPECT_EQ(host.settle_lease(old).error().code, Errc::lock_lost);
  auto again = host.lease();
  ASSERT_TRUE(again && *again);
  EXPECT_EQ((*again)->message.header.delivery_count, 1u);
}

TEST_F(C2dLeaseTest, a_short_lock_ends_before_a_longer_one_given_earlier) {
  for (const char* body : {"a", "b"}) ASSERT_TRUE(host.send_c2d(body));
  ASSERT_EQ(host.leased_body(seconds{300}), "a");
  const std::string first = host.lock;
  ASSERT_EQ(host.leased_body(seconds{5}), "b");
  host.advance(seconds{5});
  EXPECT_EQ(host.leased_body(), "b");
  EXPECT_TRUE(host.settle_lease(first));
}

TEST_F(C2dLeaseTest, a_leased_message_is_not_delivered_over_mqtt_until_its_lock_ends) {
  for (const char* body : {"a", "b"}) ASSERT_TRUE(host.send_c2d(body));
  ASSERT_EQ(host.leased_body(seconds{60}), "a");
  host.resume();
  EXPECT_THAT(host.taken(), ElementsAre("b"));
  host.settle(1);  // not the connection's to settle
  EXPECT_EQ(host.queue->size(), 2u);
  host.advance(seconds{60});
  EXPECT_THAT(host.taken(), testing::Contains("a dup"));
}

TEST_F(C2dLeaseTest, a_message_with_a_connection_is_not_leased) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  EXPECT_EQ(host.leased_body(), "-");
  host.cut();
  EXPECT_EQ(host.leased_body(), "a");
}

TEST_F(C2dLeaseTest, the_lock_outlives_a_connection) {
  ASSERT_TRUE(host.send_c2d("a"));
  ASSERT_EQ(host.leased_body(seconds{60}), "a");
  host.resume();
  host.cut();
  EXPECT_EQ(host.leased_body(), "-");
  EXPECT_TRUE(host.settle_lease(host.lock));
}

TEST_F(C2dLeaseTest, the_last_delivery_allowed_ends_the_message) {
  host.settings_.c2d.max_delivery_count = 2;
  ASSERT_TRUE(host.send_c2d("a", AckRequest::full));
  ASSERT_EQ(host.leased_body(), "a");
  EXPECT_TRUE(host.settle_lease(host.lock, C2dSettlement::abandon));
  ASSERT_EQ(host.leased_body(seconds{5}), "a");
  host.advance(seconds{5});
  EXPECT_EQ(host.leased_body(), "-");
  EXPECT_THAT(host.feedback(), ElementsAre("id-a DeliveryCountExceeded"));
}

TEST_F(C2dLeaseTest, a_message_that_expires_under_its_lock_may_be_completed) {
  C2dMessage message = host.message("a", AckRequest::full);
  message.header.explicit_expiry = true;
  message.header.expiry = host.loop.wall_now() + seconds{10};
  ASSERT_TRUE(host.send_c2d(message));
  ASSERT_EQ(host.leased_body(seconds{60}), "a");
  host.advance(seconds{20});
  EXPECT_TRUE(host.settle_lease(host.lock));
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Success"));
}

TEST_F(C2dLeaseTest, a_message_that_expired_under_its_lock_ends_with_the_lock) {
  C2dMessage message = host.message("a", AckRequest::full);
  message.header.explicit_expiry = true;
  message.header.expiry = host.loop.wall_now() + seconds{10};
  ASSERT_TRUE(host.send_c2d(message));
  ASSERT_EQ(host.leased_body(seconds{60}), "a");
  host.advance(seconds{60});
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Expired"));
  EXPECT_EQ(host.leased_body(), "-");
}

TEST_F(C2dLeaseTest, a_purge_ends_the_lock) {
  ASSERT_TRUE(host.send_c2d("a"));
  ASSERT_EQ(host.leased_body(), "a");
  EXPECT_EQ(*host.purge(), 1u);
  EXPECT_EQ(host.settle_lease(host.lock).error().code, Errc::lock_lost);
}

TEST_F(C2dLeaseTest, a_purge_while_the_body_is_read_gives_the_next_message) {
  for (const char* body : {"a", "b"}) ASSERT_TRUE(host.send_c2d(body));
  std::optional<std::string> got;
  host.queue->lease({host.record.id, milliseconds{0},
                     Reply<std::optional<C2dLease>>(host.executor_, [&](Result<std::optional<C2dLease>> r) {
                       got = r && *r ? (*r)->message.body : "-";
                     })});
  host.queue->purge({host.record.id, Reply<std::uint64_t>(host.executor_, [](Result<std::uint64_t>) {})});
  host.loop.run();
  EXPECT_EQ(got, "-");
}

TEST_F(C2dLeaseTest, a_deletion_of_the_device_ends_the_lock) {
  ASSERT_TRUE(host.send_c2d("a"));
  ASSERT_EQ(host.leased_body(), "a");
  host.queue->on_erased();
  EXPECT_EQ(host.settle_lease(host.lock).error().code, Errc::lock_lost);
  EXPECT_TRUE(host.queue->is_quiet());
}

TEST_F(C2dLeaseTest, a_restart_frees_what_was_leased_and_keeps_the_count) {
  ASSERT_TRUE(host.send_c2d("a"));
  ASSERT_EQ(host.leased_body(), "a");
  EXPECT_TRUE(host.settle_lease(host.lock, C2dSettlement::abandon));
  ASSERT_EQ(host.leased_body(), "a");
  host.restart();
  auto again = host.lease();
  ASSERT_TRUE(again && *again);
  EXPECT_EQ((*again)->message.header.delivery_count, 1u);
}

TEST_F(C2dLeaseTest, a_settlement_is_answered_when_it_is_written) {
  ASSERT_TRUE(host.send_c2d("a"));
  ASSERT_EQ(host.leased_body(), "a");
  host.stores_.faults.hold_commits = true;
  std::optional<Result<void>> answer;
  host.queue->settle({host.record.id, host.lock, C2dSettlement::complete,
                      Reply<void>(host.executor_, [&](Result<void> r) { answer = r; })});
  host.loop.run();
  EXPECT_FALSE(answer);
  host.stores_.release_commits();
  host.loop.run();
  ASSERT_TRUE(answer);
  EXPECT_TRUE(*answer);
}

TEST_F(C2dLeaseTest, a_shifted_clock_ends_locks) {
  ASSERT_TRUE(host.send_c2d("a"));
  ASSERT_EQ(host.leased_body(seconds{300}), "a");
  host.loop.step_wall_clock(seconds{300});
  host.queue->on_clock_shift();
  EXPECT_EQ(host.leased_body(), "a");
}

}  // namespace
}  // namespace kyanite::test
