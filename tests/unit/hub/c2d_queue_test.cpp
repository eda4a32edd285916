#include "server/hub/c2d_queue.h"

#include <gmock/gmock.h>

#include "protocol/base/limits.h"
#include "tests/unit/hub/c2d_fixture.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class C2dQueueTest : public testing::Test {
 protected:
  FakeHost host;
};

// Sending

TEST_F(C2dQueueTest, a_sender_is_answered_after_the_commit) {
  host.stores_.faults.hold_commits = true;
  const auto answer = host.start_send(host.message("a"));
  host.loop.run();
  EXPECT_FALSE(answer->has_value());
  EXPECT_FALSE(host.queue->is_quiet());
  host.stores_.release_commits();
  host.loop.run();
  ASSERT_TRUE(answer->has_value());
  EXPECT_TRUE(**answer);
  EXPECT_THAT(host.stored(), ElementsAre("a"));
  EXPECT_TRUE(host.queue->is_quiet());
}

TEST_F(C2dQueueTest, B58_the_51st_message_is_refused) {
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(host.send_c2d(std::to_string(i)));
  EXPECT_EQ(host.send_c2d("51").error().code, Errc::c2d_queue_full);
  EXPECT_EQ(host.queue->size(), 50u);
  EXPECT_EQ(host.stored().size(), 50u);
}

TEST_F(C2dQueueTest, messages_on_their_way_to_the_store_count_for_the_depth) {
  host.stores_.faults.hold_commits = true;
  for (int i = 0; i < 50; ++i) host.start_send(host.message(std::to_string(i)));
  const auto last = host.start_send(host.message("51"));
  host.loop.run();
  ASSERT_TRUE(last->has_value());
  EXPECT_EQ((*last)->error().code, Errc::c2d_queue_full);
  host.stores_.release_commits();
  host.loop.run();
  EXPECT_EQ(host.queue->size(), 50u);
}

TEST_F(C2dQueueTest, messages_with_the_device_count_for_the_depth) {
  host.resume();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(host.send_c2d(std::to_string(i)));
  EXPECT_EQ(host.send_c2d("51").error().code, Errc::c2d_queue_full);
  host.settle(1);
  EXPECT_TRUE(host.send_c2d("51"));
}

TEST_F(C2dQueueTest, expired_messages_make_room) {
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(host.send_c2d(std::to_string(i)));
  host.loop.step_wall_clock(seconds{3600});
  EXPECT_TRUE(host.send_c2d("new"));
  EXPECT_THAT(host.stored(), ElementsAre("new"));
}

TEST_F(C2dQueueTest, an_expiry_that_is_over_is_refused) {
  C2dMessage message = host.message("late");
  message.header.explicit_expiry = true;
  message.header.expiry = host.loop.wall_now();
  EXPECT_EQ(host.send_c2d(message).error().code, Errc::message_expired);
  EXPECT_THAT(host.stored(), IsEmpty());
}

TEST_F(C2dQueueTest, a_store_that_is_busy_leaves_the_queue_as_it_was) {
  ASSERT_TRUE(host.send_c2d("a"));
  host.stores_.set_pressure(StorePressure::queue_full);
  EXPECT_EQ(host.send_c2d("b").error().code, Errc::busy);
  EXPECT_EQ(host.queue->size(), 1u);
  host.stores_.set_pressure(StorePressure::none);
  ASSERT_TRUE(host.send_c2d("c"));
  EXPECT_THAT(host.stored(), ElementsAre("a", "c"));
  host.resume();
  EXPECT_THAT(host.taken(), ElementsAre("a", "c"));
}

// Delivering

TEST_F(C2dQueueTest, B52_nothing_is_delivered_without_the_filter) {
  host.link_ = DeviceLink{};
  ASSERT_TRUE(host.send_c2d("a"));
  EXPECT_THAT(host.taken(), IsEmpty());
  EXPECT_EQ(host.queue->size(), 1u);
}

TEST_F(C2dQueueTest, a_message_goes_straight_to_a_device_that_waits) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  EXPECT_THAT(host.taken(), ElementsAre("a"));
  EXPECT_EQ(host.queue->size(), 1u);  // until it is acknowledged
}

