#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>

#include "tests/unit/amqp/engine_peer.h"

// The connection and its links, as conversations by value (spec amqp.md 2; behaviours in the names).
namespace kyanite::amqp::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Open open_of(std::uint32_t max_frame_size = 65'536) {
  Open open;
  open.container_id = "me";
  open.hostname = "hub.test";
  open.max_frame_size = max_frame_size;
  return open;
}

TEST(Engine, OpensWithoutSasl_B1) {
  Peer peer;
  peer.feed(std::string("AMQP\x00\x01\x00\x00", 8));
  std::string open;
  append_open(open, open_of());
  peer.feed(open);
  const auto opened = peer.take_events<Opened>();
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(opened[0].container_id, "me");
  EXPECT_FALSE(opened[0].sasl);
  peer.take_header();
  const auto answer = peer.take_of<Open>();
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0].max_frame_size, 65'536u);
  EXPECT_EQ(answer[0].channel_max, 255);
}

TEST(Engine, HoldsWhatFollowsSaslUntilItIsJudged) {
  Peer peer;
  std::string bytes("AMQP\x03\x01\x00\x00", 8);
  // init: MSSBCBS, no response
  bytes += std::string("\x00\x00\x00\x17\x02\x01\x00\x00\x00\x53\x41\xc0\x0a\x01\xa3\x07MSSBCBS", 23);
  bytes += std::string("AMQP\x00\x01\x00\x00", 8);
  append_open(bytes, open_of());
  peer.feed(bytes);
  ASSERT_EQ(peer.events.size(), 1u);
  EXPECT_EQ(std::get<SaslStarted>(peer.events[0]).mechanism, "MSSBCBS");
  peer.events.clear();
  peer.engine.sasl_outcome(true);
  peer.drain();
  ASSERT_EQ(peer.events.size(), 1u);
  EXPECT_TRUE(std::get<Opened>(peer.events[0]).sasl);
}

TEST(Engine, ARefusedPasswordClosesIt_B3) {
  Peer peer;
  std::string bytes("AMQP\x03\x01\x00\x00", 8);
  bytes += std::string("\x00\x00\x00\x17\x02\x01\x00\x00\x00\x53\x41\xc0\x0a\x01\xa3\x07MSSBCBS", 23);
  peer.feed(bytes);
  peer.engine.sasl_outcome(false);
  EXPECT_EQ(peer.engine.state(), EngineState::closed);
  const std::string& out = peer.engine.output();
  // code 1, additional-data null
  EXPECT_EQ(out.substr(out.size() - 3), std::string("\x50\x01\x40", 3));
}

TEST(Engine, AnsweringAttachTwiceChangesNothing) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.attach(Role::receiver, 0);
  peer.engine.accept(link, {});
  peer.engine.refuse(link, Condition{"amqp:not-found", "", {}});
  EXPECT_EQ(peer.take().size(), 1u);
  EXPECT_TRUE(peer.engine.has(link));
}

TEST(Engine, ARefusalIsAttachWithoutTerminusAndDetach) {
  Peer peer;
  peer.opened();
  for (const Role role : {Role::receiver, Role::sender}) {
    const LinkId link = peer.attach(role, 0);
    peer.engine.refuse(link, Condition{"amqp:not-found", "nothing there", {}});
    const auto frames = peer.take();
    ASSERT_EQ(frames.size(), 2u);
    const auto& attach = std::get<Attach>(frames[0].performative);
    EXPECT_EQ(attach.source.is_null(), role == Role::receiver);
    EXPECT_EQ(attach.target.is_null(), role == Role::sender);
    const auto& detach = std::get<Detach>(frames[1].performative);
    EXPECT_TRUE(detach.closed);
    EXPECT_EQ(detach.error->name, "amqp:not-found");
    EXPECT_FALSE(peer.engine.has(link));
    // The handle is free when the peer's detach has come.
    std::string bytes;
    append_detach(bytes, 0, Detach{0, true, std::nullopt});
    peer.feed(bytes);
    EXPECT_TRUE(peer.events.empty());
    EXPECT_TRUE(peer.take().empty());
  }
}

TEST(Engine, CreditThatCameBeforeTheAnswerCounts) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.attach(Role::receiver, 0);
  peer.flow({.handle = 0, .delivery_count = 0, .link_credit = 7});
  EXPECT_EQ(peer.engine.may_send(link), 0u);
  peer.events.clear();
  peer.engine.accept(link, {});
  peer.drain();
  EXPECT_EQ(peer.take_events<CreditReceived>().size(), 1u);
  EXPECT_EQ(peer.engine.may_send(link), 7u);
}

// Credit, windows, drain

