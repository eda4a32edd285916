#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/hub/sessions.h"
#include "tests/support/sim_hub.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::string kC2dFilter = "devices/d/messages/devicebound/#";
const std::string kTwinFilter = "$iothub/twin/res/#";

GrantedFilter c2d_filter(std::uint8_t qos = 1) { return {kC2dFilter, FilterKind::c2d, qos, kNever}; }
GrantedFilter twin_filter() { return {kTwinFilter, FilterKind::twin_responses, 0, kNever}; }

TEST(Sessions, repeating_a_filter_keeps_its_creation_time_and_takes_the_new_qos) {
  const WallTime first{seconds{100}};
  const auto once = add_filters({}, {c2d_filter(0)}, first);
  const auto twice = add_filters(once, {c2d_filter(1), twin_filter()}, first + seconds{60});
  ASSERT_EQ(twice.size(), 2u);
  EXPECT_EQ(twice[0].created, first);
  EXPECT_EQ(twice[0].qos, 1);
  EXPECT_EQ(twice[1].created, first + seconds{60});
}

TEST(Sessions, removing_an_unknown_filter_changes_nothing) {
  const auto filters = add_filters({}, {c2d_filter(), twin_filter()}, kNever);
  EXPECT_EQ(remove_filters(filters, {"unknown/#"}), filters);
  EXPECT_THAT(remove_filters(filters, {kC2dFilter}), ElementsAre(twin_filter()));
}

TEST(Sessions, the_stored_form_comes_back_as_it_was) {
  const Identity id = device("d");
  const auto filters = add_filters({}, {c2d_filter(), twin_filter()}, WallTime(seconds{7}));
  Sessions sessions;
  sessions.load({Sessions::store_form(id, filters)});
  EXPECT_TRUE(sessions.has_stored(""));
  EXPECT_EQ(sessions.stored(id), filters);
  sessions.replace("", {});
  EXPECT_FALSE(sessions.has_stored(""));
}

// The owner's side of connections, without MQTT: messages to it and what they answer.
class DeviceSessionTest : public testing::Test {
 protected:
  DeviceSessionTest() { record = hub.add(device("d")); }

  Result<Attachment> attach(bool clean, const Identity& id = device("d")) {
    return hub.ask<Attachment>([&](Reply<Attachment> reply) {
      Attach message;
      message.connection = ref = ConnectionRef{ShardIndex{0}, 4711, ++generation};
      message.identity = id;
      message.credentials.sas_token = hub.token_of(record);
      message.clean_session = clean;
      message.reply = std::move(reply);
      hub.router().send(std::move(message));
    });
  }
  void detach(const Attachment& attachment) {
    hub.router().send(Detached{ref, device("d"), attachment.epoch});
    hub.loop.run();
  }
  Result<void> subscribe(const Attachment& attachment, std::vector<GrantedFilter> filters) {
    return hub.ask<void>([&](Reply<void> reply) {
      hub.router().send(Subscribe{device("d"), attachment.epoch, std::move(filters), std::move(reply)});
    });
  }
  Result<void> unsubscribe(const Attachment& attachment, std::vector<std::string> filters) {
    return hub.ask<void>([&](Reply<void> reply) {
      hub.router().send(Unsubscribe{device("d"), attachment.epoch, std::move(filters), std::move(reply)});
    });
  }
  std::vector<std::string> stored() const {
    std::vector<std::string> filters;
    const auto& sessions = hub.stores.committed().sessions;
    const auto session = sessions.find(device("d"));
    if (session == sessions.end()) return filters;
    for (const StoredSubscription& s : session->second.subscriptions) filters.push_back(s.filter);
    return filters;
  }

  SimHub hub;
  IdentityRecord record;
  ConnectionRef ref;
  std::uint32_t generation = 0;
};

TEST_F(DeviceSessionTest, B35_subscriptions_of_a_kept_session_are_there_at_the_next_connect) {
  const auto first = attach(false);
  ASSERT_TRUE(first);
  EXPECT_FALSE(first->session_present);
  ASSERT_TRUE(subscribe(*first, {twin_filter(), c2d_filter()}));
  EXPECT_THAT(stored(), ElementsAre(kTwinFilter, kC2dFilter));
  detach(*first);
  const auto second = attach(false);
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->session_present);
  ASSERT_EQ(second->filters.size(), 2u);
  EXPECT_EQ(second->filters[0].filter, kTwinFilter);
  EXPECT_EQ(second->filters[1].kind, FilterKind::c2d);
}

TEST_F(DeviceSessionTest, B36_a_connection_without_a_session_ends_the_stored_one) {
  const auto first = attach(false);
  ASSERT_TRUE(subscribe(*first, {twin_filter()}));
  detach(*first);
  const auto second = attach(true);
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->session_present);
  EXPECT_THAT(second->filters, IsEmpty());
  EXPECT_THAT(stored(), IsEmpty());
  ASSERT_TRUE(subscribe(*second, {c2d_filter()}));
  EXPECT_THAT(stored(), IsEmpty());
  detach(*second);
  EXPECT_FALSE(attach(false)->session_present);
}