TEST_F(C2dQueueTest, what_waited_is_delivered_in_order_and_before_what_comes) {
  for (const char* body : {"a", "b", "c"}) ASSERT_TRUE(host.send_c2d(body));
  host.resume();
  ASSERT_TRUE(host.send_c2d("d"));
  EXPECT_THAT(host.taken(), ElementsAre("a", "b", "c", "d"));
}

TEST_F(C2dQueueTest, many_sent_at_once_keep_their_order) {
  host.resume();
  for (const char* body : {"a", "b", "c", "d"}) host.start_send(host.message(body));
  host.loop.run();
  EXPECT_THAT(host.taken(), ElementsAre("a", "b", "c", "d"));
}

TEST_F(C2dQueueTest, a_send_that_commits_while_older_ones_are_read_comes_after_them) {
  ASSERT_TRUE(host.send_c2d("a"));
  host.link_ = DeviceLink{};
  host.link_->filters.push_back({"", FilterKind::c2d, 1, kNever});
  host.start_send(host.message("b"));
  host.queue->on_subscribed(false);
  host.loop.run();
  EXPECT_THAT(host.taken(), ElementsAre("a", "b"));
}

TEST_F(C2dQueueTest, B60_at_qos_0_the_message_says_so) {
  host.resume(0);
  ASSERT_TRUE(host.send_c2d("a"));
  EXPECT_THAT(host.taken(), ElementsAre("a qos0"));
  host.settle(1);  // as the connection does once it is written
  EXPECT_THAT(host.stored(), IsEmpty());
}

TEST_F(C2dQueueTest, the_window_is_bounded_by_bytes) {
  const std::string large(60'000, 'x');
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(host.send_c2d(large));
  host.resume();
  EXPECT_EQ(host.taken().size(), 4u);
  host.settle(1);
  EXPECT_EQ(host.taken().size(), 1u);
  host.settle(2);
  host.settle(3);
  EXPECT_EQ(host.taken().size(), 1u);
}

TEST_F(C2dQueueTest, a_completed_message_never_comes_back) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a", AckRequest::full));
  host.settle(1);
  EXPECT_THAT(host.stored(), IsEmpty());
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Success"));
  host.taken();
  host.cut();
  host.resume();
  host.restart();
  host.resume();
  EXPECT_THAT(host.taken(), IsEmpty());
}

TEST_F(C2dQueueTest, an_unknown_settlement_is_ignored) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  host.settle(7);
  host.settle(1);
  host.settle(1);
  EXPECT_EQ(host.queue->size(), 0u);
}

TEST_F(C2dQueueTest, what_is_not_with_the_device_cannot_be_settled) {
  ASSERT_TRUE(host.send_c2d("a"));
  host.settle(1);
  EXPECT_EQ(host.queue->size(), 1u);
}

TEST_F(C2dQueueTest, the_next_delivery_does_not_wait_for_the_settlement) {
  const std::string large(60'000, 'x');
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(host.send_c2d(large));
  host.resume();
  ASSERT_EQ(host.taken().size(), 4u);
  host.stores_.faults.hold_commits = true;
  host.settle(1);
  EXPECT_EQ(host.taken().size(), 1u);
  host.stores_.release_commits();
  host.loop.run();
}

TEST_F(C2dQueueTest, settlements_that_come_at_once_share_their_writes) {
  host.resume();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(host.send_c2d(std::to_string(i)));
  const std::uint64_t before = host.stores_.commits();
  for (std::uint64_t i = 1; i <= 50; ++i) {
    host.queue->settle({host.record.id, Epoch{}, i, C2dSettlement::complete});
  }
  host.loop.run();
  EXPECT_EQ(host.stores_.commits() - before, 2u);
  EXPECT_THAT(host.stored(), IsEmpty());
}

// Connections that end

TEST_F(C2dQueueTest, B57_an_unacknowledged_message_comes_again_as_a_duplicate) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a", AckRequest::full));
  EXPECT_THAT(host.taken(), ElementsAre("a"));
  host.cut();
  host.resume();
  EXPECT_THAT(host.taken(), ElementsAre("a dup"));
  host.settle(1);
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Success"));
}

TEST_F(C2dQueueTest, the_duplicate_mark_survives_a_restart) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  host.cut();
  host.restart();
  host.taken();
  host.resume();
  EXPECT_THAT(host.taken(), ElementsAre("a dup"));
}

