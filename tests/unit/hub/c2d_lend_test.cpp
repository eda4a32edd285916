#include <gmock/gmock.h>

#include "tests/unit/hub/c2d_fixture.h"

// The queue towards a connection of AMQP (spec amqp.md 7.4).
namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class C2dLendTest : public testing::Test {
 protected:
  C2dLendTest() {
    host.link_ = DeviceLink{};
    host.link_->over_amqp = true;
    host.link_->filters.push_back({"amqp", FilterKind::c2d, 1, host.executor_.wall_now()});
  }
  // As the actor tells it: a link, seen as a subscription that is new.
  void attach() {
    host.queue->on_subscribed(true);
    host.loop.run();
  }
  void allow(std::uint64_t lent_max) {
    host.queue->allow({host.record.id, Epoch{}, lent_max});
    host.loop.run();
  }
  bool drain(std::uint64_t lent_max) {
    bool drained = false;
    host.queue->allow({host.record.id, Epoch{}, lent_max,
                       Reply<void>(host.executor_, [&drained](const Result<void>&) { drained = true; })});
    host.loop.run();
    return drained;
  }
  // The delivery that was seen last, unless another one is named.
  Result<void> settle(std::uint64_t sequence, C2dSettlement how, std::uint64_t lend = 0) {
    Result<void> answer = Error(Errc::timed_out);
    host.queue->settle({host.record.id, Epoch{}, sequence, how,
                        Reply<void>(host.executor_, [&answer](const Result<void>& r) { answer = r; }),
                        lend == 0 ? lends[sequence] : lend});
    host.loop.run();
    return answer;
  }
  // "body 0": with its delivery count; "withdraw 3".
  std::vector<std::string> lent() {
    std::vector<std::string> lines;
    for (const ConnectionMessage& message : std::exchange(host.sent, {})) {
      if (const auto* lend = std::get_if<LendC2d>(&message)) {
        EXPECT_EQ(lend->message.device, "d1");
        lends[lend->message.header.sequence] = lend->lend;
        lines.push_back(lend->message.body + " " + std::to_string(lend->message.header.delivery_count));
      } else if (const auto* withdraw = std::get_if<WithdrawC2d>(&message)) {
        lines.push_back("withdraw " + std::to_string(withdraw->sequence));
      } else {
        lines.push_back("?");
      }
    }
    return lines;
  }

  FakeHost host;
  std::map<std::uint64_t, std::uint64_t> lends;  // by sequence
};

TEST_F(C2dLendTest, messages_that_were_there_before_the_link_are_lent_as_there_is_credit) {
  for (const char* body : {"a", "b", "c"}) ASSERT_TRUE(host.send_c2d(body));
  host.advance(seconds{5});
  attach();
  EXPECT_THAT(lent(), IsEmpty());
  allow(2);
  EXPECT_THAT(lent(), ElementsAre("a 0", "b 0"));
  ASSERT_TRUE(settle(1, C2dSettlement::complete));
  EXPECT_THAT(lent(), IsEmpty());  // settling gives no credit
  allow(3);
  EXPECT_THAT(lent(), ElementsAre("c 0"));
}

TEST_F(C2dLendTest, a_message_sent_while_credit_waits_goes_straight_to_the_device) {
  attach();
  allow(1);
  ASSERT_TRUE(host.send_c2d("a"));
  ASSERT_TRUE(host.send_c2d("b"));
  EXPECT_THAT(lent(), ElementsAre("a 0"));
  EXPECT_EQ(host.queue->size(), 2u);
}

TEST_F(C2dLendTest, A52_the_tenth_abandon_ends_the_message_with_negative_feedback) {
  attach();
  allow(20);
  ASSERT_TRUE(host.send_c2d("a", AckRequest::negative));
  for (int count = 0; count < 10; ++count) {
    EXPECT_THAT(lent(), ElementsAre("a " + std::to_string(count)));
    EXPECT_TRUE(settle(1, C2dSettlement::abandon));
  }
  EXPECT_THAT(lent(), IsEmpty());
  EXPECT_THAT(host.stored(), IsEmpty());
  EXPECT_THAT(host.feedback(), ElementsAre("id-a DeliveryCountExceeded"));
}

