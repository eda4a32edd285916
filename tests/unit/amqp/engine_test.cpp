#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <algorithm>

#include "tests/unit/amqp/engine_peer.h"

// The connection and its links, as conversations by value (spec amqp.md 2; behaviours in the names).
namespace kyanite::amqp::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

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

std::string numbered_tracking_id() { return "t-1"; }

TEST(Engine, ErrorsThatAreSentCanBeFound_B9) {
  EngineSettings settings;
  settings.make_tracking_id = numbered_tracking_id;
  const Symbol name{"com.microsoft:tracking-id"};
  const auto id_of = [&name](const std::optional<Condition>& error) {
    const Value* id = error ? error->info.find(name.text) : nullptr;
    return id ? std::string(id->text().value_or("")) : std::string("none");
  };
  Peer peer(settings);
  peer.opened();
  peer.engine.refuse(peer.attach(Role::receiver, 0), Condition{"amqp:not-found", "", {}});
  EXPECT_EQ(id_of(peer.take_of<Detach>().at(0).error), "t-1");
  const LinkId link = peer.sender(1, 10);
  peer.transfer(1, 0, "x");
  peer.engine.settle(link, 0, rejected("amqp:not-found"));
  EXPECT_EQ(id_of(peer.take_of<Disposition>().at(0).state->error), "t-1");
  Condition known{"amqp:not-found", "", {}};
  known.info.entries.push_back({name, std::string("mine")});
  peer.engine.detach(link, known);
  EXPECT_EQ(id_of(peer.take_of<Detach>().at(0).error), "mine") << "what is there stays";
  peer.flow({.handle = 9, .link_credit = 1});
  EXPECT_EQ(id_of(peer.take_of<End>().at(0).error), "t-1");
  peer.feed("no frame at all");
  EXPECT_EQ(id_of(peer.take_of<Close>().at(0).error), "t-1");
}

TEST(Engine, AskingForTheSizeOfTheOutputEndsNoRun) {
  Peer peer;
  peer.opened();
  const LinkId link = peer.sender(0, 100);
  for (std::uint32_t i = 0; i < 3; ++i) {
    peer.transfer(0, i, "x");
    peer.engine.settle(link, i, kAccepted);
    EXPECT_EQ(peer.engine.output_bytes(), 0u);
  }
  EXPECT_EQ(peer.take_of<Disposition>().size(), 1u);
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