TEST_F(C2dQueueTest, a_message_long_with_the_device_is_a_duplicate_even_after_a_crash) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  host.advance(seconds{1});
  ASSERT_TRUE(host.send_c2d("b"));
  host.restart();
  host.taken();
  host.resume();
  EXPECT_THAT(host.taken(), ElementsAre("a dup", "b"));
}

TEST_F(C2dQueueTest, a_message_acknowledged_soon_costs_one_write_more) {
  host.resume();
  const std::uint64_t before = host.stores_.commits();
  ASSERT_TRUE(host.send_c2d("a"));
  host.settle(1);
  host.advance(seconds{1});
  EXPECT_EQ(host.stores_.commits() - before, 2u);
}

TEST_F(C2dQueueTest, a_full_queue_survives_a_restart_without_loss_or_repetition) {
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(host.send_c2d(std::to_string(i)));
  host.resume();
  EXPECT_EQ(host.taken().size(), 50u);
  for (std::uint64_t i = 1; i <= 20; ++i) host.settle(i);
  host.restart();
  host.resume();
  const auto rest = host.taken();
  ASSERT_EQ(rest.size(), 30u);
  EXPECT_EQ(rest.front().substr(0, 2), "20");
  EXPECT_EQ(rest.back().substr(0, 2), "49");
}

TEST_F(C2dQueueTest, an_unsubscribed_connection_is_told_to_forget) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  host.taken();
  host.link_->filters.clear();
  host.queue->on_link_ended();
  host.loop.run();
  EXPECT_THAT(host.taken(), ElementsAre("withdraw 1"));
  host.settle(1);  // a PUBACK that was on its way
  EXPECT_EQ(host.queue->size(), 1u);
}

TEST_F(C2dQueueTest, a_connection_that_ends_during_a_read_gets_nothing) {
  ASSERT_TRUE(host.send_c2d("a"));
  host.link_ = DeviceLink{};
  host.link_->filters.push_back({"", FilterKind::c2d, 1, kNever});
  host.queue->on_subscribed(false);  // the read is under way
  host.link_.reset();
  host.queue->on_link_ended();
  host.loop.run();
  EXPECT_THAT(host.taken(), IsEmpty());
  host.resume();
  EXPECT_THAT(host.taken(), ElementsAre("a"));
}

TEST_F(C2dQueueTest, a_takeover_during_a_read_delivers_once_to_the_new_connection) {
  ASSERT_TRUE(host.send_c2d("a"));
  host.link_ = DeviceLink{};
  host.link_->filters.push_back({"", FilterKind::c2d, 1, kNever});
  host.queue->on_subscribed(false);
  host.queue->on_link_ended();
  host.queue->on_subscribed(false);
  host.loop.run();
  EXPECT_THAT(host.taken(), ElementsAre("a"));
}

// Messages older than the subscription

TEST_F(C2dQueueTest, B53_messages_before_a_new_subscription_are_purged) {
  ASSERT_TRUE(host.send_c2d("a", AckRequest::negative));
  ASSERT_TRUE(host.send_c2d("quiet", AckRequest::positive));
  host.advance(milliseconds{1});
  host.subscribe();
  ASSERT_TRUE(host.send_c2d("b"));
  EXPECT_THAT(host.taken(), ElementsAre("b"));
  EXPECT_THAT(host.stored(), ElementsAre("b"));
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Purged"));
}

TEST_F(C2dQueueTest, B53_one_that_commits_after_the_new_subscription_is_purged_too) {
  host.stores_.faults.hold_commits = true;
  host.start_send(host.message("a"));
  host.advance(milliseconds{1});
  host.subscribe();
  host.stores_.release_commits();
  host.loop.run();
  EXPECT_THAT(host.taken(), IsEmpty());
  EXPECT_THAT(host.stored(), IsEmpty());
}

TEST_F(C2dQueueTest, B53_deliver_gives_everything) {
  host.settings_.c2d.pre_subscription = PreSubscription::deliver;
  ASSERT_TRUE(host.send_c2d("a"));
  host.advance(milliseconds{1});
  host.subscribe();
  EXPECT_THAT(host.taken(), ElementsAre("a"));
}

