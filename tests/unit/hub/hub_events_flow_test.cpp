#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/json_limits.h"
#include "server/hub/message_source.h"
#include "tests/support/sim_device.h"

// Events of the hub as they reach the log: with the change they tell of, and never without it.
namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string property_of(const TelemetryRecord& record, std::string_view name) {
  for (const Property& property : record.application) {
    if (property.name == name) return property.value.value_or("");
  }
  return {};
}

class HubEventsFlow : public testing::Test {
 protected:
  static SimHub::Options with(Settings::Events events) {
    SimHub::Options options;
    options.settings.events = std::move(events);
    return options;
  }
  static Settings::Events all_on() {
    Settings::Events events;
    events.device_lifecycle = events.twin_changes = events.connection_state = true;
    return events;
  }
  explicit HubEventsFlow(Settings::Events events = all_on()) : hub(with(std::move(events))) {}

  // "opType who" of every event of the source so far.
  std::vector<std::string> told(MessageSource source) {
    std::vector<std::string> lines;
    for (const TelemetryRecord& record : hub.telemetry()) {
      if (record.source != source) continue;
      std::string who = record.sender.device;
      if (record.sender.is_module()) who += "/" + record.sender.module;
      lines.push_back(property_of(record, "opType") + " " + who);
    }
    return lines;
  }
  std::vector<std::string> sequence_numbers() {
    std::vector<std::string> numbers;
    for (const TelemetryRecord& record : hub.telemetry()) {
      if (record.source != MessageSource::connection_state) continue;
      numbers.push_back((*parse_json(record.body))["sequenceNumber"].get<std::string>());
    }
    return numbers;
  }

  SimHub hub;
};

TEST_F(HubEventsFlow, routing_21_a_device_created_and_deleted_tells_both) {
  hub.add(device("d1"));
  ASSERT_TRUE(hub.erase(device("d1")));
  EXPECT_THAT(told(MessageSource::device_lifecycle),
              ElementsAre("createDeviceIdentity d1", "deleteDeviceIdentity d1"));
}

TEST_F(HubEventsFlow, modules_tell_of_themselves_and_go_with_their_device) {
  hub.add(device("d1"));
  hub.add(module("d1", "a"));
  hub.add(module("d1", "b"));
  ASSERT_TRUE(hub.erase(module("d1", "a")));
  ASSERT_TRUE(hub.erase(device("d1")));
  EXPECT_THAT(
      told(MessageSource::device_lifecycle),
      ElementsAre("createDeviceIdentity d1", "createModuleIdentity d1/a", "createModuleIdentity d1/b",
                  "deleteModuleIdentity d1/a", "deleteModuleIdentity d1/b", "deleteDeviceIdentity d1"));
}

TEST_F(HubEventsFlow, system_modules_come_and_go_with_the_edge_capability) {
  IdentityRecord record = hub.add(device("d1"));
  record.iot_edge = true;
  const Result<IdentityView> edge = hub.put(record, IfMatch{true, {}});
  ASSERT_TRUE(edge);
  record = edge->record;
  record.iot_edge = false;
  ASSERT_TRUE(hub.put(record, IfMatch{true, {}}));
  EXPECT_THAT(told(MessageSource::device_lifecycle),
              ElementsAre("createDeviceIdentity d1", "createModuleIdentity d1/$edgeAgent",
                          "createModuleIdentity d1/$edgeHub", "deleteModuleIdentity d1/$edgeHub",
                          "deleteModuleIdentity d1/$edgeAgent"));
}

TEST_F(HubEventsFlow, the_event_of_a_deletion_shows_the_patch_whose_write_was_under_way) {
  hub.add(device("d1"));
  hub.stores.faults.hold_commits = true;
  hub.router().send(PatchReported{device("d1"), *parse_json(R"({"last":1})"), std::nullopt,
                                  Reply<std::uint64_t>(hub.executor(0), [](Result<std::uint64_t>) {})});
  hub.loop.run();
  std::optional<Result<void>> erased;
  hub.registry().erase(device("d1"), IfMatch{true, {}},
                       Reply<void>(hub.executor(0), [&](Result<void> r) { erased = r; }));
  hub.loop.run();
  hub.stores.release_commits();
  hub.loop.run();
  ASSERT_TRUE(erased && *erased);
  std::string last;
  for (const TelemetryRecord& record : hub.telemetry()) {
    if (record.source == MessageSource::device_lifecycle) last = record.body;
  }
  EXPECT_EQ((*parse_json(last))["properties"]["reported"]["last"], 1) << last;
}