TEST_F(C2dLendTest, A31_a_settlement_that_asks_is_answered_after_the_commit) {
  attach();
  allow(1);
  ASSERT_TRUE(host.send_c2d("a", AckRequest::full));
  std::optional<Result<void>> answer;
  host.queue->settle({host.record.id, Epoch{}, 1, C2dSettlement::reject,
                      Reply<void>(host.executor_, [&answer](const Result<void>& r) { answer = r; }), 1});
  EXPECT_FALSE(answer);
  host.loop.run();
  ASSERT_TRUE(answer && *answer);
  EXPECT_THAT(host.stored(), IsEmpty());
  EXPECT_THAT(host.feedback(), ElementsAre("id-a Rejected"));
  EXPECT_EQ(settle(1, C2dSettlement::complete).error().code, Errc::lock_lost);
}

TEST_F(C2dLendTest, A31_a_lock_that_ends_takes_the_message_back_uncounted) {
  attach();
  allow(1);
  ASSERT_TRUE(host.send_c2d("a"));
  EXPECT_THAT(lent(), ElementsAre("a 0"));
  host.advance(seconds{60});
  EXPECT_THAT(lent(), ElementsAre("withdraw 1"));  // no credit to lend it again
  EXPECT_EQ(settle(1, C2dSettlement::complete).error().code, Errc::lock_lost);
  allow(2);
  EXPECT_THAT(lent(), ElementsAre("a 0"));
  EXPECT_TRUE(settle(1, C2dSettlement::complete));
}

TEST_F(C2dLendTest, A31_an_outcome_of_a_delivery_that_was_taken_back_settles_no_later_one) {
  attach();
  allow(2);
  ASSERT_TRUE(host.send_c2d("a"));
  lent();
  host.advance(seconds{60});
  EXPECT_THAT(lent(), ElementsAre("withdraw 1", "a 0"));
  for (const auto late : {C2dSettlement::complete, C2dSettlement::reject, C2dSettlement::abandon}) {
    EXPECT_EQ(settle(1, late, 1).error().code, Errc::lock_lost);
  }
  EXPECT_THAT(lent(), IsEmpty());
  EXPECT_TRUE(settle(1, C2dSettlement::abandon));
  EXPECT_EQ(host.queue->size(), 1u);
}

TEST_F(C2dLendTest, A53_what_was_lent_returns_when_the_connection_ends) {
  attach();
  allow(5);
  for (const char* body : {"a", "b"}) ASSERT_TRUE(host.send_c2d(body));
  lent();
  host.queue->on_unbound();
  host.link_.reset();
  host.loop.run();
  EXPECT_EQ(host.queue->size(), 2u);
  // The next connection gives its own credit.
  host.link_ = DeviceLink{};
  host.link_->over_amqp = true;
  host.link_->filters.push_back({"amqp", FilterKind::c2d, 1, host.executor_.wall_now()});
  lent();
  attach();
  EXPECT_THAT(lent(), IsEmpty());
  allow(1);
  EXPECT_THAT(lent(), ElementsAre("a 0"));
}

TEST_F(C2dLendTest, A42_a_drain_is_answered_behind_what_was_there) {
  for (const char* body : {"a", "b"}) ASSERT_TRUE(host.send_c2d(body));
  attach();
  EXPECT_TRUE(drain(5));
  EXPECT_THAT(lent(), ElementsAre("a 0", "b 0"));
  EXPECT_TRUE(drain(7));
  EXPECT_THAT(lent(), IsEmpty());
}

TEST_F(C2dLendTest, a_drain_is_answered_when_the_connection_ends) {
  attach();
  ASSERT_TRUE(host.send_c2d("a"));
  bool drained = false;
  host.queue->allow({host.record.id, Epoch{}, 1,
                     Reply<void>(host.executor_, [&drained](const Result<void>&) { drained = true; })});
  host.queue->on_unbound();
  host.link_.reset();
  host.loop.run();
  EXPECT_TRUE(drained);
}

}  // namespace
}  // namespace kyanite::test