TEST_F(C2dQueueTest, skip_leaves_older_messages_in_the_queue) {
  host.settings_.c2d.pre_subscription = PreSubscription::skip;
  ASSERT_TRUE(host.send_c2d("a"));
  host.advance(milliseconds{1});
  host.subscribe();
  ASSERT_TRUE(host.send_c2d("b"));
  EXPECT_THAT(host.taken(), ElementsAre("b"));
  host.settle(2);
  EXPECT_THAT(host.stored(), ElementsAre("a"));
}

TEST_F(C2dQueueTest, a_skew_keeps_messages_sent_shortly_before) {
  host.settings_.c2d.subscription_skew = seconds{30};
  ASSERT_TRUE(host.send_c2d("old"));
  host.advance(seconds{10});
  ASSERT_TRUE(host.send_c2d("young"));
  host.advance(seconds{25});
  host.subscribe();
  EXPECT_THAT(host.taken(), ElementsAre("young"));
}

TEST_F(C2dQueueTest, subscribing_again_delivers_what_is_pending) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  host.cut();
  ASSERT_TRUE(host.send_c2d("b"));
  host.taken();
  host.resume();
  host.queue->on_subscribed(false);
  host.loop.run();
  EXPECT_THAT(host.taken(), ElementsAre("a dup", "b"));
}

// Locks

TEST_F(C2dQueueTest, a_message_without_acknowledgement_is_sent_again_every_lock_time) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  host.taken();
  host.advance(seconds{59});
  EXPECT_THAT(host.taken(), IsEmpty());
  host.advance(seconds{2});
  EXPECT_THAT(host.taken(), ElementsAre("a dup"));
  host.advance(seconds{60});
  EXPECT_THAT(host.taken(), ElementsAre("a dup"));
  host.settle(1);
  EXPECT_THAT(host.stored(), IsEmpty());
  host.advance(seconds{61});
  EXPECT_THAT(host.taken(), IsEmpty());
}

TEST_F(C2dQueueTest, an_acknowledgement_after_the_lock_and_before_the_next_send_counts) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  host.taken();
  host.loop.step_wall_clock(seconds{61});
  host.queue->on_clock_shift();  // the body is being read
  host.queue->settle({host.record.id, Epoch{}, 1, C2dSettlement::complete});
  host.loop.run();
  EXPECT_THAT(host.taken(), IsEmpty());
  EXPECT_THAT(host.stored(), IsEmpty());
}

TEST_F(C2dQueueTest, a_shift_of_the_clock_ends_locks) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  host.taken();
  host.loop.step_wall_clock(seconds{61});
  host.queue->on_clock_shift();
  host.loop.run();
  EXPECT_THAT(host.taken(), ElementsAre("a dup"));
}

TEST_F(C2dQueueTest, a_clock_that_is_set_back_does_not_hold_a_message_for_so_long) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  host.taken();
  host.loop.step_wall_clock(seconds{-3600});
  host.advance(seconds{61});
  EXPECT_THAT(host.taken(), ElementsAre("a dup"));
  host.advance(seconds{58});
  EXPECT_THAT(host.taken(), IsEmpty());
  host.advance(seconds{3});
  EXPECT_THAT(host.taken(), ElementsAre("a dup"));
}

