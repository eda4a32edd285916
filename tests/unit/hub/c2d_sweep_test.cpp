#include "server/hub/c2d_sweep.h"

#include <gtest/gtest.h>

#include "server/hub/c2d_message.h"
#include "tests/support/sim_hub.h"

namespace kyanite::test {
namespace {

class C2dSweepTest : public testing::Test {
 protected:
  Result<void> send(const std::string& to, const std::string& body, seconds lifetime) {
    C2dMessage message;
    message.device = to;
    message.header.message_id = body;
    message.header.ack = AckRequest::full;
    message.header.explicit_expiry = true;
    message.header.expiry = hub.loop.wall_now() + lifetime;
    message.body = body;
    EXPECT_TRUE(check_c2d_message(message));
    return hub.ask<void>([&](Reply<void> reply) {
      hub.router().send(SendC2d{std::move(message), std::move(reply)});
    });
  }
  std::size_t queued() {
    std::size_t sum = 0;
    for (const auto& [name, queue] : hub.stores.committed().c2d) sum += queue.messages.size();
    return sum;
  }
  SimHub hub;
};

TEST_F(C2dSweepTest, B59_messages_of_offline_devices_expire) {
  for (const char* name : {"d1", "d2", "d3"}) {
    hub.add(device(name));
    ASSERT_TRUE(send(name, std::string("short-") + name, seconds{60}));
    ASSERT_TRUE(send(name, std::string("long-") + name, seconds{600}));
  }
  EXPECT_EQ(queued(), 6u);
  hub.loop.advance(seconds{55});
  EXPECT_EQ(queued(), 6u);
  hub.loop.advance(seconds{10});
  EXPECT_EQ(queued(), 3u);
  EXPECT_EQ(hub.stores.committed().feedback.size(), 3u);
  EXPECT_EQ(hub.stores.committed().feedback.begin()->second.status, FeedbackStatus::expired);
}

TEST_F(C2dSweepTest, the_queue_counts_in_the_registry) {
  hub.add(device("d1"));
  ASSERT_TRUE(send("d1", "a", seconds{60}));
  EXPECT_EQ(hub.get(device("d1"))->c2d_messages, 1u);
}

TEST_F(C2dSweepTest, a_disabled_device_takes_no_message_and_keeps_its_queue) {
  IdentityRecord record = hub.add(device("d1"));
  ASSERT_TRUE(send("d1", "a", seconds{600}));
  record.status = IdentityStatus::disabled;
  ASSERT_TRUE(hub.put(record, IfMatch{true, {}}));
  EXPECT_EQ(send("d1", "b", seconds{600}).error().code, Errc::device_not_found);
  EXPECT_EQ(queued(), 1u);
  record.status = IdentityStatus::enabled;
  ASSERT_TRUE(hub.put(record, IfMatch{true, {}}));
  EXPECT_TRUE(send("d1", "b", seconds{600}));
}

TEST_F(C2dSweepTest, a_deleted_device_takes_its_queue_along) {
  hub.add(device("d1"));
  ASSERT_TRUE(send("d1", "a", seconds{600}));
  ASSERT_TRUE(hub.erase(device("d1")));
  EXPECT_EQ(queued(), 0u);
  EXPECT_EQ(send("d1", "b", seconds{600}).error().code, Errc::device_not_found);
  hub.add(device("d1"));
  ASSERT_TRUE(send("d1", "c", seconds{600}));
  EXPECT_EQ(queued(), 1u);
}

}  // namespace
}  // namespace kyanite::test
