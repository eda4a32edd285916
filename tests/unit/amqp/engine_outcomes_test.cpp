#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "tests/unit/amqp/engine_peer.h"

// The peer's word on what an engine sent (spec amqp.md 2.6).
namespace kyanite::amqp::test {
namespace {

TEST(EngineOutcomes, OutcomesOfARangeComeEachWithItsKey) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 100);
  for (std::uint64_t key = 10; key < 15; ++key) peer.engine.send(link, {.key = key, .tag = "t"}, "x");
  peer.take();
  peer.dispose(1, 3, kAccepted, true);
  const auto outcomes = peer.take_events<OutcomeReceived>();
  ASSERT_EQ(outcomes.size(), 3u);
  EXPECT_EQ(outcomes[0].key, 11u);
  EXPECT_EQ(outcomes[2].key, 13u);
  peer.dispose(0, 0xffff'fff0, rejected("x"), true);
  EXPECT_TRUE(peer.take_events<OutcomeReceived>().empty()) << "last before first by serial numbers";
  peer.dispose(0, 1'000'000, rejected("x"), true);
  EXPECT_EQ(peer.take_events<OutcomeReceived>().size(), 2u);
  peer.dispose(0, 4, kAccepted, true);
  EXPECT_TRUE(peer.take_events<OutcomeReceived>().empty());
}

TEST(EngineOutcomes, ModeSecondIsAnsweredWithTheSameOutcome_B31) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 100);
  peer.engine.send(link, {.key = 1, .tag = "t"}, "x");
  peer.take();
  peer.dispose(0, 0, kAccepted, false);
  const auto outcomes = peer.take_events<OutcomeReceived>();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_FALSE(outcomes[0].settled);
  peer.engine.settle_sent(link, 1, outcomes[0].outcome);
  const auto answers = peer.take_of<Disposition>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].role, Role::sender);
  EXPECT_TRUE(answers[0].settled);
  EXPECT_EQ(answers[0].state->kind, OutcomeKind::accepted);
}

TEST(EngineOutcomes, AnOutcomeThatIsSaidAgainIsToldOnce_B31) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 100);
  peer.engine.send(link, {.key = 1, .tag = "t"}, "x");
  peer.take();
  for (int i = 0; i < 3; ++i) peer.dispose(0, 0, kAccepted, false);
  EXPECT_EQ(peer.take_events<OutcomeReceived>().size(), 1u);
  EXPECT_TRUE(peer.take().empty()) << "it is not lost";
  peer.engine.settle_sent(link, 1, kAccepted);
  EXPECT_EQ(peer.take_of<Disposition>().size(), 1u);
}

// A long condition for a range of deliveries is not there once for each of them.
TEST(EngineOutcomes, ALongConditionOfManyDeliveriesTakesNoMoreMemoryThanOne) {
  Peer peer;
  peer.opened(10'000);
  const LinkId link = peer.receiver(0, 10'000, 10'000);
  constexpr std::uint64_t kCount = 1'000;
  for (std::uint64_t key = 0; key < kCount; ++key) peer.engine.send(link, {.key = key, .tag = "t"}, "x");
  peer.take();
  const Condition reason{"x", std::string(50'000, 'y'), {}};
  std::string bytes;
  append_disposition(
      bytes, 0, Disposition{Role::receiver, 0, kCount - 1, true, Outcome{OutcomeKind::rejected, reason}});
  const std::size_t before = mallinfo2().uordblks;
  peer.engine.feed(bytes, peer.now);
  std::optional<Event> event = peer.engine.next();
  EXPECT_LT(mallinfo2().uordblks, before + 5'000'000);
  std::uint64_t told = 0;
  for (; event; event = peer.engine.next()) {
    const auto& outcome = std::get<OutcomeReceived>(*event);
    EXPECT_EQ(outcome.key, told++);
    EXPECT_EQ(outcome.outcome.error->description.size(), 50'000u);
  }
  EXPECT_EQ(told, kCount);
  peer.engine.hold();
}

TEST(EngineOutcomes, WhatThePeerSaysAtItsEndIsNotThereForEachLink) {
  Peer peer;
  peer.opened();
  for (std::uint32_t handle = 0; handle < 200; ++handle) peer.receiver(handle, 1);
  std::string bytes;
  append_close(bytes, Close{Condition{"x", std::string(50'000, 'y'), {}}});
  const std::size_t before = mallinfo2().uordblks;
  peer.engine.feed(bytes, peer.now);
  const std::optional<Event> event = peer.engine.next();
  EXPECT_LT(mallinfo2().uordblks, before + 2'000'000);
  ASSERT_TRUE(event);
  peer.drain();
  EXPECT_EQ(peer.take_events<LinkEnded>().size(), 199u);
}

TEST(EngineOutcomes, WhatWasForgottenIsAnsweredAsLost_B31) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 100);
  peer.engine.send(link, {.key = 1, .tag = "t"}, "x");
  peer.take();
  peer.engine.forget_sent(link, 1);
  peer.dispose(0, 0, kAccepted, false);
  EXPECT_TRUE(peer.take_events<OutcomeReceived>().empty());
  const auto answers = peer.take_of<Disposition>();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].state->error->name, "com.microsoft:message-lock-lost");
  peer.dispose(7, 7, kAccepted, false);
  EXPECT_TRUE(peer.take().empty()) << "never sent";
}

TEST(EngineOutcomes, SettledWithoutAnOutcomeIsNotLost) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 100);
  peer.engine.send(link, {.key = 1, .tag = "t"}, "x");
  peer.dispose(0, 0, std::nullopt, false);
  EXPECT_TRUE(peer.take_events<OutcomeReceived>().empty());
  peer.dispose(0, 0, std::nullopt, true);
  const auto outcomes = peer.take_events<OutcomeReceived>();
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].outcome.kind, OutcomeKind::released);
}

TEST(EngineOutcomes, UnsettledMessagesAreBounded) {
  EngineSettings settings;
  settings.unsettled_max = 5;
  Peer peer(settings);
  peer.opened();
  const LinkId link = peer.receiver(0, 100);
  std::uint64_t key = 0;
  while (peer.engine.may_send(link) > 0) peer.engine.send(link, {.key = ++key, .tag = "t"}, "x");
  EXPECT_EQ(key, 5u);
  peer.dispose(0, 2, kAccepted, true);
  EXPECT_GT(peer.engine.may_send(link), 0u);
}

TEST(EngineOutcomes, LinksThatWaitedForSettlementsAreToldOfRoom) {
  EngineSettings settings;
  settings.unsettled_max = 5;
  for (const bool is_told_by_disposition : {true, false}) {
    Peer peer(settings);
    peer.opened();
    const LinkId busy = peer.receiver(0, 100);
    const LinkId waiting = peer.receiver(1, 100);
    for (std::uint64_t key = 0; key < 5; ++key) peer.engine.send(busy, {.key = key, .tag = "t"}, "x");
    peer.drain();
    peer.events.clear();
    EXPECT_EQ(peer.engine.may_send(waiting), 0u);
    if (is_told_by_disposition) {
      peer.dispose(0, 0, kAccepted, true);
    } else {
      peer.engine.forget_sent(busy, 0);
      peer.drain();
    }
    const auto told = peer.take_events<CreditReceived>();
    EXPECT_TRUE(std::any_of(told.begin(), told.end(), [&](const auto& t) { return t.link == waiting; }));
    EXPECT_EQ(peer.engine.may_send(waiting), 100u);
  }
}

}  // namespace
}  // namespace kyanite::amqp::test