TEST_F(C2dQueueTest, a_message_that_goes_out_again_does_not_wait_for_a_full_window) {
  const std::string large(60'000, 'x');
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(host.send_c2d(large));
  host.resume();
  ASSERT_EQ(host.taken().size(), 4u);
  host.advance(seconds{61});
  EXPECT_EQ(host.taken().size(), 4u);
}

TEST_F(C2dQueueTest, lock_ends_do_not_count_unless_asked) {
  host.settings_.c2d.max_delivery_count = 2;
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  for (int i = 0; i < 5; ++i) host.advance(seconds{61});
  for (int i = 0; i < 5; ++i) {
    host.cut();
    host.resume();
  }
  EXPECT_EQ(host.queue->size(), 1u);
}

TEST_F(C2dQueueTest, counted_lock_ends_kill_the_message) {
  host.settings_.c2d.count_lock_expiry = true;
  host.settings_.c2d.max_delivery_count = 2;
  host.resume();
  ASSERT_TRUE(host.send_c2d("a", AckRequest::negative));
  host.taken();
  host.advance(seconds{61});
  EXPECT_THAT(host.taken(), ElementsAre("a dup"));
  host.advance(seconds{61});
  EXPECT_THAT(host.taken(), ElementsAre("withdraw 1"));
  EXPECT_THAT(host.stored(), IsEmpty());
  EXPECT_THAT(host.feedback(), ElementsAre("id-a DeliveryCountExceeded"));
}

TEST_F(C2dQueueTest, counted_lost_connections_survive_a_restart) {
  host.settings_.c2d.count_lock_expiry = true;
  host.settings_.c2d.max_delivery_count = 2;
  host.resume();
  ASSERT_TRUE(host.send_c2d("a", AckRequest::full));
  host.cut();
  host.restart();
  host.resume();
  host.cut();
  EXPECT_THAT(host.feedback(), ElementsAre("id-a DeliveryCountExceeded"));
}

TEST_F(C2dQueueTest, an_abandoned_message_comes_again_until_its_count_is_used_up) {
  host.settings_.c2d.max_delivery_count = 3;
  host.resume();
  ASSERT_TRUE(host.send_c2d("a", AckRequest::full));
  host.taken();
  host.settle(1, C2dSettlement::abandon);
  host.settle(1, C2dSettlement::abandon);
  EXPECT_THAT(host.taken(), ElementsAre("a dup", "a dup"));
  host.settle(1, C2dSettlement::abandon);
  EXPECT_THAT(host.taken(), IsEmpty());
  EXPECT_THAT(host.feedback(), ElementsAre("id-a DeliveryCountExceeded"));
}

TEST_F(C2dQueueTest, a_rejected_message_is_dead) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a", AckRequest::negative));
  host.settle(1, C2dSettlement::reject);
  EXPECT_THAT(host.stored(), IsEmpty());
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Rejected"));
}

// Expiry

TEST_F(C2dQueueTest, B59_an_expired_message_is_dead_and_says_so) {
  C2dMessage message = host.message("a", AckRequest::negative);
  message.header.explicit_expiry = true;
  message.header.expiry = host.loop.wall_now() + seconds{60};
  ASSERT_TRUE(host.send_c2d(message));
  host.advance(seconds{61});
  host.queue->expire();
  host.loop.run();
  EXPECT_THAT(host.stored(), IsEmpty());
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Expired"));
  host.resume();
  EXPECT_THAT(host.taken(), IsEmpty());
}

TEST_F(C2dQueueTest, the_time_to_live_is_checked_before_a_delivery) {
  ASSERT_TRUE(host.send_c2d("a", AckRequest::full));
  host.loop.step_wall_clock(seconds{3600});
  host.resume();
  EXPECT_THAT(host.taken(), IsEmpty());
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Expired"));
}

TEST_F(C2dQueueTest, one_that_expires_with_the_device_may_still_be_completed) {
  C2dMessage message = host.message("a", AckRequest::full);
  message.header.explicit_expiry = true;
  message.header.expiry = host.loop.wall_now() + seconds{10};
  host.resume();
  ASSERT_TRUE(host.send_c2d(message));
  host.advance(seconds{20});
  host.queue->expire();
  host.settle(1);
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Success"));
}

TEST_F(C2dQueueTest, one_that_expires_with_the_device_is_withdrawn_with_its_lock) {
  C2dMessage message = host.message("a", AckRequest::full);
  message.header.explicit_expiry = true;
  message.header.expiry = host.loop.wall_now() + seconds{10};
  host.resume();
  ASSERT_TRUE(host.send_c2d(message));
  host.taken();
  host.advance(seconds{61});
  EXPECT_THAT(host.taken(), ElementsAre("withdraw 1"));
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Expired"));
}

// Purge

TEST_F(C2dQueueTest, R98_a_purge_takes_what_waits_and_what_is_with_the_device) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a", AckRequest::full));
  host.cut();
  ASSERT_TRUE(host.send_c2d("b", AckRequest::negative));
  ASSERT_TRUE(host.send_c2d("c"));
  host.resume();
  host.taken();
  EXPECT_EQ(host.purge().value(), 3u);
  EXPECT_THAT(host.taken(), ElementsAre("withdraw 1", "withdraw 2", "withdraw 3"));
  EXPECT_THAT(host.stored(), IsEmpty());
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Purged", "id-b Purged"));
  EXPECT_EQ(host.purge().value(), 0u);
  host.settle(1);
  EXPECT_EQ(host.feedback().size(), 2u);
}