TEST_F(DeviceSessionTest, a_policy_that_an_adapter_proved_opens_identities_with_keys_alone) {
  const auto attach_by_policy = [this](const Identity& id) {
    return hub.ask<Attachment>([&](Reply<Attachment> reply) {
      Attach message;
      message.connection = ConnectionRef{ShardIndex{0}, 4711, ++generation};
      message.identity = id;
      message.over_amqp = true;
      message.proven_until = hub.loop.wall_now() + seconds(3600);
      message.reply = std::move(reply);
      hub.router().send(std::move(message));
    });
  };
  IdentityRecord by_certificate;
  by_certificate.id = device("x");
  by_certificate.auth_type = AuthenticationType::certificate_authority;
  ASSERT_TRUE(hub.put(by_certificate));
  EXPECT_EQ(attach_by_policy(device("x")).error().code, Errc::unauthorized);
  const auto attached = attach_by_policy(device("d"));
  ASSERT_TRUE(attached);
  EXPECT_EQ(attached->scope, AuthScope::hub);
}

TEST_F(DeviceSessionTest, a_subscription_is_answered_after_its_commit) {
  const auto attachment = attach(false);
  hub.stores.faults.hold_commits = true;
  bool answered = false;
  hub.router().send(Subscribe{
      device("d"), attachment->epoch, {twin_filter()}, Reply<void>(hub.executor(0), [&](Result<void> r) {
        answered = r.has_value();
      })});
  hub.loop.run();
  EXPECT_FALSE(answered);
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_TRUE(answered);
}

TEST_F(DeviceSessionTest, B53_a_subscription_whose_connection_ended_meanwhile_still_drops_older_messages) {
  const auto send = [this](const std::string& id) {
    return hub.ask<void>([&](Reply<void> reply) {
      SendC2d message;
      message.message.device = "d";
      message.message.header.message_id = id;
      message.message.header.ack = AckRequest::full;
      message.reply = std::move(reply);
      hub.router().send(std::move(message));
    });
  };
  const auto left = [this] {
    std::vector<std::string> ids;
    const auto queue = hub.stores.committed().c2d.find("d");
    if (queue == hub.stores.committed().c2d.end()) return ids;
    for (const auto& [sequence, kept] : queue->second.messages) ids.push_back(kept.header.message_id);
    return ids;
  };
  ASSERT_TRUE(send("older"));
  hub.loop.advance(seconds{1});
  const auto first = attach(false);
  hub.stores.faults.hold_commits = true;
  hub.router().send(Subscribe{
      device("d"), first->epoch, {c2d_filter()}, Reply<void>(hub.executor(0), [](Result<void>) {})});
  hub.loop.run();
  detach(*first);
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_THAT(left(), IsEmpty());
  ASSERT_EQ(hub.stores.committed().feedback.size(), 1u);
  EXPECT_EQ(hub.stores.committed().feedback.begin()->second.status, FeedbackStatus::purged);
  // What is sent from now on waits for the device.
  hub.loop.advance(seconds{1});
  ASSERT_TRUE(send("newer"));
  EXPECT_TRUE(attach(false)->session_present);
  EXPECT_THAT(left(), ElementsAre("newer"));
}

TEST_F(DeviceSessionTest, a_refused_write_leaves_the_session_as_it_was) {
  const auto attachment = attach(false);
  ASSERT_TRUE(subscribe(*attachment, {twin_filter()}));
  hub.stores.set_pressure(StorePressure::queue_full);
  EXPECT_EQ(subscribe(*attachment, {c2d_filter()}).error().code, Errc::busy);
  hub.stores.set_pressure(StorePressure::none);
  EXPECT_THAT(stored(), ElementsAre(kTwinFilter));
  detach(*attachment);
  EXPECT_EQ(attach(false)->filters.size(), 1u);
}

TEST_F(DeviceSessionTest, unsubscribing_the_last_filter_ends_the_session) {
  const auto attachment = attach(false);
  ASSERT_TRUE(subscribe(*attachment, {twin_filter()}));
  ASSERT_TRUE(unsubscribe(*attachment, {kTwinFilter, "unknown/#"}));
  EXPECT_THAT(stored(), IsEmpty());
  detach(*attachment);
  EXPECT_FALSE(attach(false)->session_present);
}

TEST_F(DeviceSessionTest, a_superseded_connection_changes_nothing) {
  const auto first = attach(false);
  bool second_answered = false;  // it waits for the first to say that it ended
  Attach message;
  message.connection = ConnectionRef{ShardIndex{0}, 4712, 1};
  message.identity = device("d");
  message.credentials.sas_token = hub.token_of(record);
  message.reply = Reply<Attachment>(hub.executor(0), [&](Result<Attachment>) { second_answered = true; });
  hub.router().send(std::move(message));
  hub.loop.run();
  EXPECT_FALSE(second_answered);
  EXPECT_EQ(subscribe(*first, {twin_filter()}).error().code, Errc::shutting_down);
  EXPECT_THAT(stored(), IsEmpty());
  detach(*first);
  EXPECT_TRUE(second_answered);
}

TEST_F(DeviceSessionTest, deleting_the_device_ends_its_session) {
  const auto attachment = attach(false);
  ASSERT_TRUE(subscribe(*attachment, {twin_filter()}));
  ASSERT_TRUE(hub.erase(device("d")));
  EXPECT_THAT(stored(), IsEmpty());
  record = hub.add(device("d"));
  EXPECT_FALSE(attach(false)->session_present);
}

}  // namespace
}  // namespace kyanite::test
