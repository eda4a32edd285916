#include "server/hub/hub_events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/iso_time.h"
#include "protocol/twin/twin_metadata.h"
#include "server/hub/message_source.h"
#include "storage/record_codec.h"
#include "tests/support/catching_log.h"
#include "tests/support/manual_executor.h"

namespace kyanite {
namespace {

using testing::ElementsAre;

TelemetryRecord decoded(const TelemetryAppend& append) {
  return decode_telemetry(TelemetryOffset{0}, append.record).value();
}

Property property(const char* name, const char* value) { return {name, value}; }

class HubEventsTest : public testing::Test {
 protected:
  HubEventsTest() {
    settings.events.device_lifecycle = settings.events.twin_changes = settings.events.connection_state = true;
    executor.set_wall(*parse_iso_time("2026-01-05T10:00:01.123Z"));
    device.id = {"d1", ""};
    device.generation_id = "637375045610235418";
    module.id = {"d1", "m1"};
  }

  // What the turn appended, in order.
  std::vector<TelemetryRecord> appended() {
    executor.run_ready();
    std::vector<TelemetryRecord> records;
    for (const TelemetryBatch& batch : log.batches) {
      for (const TelemetryAppend& append : batch.appends) records.push_back(decoded(append));
    }
    return records;
  }

  ManualExecutor executor;
  test::CatchingLog log;
  Settings settings;
  IdentityRecord device;
  IdentityRecord module;
  HubEvents events{executor, log, settings, "hub.example.test", 7};
};

TEST_F(HubEventsTest, a_created_device_tells_its_twin) {
  const TelemetryAppend append = events.identity_created(device, TwinRecord{});
  EXPECT_EQ(append.partition, partition_of("d1", log.partitions()));
  EXPECT_FALSE(append.wants_ack);
  const TelemetryRecord record = decoded(append);
  EXPECT_EQ(record.source, MessageSource::device_lifecycle);
  EXPECT_EQ(record.sender, (Identity{"d1", ""}));
  EXPECT_EQ(record.generation_id, "");
  EXPECT_EQ(record.auth_method, "");
  EXPECT_THAT(record.application,
              ElementsAre(property("hubName", "hub.example.test"), property("deviceId", "d1"),
                          property("opType", "createDeviceIdentity"),
                          property("iothub-message-schema", "deviceLifecycleNotification"),
                          property("operationTimestamp", "2026-01-05T10:00:01.1230000Z")));
  EXPECT_EQ(record.body,
            R"({"deviceId":"d1","etag":"AAAAAAAAAAE=","version":2,)"
            R"("properties":{"desired":{"$metadata":{"$lastUpdated":"0001-01-01T00:00:00Z"},"$version":1},)"
            R"("reported":{"$metadata":{"$lastUpdated":"0001-01-01T00:00:00Z"},"$version":1}}})");
}

TEST_F(HubEventsTest, all_events_share_their_system_properties) {
  const TelemetryRecord record = decoded(events.identity_created(device, TwinRecord{}));
  ASSERT_EQ(record.system.size(), 4u);
  EXPECT_EQ(record.system[0], property("content-type", "application/json"));
  EXPECT_EQ(record.system[1], property("content-encoding", "utf-8"));
  EXPECT_EQ(record.system[2].name, "correlation-id");
  EXPECT_THAT(*record.system[2].value,
              testing::MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"));
  EXPECT_EQ(record.system[3], property("user-id", "hub.example.test"));
  const TelemetryRecord other = decoded(events.identity_created(device, TwinRecord{}));
  EXPECT_NE(other.system[2].value, record.system[2].value);
}

TEST_F(HubEventsTest, a_deleted_module_tells_what_its_twin_was) {
  TwinRecord twin;
  twin.version = 9;
  twin.etag_counter = 258;
  twin.desired_version = 4;
  twin.tags = R"({"site":"A"})";
  twin.desired = R"({"interval":30})";
  TwinMetadata metadata;
  metadata.touch({{"interval", 30}}, {*parse_iso_time("2026-01-01T00:00:00Z"), 4});
  twin.desired_metadata = metadata.encode();
  const TelemetryRecord record = decoded(events.identity_deleted(module, twin));
  EXPECT_EQ(record.sender, (Identity{"d1", "m1"}));
  EXPECT_THAT(record.application,
              ElementsAre(property("hubName", "hub.example.test"), property("deviceId", "d1"),
                          property("moduleId", "m1"), property("opType", "deleteModuleIdentity"),
                          property("iothub-message-schema", "moduleLifecycleNotification"),
                          property("operationTimestamp", "2026-01-05T10:00:01.1230000Z")));
  EXPECT_EQ(record.body,
            R"({"deviceId":"d1","moduleId":"m1","etag":"AAAAAAAAAQI=","version":9,"tags":{"site":"A"},)"
            R"("properties":{"desired":{"interval":30,"$metadata":)"
            R"({"$lastUpdated":"2026-01-01T00:00:00.0000000Z","$lastUpdatedVersion":4,"interval":)"
            R"({"$lastUpdated":"2026-01-01T00:00:00.0000000Z","$lastUpdatedVersion":4}},"$version":4},)"
            R"("reported":{"$metadata":{"$lastUpdated":"0001-01-01T00:00:00Z"},"$version":1}}})");
}

TEST_F(HubEventsTest, the_other_op_types_of_the_life_cycle) {
  EXPECT_EQ(decoded(events.identity_deleted(device, TwinRecord{})).application[2],
            property("opType", "deleteDeviceIdentity"));
  EXPECT_EQ(decoded(events.identity_created(module, TwinRecord{})).application[3],
            property("opType", "createModuleIdentity"));
}

TEST_F(HubEventsTest, a_twin_change_carries_the_body_it_was_given) {
  const Json body = {{"version", 3}, {"properties", {{"reported", {{"a", 1}, {"$version", 2}}}}}};
  const TelemetryRecord record = decoded(events.twin_changed(device, HubEvents::TwinOperation::update, body));
  EXPECT_EQ(record.source, MessageSource::twin_change);
  EXPECT_EQ(record.application[2], property("opType", "updateTwin"));
  EXPECT_EQ(record.application[3], property("iothub-message-schema", "twinChangeNotification"));
  EXPECT_EQ(record.body, R"({"version":3,"properties":{"reported":{"a":1,"$version":2}}})");
  EXPECT_EQ(decoded(events.twin_changed(module, HubEvents::TwinOperation::replace, body)).application[3],
            property("opType", "replaceTwin"));
}

TEST_F(HubEventsTest, B81_connection_events_have_rising_sequence_numbers) {
  events.connection_changed(device, true);
  events.connection_changed(device, false);
  const std::vector<TelemetryRecord> records = appended();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].source, MessageSource::connection_state);
  EXPECT_THAT(records[0].application,
              ElementsAre(property("hubName", "hub.example.test"), property("deviceId", "d1"),
                          property("opType", "deviceConnected"),
                          property("iothub-message-schema", "deviceConnectionStateNotification"),
                          property("operationTimestamp", "2026-01-05T10:00:01.1230000Z")));
  EXPECT_EQ(records[1].application[2], property("opType", "deviceDisconnected"));
  EXPECT_EQ(records[0].body,
            R"({"sequenceNumber":"0000000000000000000000000000000700000000000000000000000000000001"})");
  EXPECT_EQ(records[1].body,
            R"({"sequenceNumber":"0000000000000000000000000000000700000000000000000000000000000002"})");
}

TEST_F(HubEventsTest, sequence_numbers_grow_across_a_restart) {
  for (int i = 0; i < 20; ++i) events.connection_changed(device, true);
  HubEvents next(executor, log, settings, "hub.example.test", 8);
  executor.run_ready();
  next.connection_changed(device, true);
  const std::vector<TelemetryRecord> records = appended();
  ASSERT_EQ(records.size(), 21u);
  EXPECT_LT(records[19].body, records[20].body);
}

TEST_F(HubEventsTest, connection_events_of_one_turn_go_to_the_log_at_once) {
  events.connection_changed(device, true);
  events.connection_changed(module, true);
  EXPECT_TRUE(log.batches.empty());
  EXPECT_EQ(appended().size(), 2u);
  EXPECT_EQ(log.batches.size(), 1u);
  events.connection_changed(module, false);
  EXPECT_EQ(appended().size(), 3u);
}

TEST_F(HubEventsTest, a_source_that_is_switched_off_makes_none) {
  settings.events = {};
  events.connection_changed(device, true);
  EXPECT_TRUE(appended().empty());
  EXPECT_FALSE(events.wants_lifecycle());
  EXPECT_FALSE(events.wants_twin_changes());
}

TEST(MessageSourceNames, each_source_has_a_name_that_reads_back) {
  for (const char* name : {"Telemetry", "twinChangeEvents", "deviceLifecycleEvents",
                           "deviceConnectionStateEvents", "operationsMonitoringEvents"}) {
    ASSERT_TRUE(message_source_from_text(name)) << name;
    EXPECT_EQ(to_text(*message_source_from_text(name)), name);
  }
}

TEST(MessageSourceNames, case_is_ignored_and_telemetry_has_a_second_name) {
  EXPECT_EQ(message_source_from_text("DEVICEMESSAGES"), MessageSource::telemetry);
  EXPECT_EQ(message_source_from_text("TwinChangeEvents"), MessageSource::twin_change);
  EXPECT_EQ(message_source_from_text("moduleEvents"), std::nullopt);
  EXPECT_EQ(message_source_from_text(""), std::nullopt);
}

}  // namespace
}  // namespace kyanite