TEST_F(C2dQueueTest, a_message_without_an_id_gets_one_for_its_feedback) {
  C2dMessage message = host.message("a", AckRequest::full);
  message.header.message_id.clear();
  host.resume();
  ASSERT_TRUE(host.send_c2d(message));
  host.settle(1);
  ASSERT_EQ(host.feedback().size(), 1u);
  EXPECT_THAT(host.feedback().front(), testing::MatchesRegex("[0-9a-f-]{36} Success"));
}

// Faults

TEST_F(C2dQueueTest, a_lost_disk_refuses_the_sender_and_keeps_the_queue) {
  ASSERT_TRUE(host.send_c2d("a"));
  host.stores_.faults.fail_commit = host.stores_.commits() + 1;
  EXPECT_EQ(host.send_c2d("b").error().code, Errc::storage_failed);
  EXPECT_EQ(host.queue->size(), 1u);
  EXPECT_FALSE(host.purge());
  EXPECT_EQ(host.queue->size(), 1u);
}

TEST_F(C2dQueueTest, a_settlement_that_fails_is_tried_again) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  ASSERT_TRUE(host.send_c2d("b"));
  host.taken();
  host.stores_.faults.fail_commit = host.stores_.commits() + 1;
  host.settle(1);
  EXPECT_THAT(host.stored(), ElementsAre("a", "b"));
  EXPECT_FALSE(host.queue->is_quiet());
  host.settle(2);
  host.stores_.faults.fail_commit.reset();
  host.stores_.crash();
  host.advance(seconds{2});
  EXPECT_THAT(host.stored(), IsEmpty());
  EXPECT_THAT(host.taken(), IsEmpty());
}

TEST_F(C2dQueueTest, a_deleted_device_forgets_everything) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a", AckRequest::full));
  host.cut();
  ASSERT_TRUE(host.send_c2d("b", AckRequest::full));
  host.queue->on_erased();
  host.loop.run();
  EXPECT_EQ(host.queue->size(), 0u);
  EXPECT_TRUE(host.queue->is_quiet());
  EXPECT_THAT(host.feedback(), IsEmpty());
}

TEST_F(C2dQueueTest, an_idle_queue_is_quiet_and_loads_again) {
  ASSERT_TRUE(host.send_c2d("a"));
  ASSERT_TRUE(host.queue->is_quiet());
  host.queue->unload();
  EXPECT_EQ(host.queue->size(), 0u);
  host.restart();
  EXPECT_EQ(host.queue->size(), 1u);
}

TEST_F(C2dQueueTest, a_connection_that_ends_leaves_no_timer) {
  host.resume();
  ASSERT_TRUE(host.send_c2d("a"));
  EXPECT_FALSE(host.queue->is_quiet());
  host.cut();
  EXPECT_TRUE(host.queue->is_quiet());
}

TEST_F(C2dQueueTest, messages_are_counted_by_what_became_of_them) {
  const auto counted = [this](C2dEvent event) { return host.counted.c2d[static_cast<std::size_t>(event)]; };
  ASSERT_TRUE(host.send_c2d("a"));
  ASSERT_TRUE(host.send_c2d("b"));
  ASSERT_TRUE(host.send_c2d("c"));
  EXPECT_EQ(counted(C2dEvent::enqueued), 3u);
  EXPECT_EQ(counted(C2dEvent::delivered), 0u);
  host.resume();
  EXPECT_EQ(counted(C2dEvent::delivered), 3u);
  host.settle(1);
  host.settle(2, C2dSettlement::reject);
  EXPECT_EQ(counted(C2dEvent::completed), 1u);
  EXPECT_EQ(counted(C2dEvent::rejected), 1u);
  host.settle(3, C2dSettlement::abandon);
  EXPECT_EQ(counted(C2dEvent::delivered), 4u) << "sent once more";
  host.settle(3);
  host.cut();
  for (std::size_t i = 0; i < limits::kC2dDepthMax; ++i) ASSERT_TRUE(host.send_c2d("x"));
  EXPECT_FALSE(host.send_c2d("overflow"));
  EXPECT_EQ(counted(C2dEvent::refused), 1u);
}

}  // namespace
}  // namespace kyanite::test
