#include "server/amqp/locking_link.h"

#include <gmock/gmock.h>

#include "protocol/amqp/message.h"
#include "protocol/base/limits.h"
#include "server/amqp/amqp_shard.h"
#include "tests/support/sim_channel.h"
#include "tests/support/sim_hub.h"

namespace kyanite::test {
namespace {

// A back end with one receiver of feedback; what it is sent stays unsettled.
class FeedbackPeer {
 public:
  FeedbackPeer(SimHub& hub, AmqpShard& shard) : hub_(hub), link_(hub.executor(0)) {
    shard.accept(link_.take_channel());
    std::string bytes("AMQP\x00\x01\x00\x00", 8);
    amqp::append_open(bytes, {});
    amqp::append_begin(bytes, 0, amqp::Begin{std::nullopt, 0, 100'000, 1000, 255});
    send(bytes);
    Claim claim;
    claim.policy = "service";
    claim.rights = Right::service_connect;
    shard.find(1)->put_claim(std::move(claim));
    decoder_.feed(kept_ = link_.take_received().substr(8));
    read();
    amqp::Attach attach;
    attach.name = "feedback";
    attach.role = amqp::Role::receiver;
    attach.source.encoded = amqp::source_of("messages/serviceBound/feedback");
    attach.target.encoded = amqp::empty_target();
    bytes.clear();
    amqp::append_attach(bytes, 0, attach);
    send(bytes);
  }

  void credit(std::uint32_t count, bool drain = false) {
    messages();
    amqp::Flow flow;
    flow.next_incoming_id = received_;
    flow.incoming_window = 100'000;
    flow.handle = 0;
    flow.delivery_count = count_;
    flow.link_credit = count;
    flow.drain = drain;
    std::string bytes;
    amqp::append_flow(bytes, 0, flow);
    send(bytes);
  }
  // Since the last call.
  std::size_t messages() {
    decoder_.feed(kept_ = link_.take_received());
    read();
    return std::exchange(new_, 0);
  }
  std::size_t drained() {
    messages();
    return drained_;
  }

 private:
  void send(const std::string& bytes) {
    link_.send(bytes);
    hub_.loop.run();
  }
  void read() {
    for (;;) {
      const auto frame = decoder_.next_frame();
      ASSERT_TRUE(frame);
      if (!*frame) return;
      if ((*frame)->body.empty()) continue;
      const auto performative = amqp::read_performative((*frame)->body);
      ASSERT_TRUE(performative);
      if (std::holds_alternative<amqp::Transfer>(*performative)) {
        ++received_;
        ++count_;
        ++new_;
      }
      if (const auto* flow = std::get_if<amqp::Flow>(&*performative); flow && flow->drain) {
        ++drained_;
        count_ = *flow->delivery_count;
      }
    }
  }

  SimHub& hub_;
  SimLink link_;
  amqp::FrameDecoder decoder_{1'000'000};
  std::string kept_;
  std::uint32_t received_ = 0;
  std::uint32_t count_ = 0;
  std::size_t new_ = 0;
  std::size_t drained_ = 0;
};

class LockingLinkTest : public testing::Test {
 protected:
  // As the application stops: what is under way ends while the shard is there.
  ~LockingLinkTest() override {
    shard.drain(milliseconds(0), [] {});
    hub.loop.run();
  }
  LockingLinkTest() { hub.loop.run(); }

  void add_feedback(std::size_t records = 1) {
    C2dOutcome outcome;
    outcome.device = "d1";
    for (std::size_t i = 0; i < records; ++i)
      outcome.feedback.push_back({0, "m", hub.loop.wall_now(), FeedbackStatus::success, "d1", "1"});
    hub.stores.c2d().settle(std::move(outcome), Reply<void>(hub.executor(0), [](const Result<void>&) {}));
    hub.loop.run();
    hub.feedback().on_written();
    hub.loop.run();
  }

  SimHub hub;
  AmqpShard shard{hub.services(0), hub.security_snapshot(), hub.observer};
};

TEST_F(LockingLinkTest, A42_a_drain_takes_what_is_there_and_gives_back_the_rest) {
  FeedbackPeer peer(hub, shard);
  peer.credit(3, true);
  EXPECT_EQ(peer.messages(), 0u);
  EXPECT_EQ(peer.drained(), 1u);
  add_feedback();
  EXPECT_EQ(peer.messages(), 0u) << "there is no credit";
  peer.credit(3, true);
  EXPECT_EQ(peer.messages(), 1u);
  EXPECT_EQ(peer.drained(), 2u);
  add_feedback();
  peer.credit(1, true);
  EXPECT_EQ(peer.messages(), 1u) << "a drain does not wait for the rest of a batch";
  EXPECT_EQ(peer.drained(), 3u);
}

TEST_F(LockingLinkTest, A42_a_drain_ends_a_wait) {
  FeedbackPeer peer(hub, shard);
  peer.credit(2);
  peer.credit(2, true);
  EXPECT_EQ(peer.drained(), 1u);
  add_feedback();
  EXPECT_EQ(peer.messages(), 0u);
  peer.credit(1);
  EXPECT_EQ(peer.messages(), 1u);
}

TEST_F(LockingLinkTest, A30_who_settles_nothing_goes_on_when_its_locks_have_ended) {
  FeedbackPeer peer(hub, shard);
  peer.credit(1000);
  for (std::size_t i = 0; i < LockingLink::kHeldMax; ++i) add_feedback(limits::kFeedbackBatchMax);
  EXPECT_EQ(peer.messages(), LockingLink::kHeldMax);
  add_feedback(limits::kFeedbackBatchMax);
  EXPECT_EQ(peer.messages(), 0u);
  hub.loop.advance(hub.settings.c2d.feedback_lock_timeout + seconds(1));
  EXPECT_GT(peer.messages(), 0u);
}

}  // namespace
}  // namespace kyanite::test
