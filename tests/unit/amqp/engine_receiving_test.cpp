#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/amqp/engine_peer.h"

// Messages that come to an engine, and their settlement (spec amqp.md 2.6).
namespace kyanite::amqp::test {
namespace {

TEST(EngineReceiving, AMessageOfSeveralTransfersIsPutTogether_B47) {
  Peer peer;
  peer.opened();
  peer.sender(0, 10);
  peer.transfer(0, 0, "one,", false, true);
  peer.transfer(0, 0, "two,", false, true);
  EXPECT_TRUE(peer.events.empty());
  peer.transfer(0, 0, "three");
  EXPECT_EQ(peer.bodies, std::vector<std::string>{"one,two,three"});
}

TEST(EngineReceiving, AnAbortedMessageNeverWas) {
  Peer peer;
  peer.opened();
  peer.sender(0, 2);
  for (std::uint32_t i = 0; i < 10; ++i) {
    peer.transfer(0, i, "half", false, true);
    peer.transfer(0, i, "", false, false, true);
  }
  EXPECT_TRUE(peer.bodies.empty());
  peer.transfer(0, 10, "whole");
  EXPECT_EQ(peer.bodies, std::vector<std::string>{"whole"});
}

TEST(EngineReceiving, AMessageBeyondTheLimitIsRejectedAndTheLinkLives_B47) {
  EngineSettings settings;
  settings.message_bytes_max = 100;
  Peer peer(settings);
  peer.opened();
  peer.sender(0, 10);
  for (int i = 0; i < 3; ++i) peer.transfer(0, 0, std::string(60, 'x'), false, true);
  peer.transfer(0, 0, "end");
  EXPECT_TRUE(peer.bodies.empty());
  const auto dispositions = peer.take_of<Disposition>();
  ASSERT_EQ(dispositions.size(), 1u);
  EXPECT_EQ(dispositions[0].state->kind, OutcomeKind::rejected);
  EXPECT_EQ(dispositions[0].state->error->name, "amqp:link:message-size-exceeded");
  peer.transfer(0, 1, "small");
  EXPECT_EQ(peer.bodies, std::vector<std::string>{"small"});
}

TEST(EngineReceiving, HalfMessagesOfManyLinksAreBoundedTogether) {
  EngineSettings settings;
  settings.assembling_bytes_max = 100;
  Peer peer(settings);
  peer.opened();
  for (std::uint32_t handle = 0; handle < 3; ++handle) peer.sender(handle, 10);
  peer.transfer(0, 0, std::string(60, 'a'), false, true);
  peer.transfer(1, 1, std::string(60, 'b'), false, true);
  peer.transfer(1, 1, "end");
  EXPECT_EQ(peer.take_of<Disposition>().size(), 1u);
  peer.transfer(0, 0, "end");
  ASSERT_EQ(peer.bodies.size(), 1u);
  peer.transfer(2, 2, std::string(60, 'c'), false, true);
  peer.transfer(2, 2, "end");
  EXPECT_EQ(peer.bodies.size(), 2u);
}

TEST(EngineReceiving, CreditIsToppedUpAsMessagesAreSettled) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.sender(0, 4);
  for (std::uint32_t i = 0; i < 4; ++i) peer.transfer(0, i, "x");
  EXPECT_TRUE(peer.take_of<Flow>().empty());
  for (std::uint32_t i = 0; i < 4; ++i) peer.engine.settle(link, i, kAccepted);
  const auto frames = peer.take();
  std::uint32_t credit = 0;
  for (const Sent& frame : frames) {
    if (const auto* flow = std::get_if<Flow>(&frame.performative)) credit = *flow->link_credit;
  }
  EXPECT_GE(credit, 2u);
}

TEST(EngineReceiving, RunsOfAcceptedMessagesShareADisposition) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.sender(0, 100);
  for (std::uint32_t i = 0; i < 6; ++i) peer.transfer(0, i, "x");
  for (const std::uint32_t i : {0u, 1u, 2u}) peer.engine.settle(link, i, kAccepted);
  peer.engine.settle(link, 3, rejected("amqp:not-found"));
  for (const std::uint32_t i : {5u, 4u}) peer.engine.settle(link, i, kAccepted);
  const auto all = peer.take_of<Disposition>();
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(std::pair(all[0].first, all[0].last), std::pair(0u, 2u));
  EXPECT_EQ(all[1].state->kind, OutcomeKind::rejected);
  EXPECT_EQ(all[2].first, 5u);
  EXPECT_EQ(all[3].first, 4u);
}

TEST(EngineReceiving, AcceptanceStandsBeforeWhatIsSentNext_B15) {
  Peer peer;
  peer.opened();
  const LinkId requests = peer.sender(0, 100);
  const LinkId answers = peer.receiver(1, 100);
  peer.transfer(0, 0, "request");
  peer.engine.settle(requests, 0, kAccepted);
  peer.engine.send(answers, {.tag = "t", .settled = true}, "answer");
  const auto frames = peer.take();
  ASSERT_EQ(frames.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<Disposition>(frames[0].performative));
  EXPECT_TRUE(std::holds_alternative<Transfer>(frames[1].performative));
}

TEST(EngineReceiving, ASmallOverrunIsBorneALargeOneEndsTheLink) {
  Peer peer;
  peer.opened();
  peer.sender(0, 4);
  for (std::uint32_t i = 0; i < 200; ++i) peer.transfer(0, i, "x");
  EXPECT_EQ(peer.bodies.size(), 200u);
  peer.events.clear();
  for (std::uint32_t i = 200; i < 300; ++i) peer.transfer(0, i, "x");
  const auto ended = peer.take_events<LinkEnded>();
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].error->name, "amqp:link:transfer-limit-exceeded");
  EXPECT_EQ(peer.engine.state(), EngineState::open);
}

TEST(EngineReceiving, TheIncomingWindowIsOpenedAgain) {
  EngineSettings settings;
  settings.incoming_window = 10;
  Peer peer(settings);
  peer.opened();
  const LinkId link = peer.sender(0, 1'000);
  std::uint32_t told = 10;
  for (std::uint32_t i = 0; i < 100; ++i) {
    ASSERT_GT(told, 0u);
    --told;
    peer.transfer(0, i, "x", true);
    for (const Flow& flow : peer.take_of<Flow>()) told = flow.incoming_window;
  }
  EXPECT_TRUE(peer.engine.has(link));
}

}  // namespace
}  // namespace kyanite::amqp::test
