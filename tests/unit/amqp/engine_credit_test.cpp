#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/amqp/engine_peer.h"

// Credit, windows and drains of an engine (spec amqp.md 2.5).
namespace kyanite::amqp::test {
namespace {

TEST(EngineCredit, TheSessionWindowLimitsHugeCredit_B41) {
  Peer peer;
  peer.opened(10);
  const LinkId link = peer.receiver(0, 100'000, 10);
  unsigned count = 0;
  while (peer.engine.may_send(link) > 0) {
    peer.engine.send(link, {.key = ++count, .tag = "t", .settled = true}, "x");
  }
  EXPECT_EQ(count, 10u);
  EXPECT_EQ(peer.take_of<Transfer>().size(), 10u);
  peer.flow({.incoming_window = 10});
  EXPECT_EQ(peer.take_events<CreditReceived>().size(), 1u);
  EXPECT_EQ(peer.engine.may_send(link), 10u);
  // What is on its way counts: the peer has seen 10 of 15.
  for (int i = 0; i < 5; ++i) peer.engine.send(link, {.tag = "t", .settled = true}, "x");
  peer.flow({.next_incoming_id = 10, .incoming_window = 10});
  EXPECT_EQ(peer.engine.may_send(link), 5u);
}

TEST(EngineCredit, AFlowThatKnowsOfTransfersNobodySentOpensNothing) {
  Peer peer;
  peer.opened(10);
  const LinkId link = peer.receiver(0, 100, 10);
  peer.flow({.next_incoming_id = 5'000, .incoming_window = 10});
  EXPECT_EQ(peer.engine.may_send(link), 0u);
}

TEST(EngineCredit, CreditLessThanWasUsedIsNone) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 5);
  for (int i = 0; i < 5; ++i) peer.engine.send(link, {.tag = "t", .settled = true}, "x");
  peer.flow({.handle = 0, .delivery_count = 0, .link_credit = 3});
  EXPECT_EQ(peer.engine.credit(link), 0u);
}

TEST(EngineCredit, CreditWithoutEndIsCredit) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 0xffff'ffff);
  EXPECT_EQ(peer.engine.credit(link), 0xffff'ffff);
  peer.engine.send(link, {.tag = "t", .settled = true}, "x");
  peer.flow({.handle = 0, .delivery_count = 0, .link_credit = 0xffff'ffff});
  EXPECT_EQ(peer.engine.credit(link), 0xffff'fffe) << "one is on its way";
}

TEST(EngineCredit, ASenderThatCountsBeyondItsCreditHasNoneAndGetsNew) {
  Peer peer;
  peer.opened();
  peer.sender(0, 10);
  peer.flow({.handle = 0, .delivery_count = 50});
  const auto flows = peer.take_of<Flow>();
  ASSERT_EQ(flows.size(), 1u);
  EXPECT_EQ(flows[0].delivery_count, 50u);
  EXPECT_EQ(flows[0].link_credit, 10u);
}

TEST(EngineCredit, WhatWasLeftOfAMessageGoesWithItsLink) {
  Peer peer;
  peer.opened(2, open_of(512));
  const LinkId link = peer.receiver(0, 10, 2);
  const LinkId other = peer.receiver(1, 10, 2);
  peer.engine.send(link, {.key = 1, .tag = "t"}, std::string(1'500, 'x'));
  EXPECT_EQ(peer.take_of<Transfer>().size(), 2u);
  peer.engine.detach(link, Condition{"amqp:link:stolen", "", {}});
  peer.take();
  peer.flow({.incoming_window = 10});
  EXPECT_TRUE(peer.take().empty());
  EXPECT_EQ(peer.engine.may_send(other), 10u);
}

TEST(EngineCredit, DrainGivesTheCreditBack_B42) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 2);
  peer.flow({.handle = 0, .delivery_count = 0, .link_credit = 9, .drain = true});
  const auto credit = peer.take_events<CreditReceived>();
  ASSERT_EQ(credit.size(), 1u);
  EXPECT_TRUE(credit[0].drain);
  peer.engine.send(link, {.tag = "t", .settled = true}, "x");
  peer.engine.drained(link);
  const auto flows = peer.take_of<Flow>();
  ASSERT_EQ(flows.size(), 1u);
  EXPECT_TRUE(flows[0].drain);
  EXPECT_EQ(flows[0].link_credit, 0u);
  EXPECT_EQ(flows[0].delivery_count, 9u);
  EXPECT_EQ(peer.engine.may_send(link), 0u);
  peer.engine.drained(link);  // nobody asks any more
  EXPECT_TRUE(peer.take().empty());
}

TEST(EngineCredit, ADrainThatMessagesUseUpIsToldOfToo_B42) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 1);
  peer.flow({.handle = 0, .delivery_count = 0, .link_credit = 2, .drain = true});
  peer.engine.send(link, {.tag = "t", .settled = true}, "x");
  EXPECT_TRUE(peer.take_of<Flow>().empty());
  peer.engine.send(link, {.tag = "t", .settled = true}, std::string(100'000, 'y'));
  const auto frames = peer.take();
  const auto* flow = std::get_if<Flow>(&frames.back().performative);
  ASSERT_NE(flow, nullptr);
  EXPECT_TRUE(flow->drain);
  EXPECT_EQ(flow->delivery_count, 2u);
  EXPECT_EQ(flow->link_credit, 0u);
}

TEST(EngineCredit, EchoIsAnsweredWithAFlow) {
  Peer peer;
  peer.opened();
  peer.receiver(0, 2);
  peer.flow({.handle = 0, .delivery_count = 0, .link_credit = 4, .echo = true});
  const auto flows = peer.take_of<Flow>();
  ASSERT_EQ(flows.size(), 1u);
  EXPECT_EQ(flows[0].link_credit, 4u);
  peer.flow({.echo = true});
  EXPECT_EQ(peer.take_of<Flow>().size(), 1u);
}

TEST(EngineCredit, ALargeMessageIsCutIntoFramesAndWaitsForTheWindow) {
  Peer peer;
  peer.opened(2, open_of(512));
  const LinkId link = peer.receiver(0, 10, 2);
  const std::string body(1'500, 'x');
  peer.engine.send(link, {.key = 1, .tag = "0123456789abcdef"}, body);
  EXPECT_EQ(peer.engine.may_send(link), 0u);
  auto frames = peer.take();
  ASSERT_EQ(frames.size(), 2u);
  std::string got = frames[0].payload + frames[1].payload;
  EXPECT_TRUE(std::get<Transfer>(frames[0].performative).more);
  peer.flow({.incoming_window = 2});
  frames = peer.take();
  ASSERT_EQ(frames.size(), 2u);
  got += frames[0].payload + frames[1].payload;
  EXPECT_EQ(got, body);
  EXPECT_FALSE(std::get<Transfer>(frames[1].performative).more);
  EXPECT_EQ(peer.tag, "0123456789abcdef");
  peer.flow({.incoming_window = 10});
  EXPECT_EQ(peer.engine.may_send(link), 9u);
}

}  // namespace
}  // namespace kyanite::amqp::test