TEST_F(HubEventsFlow, an_update_and_a_refused_change_tell_nothing) {
  const IdentityRecord record = hub.add(device("d1"));
  ASSERT_TRUE(hub.put(record, IfMatch{true, {}}));
  EXPECT_FALSE(hub.put(wanted(device("d1"))));
  EXPECT_FALSE(hub.erase(device("d1"), IfMatch{false, {"stale"}}));
  EXPECT_FALSE(hub.erase(device("unknown")));
  EXPECT_THAT(told(MessageSource::device_lifecycle), ElementsAre("createDeviceIdentity d1"));
}

TEST_F(HubEventsFlow, an_event_is_in_the_log_exactly_when_its_change_is_committed) {
  hub.stores.faults.hold_commits = true;
  bool answered = false;
  hub.registry().put(
      wanted(device("d1")), std::nullopt,
      Reply<IdentityView>(hub.executor(0), [&](Result<IdentityView> r) { answered = bool(r); }));
  hub.loop.run();
  EXPECT_FALSE(answered);
  EXPECT_THAT(told(MessageSource::device_lifecycle), IsEmpty());
  EXPECT_TRUE(hub.stores.committed().identities.empty());
  hub.stores.release_commits();
  hub.loop.run();
  EXPECT_TRUE(answered);
  EXPECT_THAT(told(MessageSource::device_lifecycle), ElementsAre("createDeviceIdentity d1"));
  EXPECT_EQ(hub.stores.committed().identities.size(), 1u);
}

TEST_F(HubEventsFlow, a_failed_commit_leaves_neither_change_nor_event) {
  hub.stores.faults.fail_commit = hub.stores.commits() + 1;
  EXPECT_FALSE(hub.put(wanted(device("d1"))));
  EXPECT_THAT(told(MessageSource::device_lifecycle), IsEmpty());
}

TEST_F(HubEventsFlow, B81_connect_disconnect_connect_are_three_events_with_rising_numbers) {
  const IdentityRecord record = hub.add(device("d1"));
  SimDevice first(hub, record);
  first.connect();
  first.disconnect();
  SimDevice second(hub, record, 1);
  second.connect();
  EXPECT_THAT(told(MessageSource::connection_state),
              ElementsAre("deviceConnected d1", "deviceDisconnected d1", "deviceConnected d1"));
  const std::vector<std::string> numbers = sequence_numbers();
  ASSERT_EQ(numbers.size(), 3u);
  EXPECT_EQ(numbers[0].size(), 64u);
  EXPECT_LT(numbers[0], numbers[1]);
  EXPECT_LT(numbers[1], numbers[2]);
}

TEST_F(HubEventsFlow, routing_24_a_takeover_is_a_disconnect_and_then_a_connect) {
  const IdentityRecord record = hub.add(device("d1"));
  SimDevice first(hub, record, 0);
  first.connect();
  SimDevice second(hub, record, 1);
  second.connect();
  second.drop();
  EXPECT_THAT(told(MessageSource::connection_state),
              ElementsAre("deviceConnected d1", "deviceDisconnected d1", "deviceConnected d1",
                          "deviceDisconnected d1"));
}

TEST_F(HubEventsFlow, a_connected_module_that_is_deleted_is_told_to_be_gone) {
  hub.add(device("d1"));
  const IdentityRecord record = hub.add(module("d1", "m"));
  SimDevice client(hub, record);
  client.connect();
  ASSERT_TRUE(hub.erase(module("d1", "m")));
  EXPECT_THAT(told(MessageSource::connection_state),
              ElementsAre("deviceConnected d1/m", "deviceDisconnected d1/m"));
}

TEST_F(HubEventsFlow, a_refused_connect_is_no_connection) {
  const IdentityRecord record = hub.add(device("d1"));
  ConnectOptions options;
  options.password = "SharedAccessSignature nonsense";
  SimDevice::try_connect(hub, record, options);
  EXPECT_THAT(told(MessageSource::connection_state), IsEmpty());
}

struct SwitchedOff : HubEventsFlow {
  SwitchedOff() : HubEventsFlow(Settings::Events{}) {}
};
TEST_F(SwitchedOff, by_default_the_log_holds_telemetry_alone) {
  const IdentityRecord record = hub.add(device("d1"));
  SimDevice client(hub, record);
  client.connect();
  client.telemetry("", "x");
  client.disconnect();
  ASSERT_TRUE(hub.erase(device("d1")));
  const std::vector<TelemetryRecord> log = hub.telemetry();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log[0].source, MessageSource::telemetry);
}

}  // namespace
}  // namespace kyanite::test