TEST(Engine, TheSessionWindowLimitsHugeCredit_B41) {
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

TEST(Engine, AFlowThatKnowsOfTransfersNobodySentOpensNothing) {
  Peer peer;
  peer.opened(10);
  const LinkId link = peer.receiver(0, 100, 10);
  peer.flow({.next_incoming_id = 5'000, .incoming_window = 10});
  EXPECT_EQ(peer.engine.may_send(link), 0u);
}

TEST(Engine, CreditLessThanWasUsedIsNone) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 5);
  for (int i = 0; i < 5; ++i) peer.engine.send(link, {.tag = "t", .settled = true}, "x");
  peer.flow({.handle = 0, .delivery_count = 0, .link_credit = 3});
  EXPECT_EQ(peer.engine.credit(link), 0u);
}

TEST(Engine, CreditWithoutEndIsCredit) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 0xffff'ffff);
  EXPECT_EQ(peer.engine.credit(link), 0xffff'ffff);
  peer.engine.send(link, {.tag = "t", .settled = true}, "x");
  peer.flow({.handle = 0, .delivery_count = 0, .link_credit = 0xffff'ffff});
  EXPECT_EQ(peer.engine.credit(link), 0xffff'fffe) << "one is on its way";
}

TEST(Engine, ASenderThatCountsBeyondItsCreditHasNoneAndGetsNew) {
  Peer peer;
  peer.opened();
  peer.sender(0, 10);
  peer.flow({.handle = 0, .delivery_count = 50});
  const auto flows = peer.take_of<Flow>();
  ASSERT_EQ(flows.size(), 1u);
  EXPECT_EQ(flows[0].delivery_count, 50u);
  EXPECT_EQ(flows[0].link_credit, 10u);
}

TEST(Engine, WhatWasLeftOfAMessageGoesWithItsLink) {
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

TEST(Engine, DrainGivesTheCreditBack_B42) {
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

TEST(Engine, ADrainThatMessagesUseUpIsToldOfToo_B42) {
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

TEST(Engine, EchoIsAnsweredWithAFlow) {
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

TEST(Engine, ALargeMessageIsCutIntoFramesAndWaitsForTheWindow) {
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

// Receiving

TEST(Engine, AMessageOfSeveralTransfersIsPutTogether_B47) {
  Peer peer;
  peer.opened();
  peer.sender(0, 10);
  peer.transfer(0, 0, "one,", false, true);
  peer.transfer(0, 0, "two,", false, true);
  EXPECT_TRUE(peer.events.empty());
  peer.transfer(0, 0, "three");
  EXPECT_EQ(peer.bodies, std::vector<std::string>{"one,two,three"});
}

TEST(Engine, AnAbortedMessageNeverWas) {
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

TEST(Engine, AMessageBeyondTheLimitIsRejectedAndTheLinkLives_B47) {
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

TEST(Engine, HalfMessagesOfManyLinksAreBoundedTogether) {
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

TEST(Engine, CreditIsToppedUpAsMessagesAreSettled) {
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

TEST(Engine, RunsOfAcceptedMessagesShareADisposition) {
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

TEST(Engine, AcceptanceStandsBeforeWhatIsSentNext_B15) {
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

TEST(Engine, ASmallOverrunIsBorneALargeOneEndsTheLink) {
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

TEST(Engine, TheIncomingWindowIsOpenedAgain) {
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

// Outcomes

TEST(Engine, OutcomesOfARangeComeEachWithItsKey) {
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

TEST(Engine, ModeSecondIsAnsweredWithTheSameOutcome_B31) {
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

TEST(Engine, AnOutcomeThatIsSaidAgainIsToldOnce_B31) {
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
TEST(Engine, ALongConditionOfManyDeliveriesTakesNoMoreMemoryThanOne) {
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

TEST(Engine, WhatThePeerSaysAtItsEndIsNotThereForEachLink) {
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

TEST(Engine, WhatWasForgottenIsAnsweredAsLost_B31) {
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

TEST(Engine, SettledWithoutAnOutcomeIsNotLost) {
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

TEST(Engine, UnsettledMessagesAreBounded) {
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

TEST(Engine, LinksThatWaitedForSettlementsAreToldOfRoom) {
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

// Ends

TEST(Engine, EndTellsOfEachLinkAndFreesWhatTheyHeld) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 100);
  peer.sender(1, 100);
  peer.engine.send(link, {.key = 1, .tag = "t"}, "x");
  peer.transfer(1, 0, "half", false, true);
  std::string bytes;
  append_end(bytes, 0, {});
  peer.take();
  peer.feed(bytes);
  EXPECT_EQ(peer.take_events<LinkEnded>().size(), 2u);
  EXPECT_EQ(peer.take_of<End>().size(), 1u);
  EXPECT_FALSE(peer.engine.has(link));
  peer.engine.settle_sent(link, 1, kAccepted);
  peer.engine.accept(link, {});
  EXPECT_TRUE(peer.take().empty());
}

TEST(Engine, DetachOfThePeerIsAnsweredOnce) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 100);
  std::string bytes;
  append_detach(bytes, 0, Detach{0, true, Condition{"amqp:internal-error", "mine", {}}});
  peer.feed(bytes);
  const auto ended = peer.take_events<LinkEnded>();
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].link, link);
  EXPECT_EQ(ended[0].error->description, "mine");
  EXPECT_EQ(peer.take_of<Detach>().size(), 1u);
}

TEST(Engine, CrossingDetachesAreNoError) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.receiver(0, 100);
  peer.engine.detach(link, Condition{"amqp:link:stolen", "", {}});
  std::string bytes;
  append_detach(bytes, 0, Detach{0, true, std::nullopt});
  peer.feed(bytes);
  EXPECT_TRUE(peer.events.empty());
  EXPECT_EQ(peer.take_of<Detach>().size(), 1u);
  EXPECT_EQ(peer.engine.state(), EngineState::open);
}

TEST(Engine, CloseOfThePeerEndsEverything) {
  Peer peer;
  peer.opened();
  peer.receiver(0, 100);
  std::string bytes;
  append_close(bytes, {});
  peer.feed(bytes + "and more that nobody reads");
  ASSERT_EQ(peer.events.size(), 2u);
  EXPECT_TRUE(std::holds_alternative<LinkEnded>(peer.events[0]));
  EXPECT_TRUE(std::holds_alternative<PeerClosed>(peer.events[1]));
  EXPECT_EQ(peer.take_of<Close>().size(), 1u);
  EXPECT_EQ(peer.engine.state(), EngineState::closed);
}

TEST(Engine, TooManyLinksAreRefused) {
  EngineSettings settings;
  settings.links_max = 2;
  Peer peer(settings);
  peer.opened();
  peer.receiver(0, 1);
  peer.receiver(1, 1);
  Attach attach;
  attach.name = "third";
  attach.handle = 2;
  attach.role = Role::receiver;
  attach.source.encoded = source_of("node");
  attach.target.encoded = target_of("");
  std::string bytes;
  append_attach(bytes, 0, attach);
  peer.feed(bytes);
  EXPECT_TRUE(peer.events.empty());
  const auto detaches = peer.take_of<Detach>();
  ASSERT_EQ(detaches.size(), 1u);
  EXPECT_EQ(detaches[0].error->name, "amqp:resource-limit-exceeded");
}

TEST(Engine, WhoeverNeverDetachesRefusedLinksIsClosed) {
  EngineSettings settings;
  settings.links_max = 2;
  Peer peer(settings);
  peer.opened();
  std::string bytes;
  for (std::uint32_t handle = 0; handle < 5; ++handle) {
    Attach attach;
    attach.name = "link";
    attach.handle = handle;
    attach.role = Role::receiver;
    attach.source.encoded = source_of("node");
    attach.target.encoded = target_of("");
    append_attach(bytes, 0, attach);
  }
  peer.feed(bytes);
  EXPECT_EQ(peer.engine.state(), EngineState::closed);
  const auto closes = peer.take_of<Close>();
  ASSERT_EQ(closes.size(), 1u);
  EXPECT_EQ(closes[0].error->name, "amqp:resource-limit-exceeded");
}

TEST(Engine, ANameOrAnAddressWithoutEndIsRefused) {
  for (const bool is_name : {true, false}) {
    Peer peer;
    peer.opened();
    Attach attach;
    attach.name = is_name ? std::string(5'000, 'n') : "link";
    attach.role = Role::receiver;
    attach.source.encoded = source_of(is_name ? "node" : std::string(5'000, 'a'));
    attach.target.encoded = target_of("");
    std::string bytes;
    append_attach(bytes, 0, attach);
    peer.feed(bytes);
    EXPECT_TRUE(peer.events.empty());
    const auto ends = peer.take_of<End>();
    ASSERT_EQ(ends.size(), 1u);
    EXPECT_EQ(ends[0].error->name, "amqp:invalid-field");
  }
}

// Time

TEST(Engine, HeartbeatsAtHalfOfWhatThePeerAnnounced_B10) {
  Open open = open_of();
  open.idle_time_out_ms = 2'000;
  Peer peer;
  peer.opened(1000, open);
  for (int i = 0; i < 4; ++i) {
    peer.now = peer.engine.next_due();
    EXPECT_LE(peer.now, SteadyTime(milliseconds(1'000 * (i + 1))));
    peer.engine.on_time(peer.now);
  }
  peer.take();
  EXPECT_EQ(peer.heartbeats, 4u);
}

TEST(Engine, ASilentPeerIsDropped_B10) {
  Peer peer;
  peer.opened();
  peer.receiver(0, 1);
  peer.now = SteadyTime(seconds(239));
  peer.engine.on_time(peer.now);
  EXPECT_EQ(peer.engine.state(), EngineState::open);
  peer.now = SteadyTime(seconds(240));
  peer.engine.on_time(peer.now);
  peer.drain();
  EXPECT_EQ(peer.events.size(), 2u);
  const auto closes = peer.take_of<Close>();
  ASSERT_EQ(closes.size(), 1u);
  EXPECT_EQ(closes[0].error->name, "amqp:resource-limit-exceeded");
}

TEST(Engine, WhoeverDoesNotOpenIsDropped) {
  Peer peer;
  peer.feed(std::string("AMQP\x00\x01\x00\x00", 8));
  peer.now = peer.engine.next_due();
  EXPECT_EQ(peer.now, SteadyTime(seconds(60)));
  peer.engine.on_time(peer.now);
  EXPECT_EQ(peer.engine.state(), EngineState::closed);
}

}  // namespace
}  // namespace kyanite::amqp::test
