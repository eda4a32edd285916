#include "server/hub/operations_monitor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/iso_time.h"
#include "protocol/base/json_limits.h"
#include "protocol/base/limits.h"
#include "server/hub/connection_log.h"
#include "storage/record_codec.h"
#include "tests/support/catching_log.h"
#include "tests/support/manual_executor.h"
#include "tests/support/sim_device.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;

constexpr std::string_view kDeviceSas =
    R"("authType":"{\"scope\":\"device\",\"type\":\"sas\",\"issuer\":\"iothub\"}")";

// The monitor alone, fed by hand.
class OperationsMonitorTest : public testing::Test {
 protected:
  explicit OperationsMonitorTest(OperationsLevel level = OperationsLevel::information)
      : OperationsMonitorTest(only_connections(level)) {}
  explicit OperationsMonitorTest(const Settings::Events& events)
      : monitor(behind, executor, log, events, "hub.example.test") {
    executor.set_wall(*parse_iso_time("2026-01-05T10:00:01.123Z"));
  }
  static Settings::Events only_connections(OperationsLevel level) {
    Settings::Events events;
    events.connections = level;
    return events;
  }
  static Settings::Events only_telemetry() {
    Settings::Events events;
    events.device_telemetry = OperationsLevel::error;
    return events;
  }
  ConnectionFacts facts(const Identity& identity) {
    ConnectionFacts made{{}, identity, "sdk/1", {}, "192.0.2.7", "TLSv1.3"};
    made.connect_took = milliseconds(12);
    return made;
  }
  std::vector<TelemetryRecord> records() {
    executor.run_ready();
    std::vector<TelemetryRecord> all;
    for (const TelemetryBatch& batch : log.batches) {
      for (const TelemetryAppend& append : batch.appends) {
        all.push_back(decode_telemetry(TelemetryOffset{0}, append.record).value());
      }
    }
    return all;
  }
  std::vector<std::string> bodies() {
    std::vector<std::string> all;
    for (const TelemetryRecord& record : records()) all.push_back(record.body);
    return all;
  }

  ManualExecutor executor;
  CatchingLog log;
  RecordingObserver behind;
  OperationsMonitor monitor;
  const Identity d1{"d1", ""};
};

TEST_F(OperationsMonitorTest, an_accepted_connect_is_information) {
  monitor.on_connected(facts(d1));
  EXPECT_THAT(bodies(), ElementsAre(R"({"durationMs":12,)" + std::string(kDeviceSas) +
                                    R"(,"protocol":"Mqtt","time":"2026-01-05T10:00:01.1230000Z",)"
                                    R"("operationName":"deviceConnect","category":"Connections",)"
                                    R"("level":"Information","deviceId":"d1"})"));
  EXPECT_EQ(records().front().source, MessageSource::operations_monitoring);
  EXPECT_EQ(records().front().sender, d1);
  EXPECT_THAT(behind.take(), ElementsAre("connected d1"));
}

TEST_F(OperationsMonitorTest, a_refused_connect_is_an_error_with_its_status) {
  monitor.on_refused(facts(d1), Error(Errc::unauthorized, "wrong signature"));
  EXPECT_THAT(bodies(),
              ElementsAre(R"({"durationMs":12,)" + std::string(kDeviceSas) +
                          R"(,"protocol":"Mqtt","time":"2026-01-05T10:00:01.1230000Z",)"
                          R"("operationName":"deviceConnect","category":"Connections","level":"Error",)"
                          R"("statusCode":401,"statusType":401003,)"
                          R"("statusDescription":"IotHubUnauthorized: wrong signature","deviceId":"d1"})"));
}

TEST_F(OperationsMonitorTest, an_end_tells_how_long_the_connection_lasted) {
  const Identity m{"d1", "m"};
  ConnectionFacts connection = facts(m);
  connection.scope = AuthScope::module;
  connection.kind = AuthKind::x509;
  monitor.on_disconnected(connection, EndReason::device_disconnected, "", milliseconds(1234));
  monitor.on_disconnected(connection, EndReason::takeover, "", milliseconds(1));
  const std::vector<std::string> all = bodies();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(
      all[0],
      R"({"durationMs":1234,"authType":"{\"scope\":\"module\",\"type\":\"x509\",\"issuer\":\"iothub\"}",)"
      R"("protocol":"Mqtt","time":"2026-01-05T10:00:01.1230000Z","operationName":"deviceDisconnect",)"
      R"("category":"Connections","level":"Information","deviceId":"d1","moduleId":"m"})");
  const Json taken_over = *parse_json(all[1]);
  EXPECT_EQ(taken_over["level"], "Error");
  EXPECT_EQ(taken_over["statusType"], 400027);
}

struct ErrorsOnly : OperationsMonitorTest {
  ErrorsOnly() : OperationsMonitorTest(OperationsLevel::error) {}
};
TEST_F(ErrorsOnly, at_level_error_orderly_operations_are_not_recorded) {
  monitor.on_connected(facts(d1));
  monitor.on_disconnected(facts(d1), EndReason::device_disconnected, "", milliseconds(1));
  monitor.on_disconnected(facts(d1), EndReason::link_lost, "reset", milliseconds(1));
  const std::vector<std::string> all = bodies();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ((*parse_json(all[0]))["statusDescription"], "DeviceConnectionClosedRemotely: reset");
  EXPECT_EQ((*parse_json(all[0]))["statusType"], 404104);
}

TEST_F(OperationsMonitorTest, a_claimed_id_is_made_into_one_that_could_be) {
  const Identity strange{std::string("a\n\xff b/") + std::string(300, 'm'), ""};
  monitor.on_refused(facts(strange), Error(Errc::unauthorized));
  const TelemetryRecord record = records().front();
  EXPECT_EQ(record.sender.device, "a___b");
  EXPECT_EQ(record.sender.module, std::string(limits::kIdBytesMax, 'm'));
}

TEST_F(OperationsMonitorTest, a_claim_that_begins_with_a_slash_is_still_a_device_id) {
  monitor.on_refused(facts({"/m1", ""}), Error(Errc::unauthorized));
  EXPECT_EQ(records().front().sender, (Identity{"_m1", ""}));
}

TEST_F(OperationsMonitorTest, who_claims_nothing_is_not_recorded) {
  monitor.on_refused(facts({}), Error(Errc::protocol_violation));
  EXPECT_TRUE(records().empty());
  EXPECT_EQ(behind.take().size(), 1u);
}

TEST_F(OperationsMonitorTest, a_flood_of_refusals_is_cut_and_counted) {
  for (std::size_t i = 0; i < limits::kRefusalRecordsPerSecond + 7; ++i) {
    monitor.on_refused(facts(d1), Error(Errc::unauthorized));
  }
  monitor.on_connected(facts(d1));  // proved itself: always recorded
  EXPECT_EQ(records().size(), limits::kRefusalRecordsPerSecond + 1);
  behind.take();
  executor.advance(seconds(1));
  EXPECT_THAT(behind.take(), ElementsAre("unrecorded 7"));
  monitor.on_refused(facts(d1), Error(Errc::unauthorized));
  EXPECT_EQ(records().size(), limits::kRefusalRecordsPerSecond + 2);
}

struct TelemetryErrors : OperationsMonitorTest {
  TelemetryErrors() : OperationsMonitorTest(only_telemetry()) {}
};
TEST_F(TelemetryErrors, a_message_that_was_not_taken_is_an_error_of_its_own_category) {
  monitor.on_connected(facts(d1));
  monitor.on_refused(facts(d1), Error(Errc::unauthorized));
  monitor.on_disconnected(facts(d1), EndReason::message_too_large, "", milliseconds(1));
  EXPECT_TRUE(records().empty());
  monitor.on_telemetry_refused(facts(d1), Error(Errc::message_too_large), 262'145);
  const std::vector<std::string> all = bodies();
  ASSERT_EQ(all.size(), 1u);
  const Json record = *parse_json(all[0]);
  EXPECT_EQ(record["category"], "DeviceTelemetry");
  EXPECT_EQ(record["operationName"], "ingress");
  EXPECT_EQ(record["level"], "Error");
  EXPECT_EQ(record["statusCode"], 413);
  EXPECT_EQ(record["statusType"], 413001);
  EXPECT_EQ(record["messageSizeInBytes"], 262'145);
  EXPECT_EQ(record["batching"], 0);
  EXPECT_EQ(record["deviceId"], "d1");
  for (const char* time : {"time", "EventProcessedUtcTime", "EventEnqueuedUtcTime"}) {
    EXPECT_EQ(record[time], "2026-01-05T10:00:01.1230000Z") << time;
  }
  EXPECT_TRUE(record["PartitionId"].is_number_unsigned());
}

TEST_F(OperationsMonitorTest, telemetry_is_not_monitored_unless_it_is_asked_for) {
  monitor.on_telemetry_refused(facts(d1), Error(Errc::message_too_large), 262'145);
  EXPECT_TRUE(records().empty());
  EXPECT_EQ(behind.take().size(), 1u);
}

// The whole way.
TEST(OperationsMonitoring, B80_connect_refuse_and_disconnect_leave_their_records) {
  SimHub::Options options;
  options.settings.events.connections = OperationsLevel::information;
  SimHub hub(options);
  const IdentityRecord record = hub.add(device("d1"));
  SimDevice client(hub, record);
  client.connect();
  client.disconnect();
  ConnectOptions wrong;
  wrong.password = "SharedAccessSignature sr=x&sig=y&se=1";
  SimDevice::try_connect(hub, record, wrong);
  std::vector<std::string> told;
  for (const TelemetryRecord& entry : hub.telemetry()) {
    const Json body = *parse_json(entry.body);
    std::string line = body["operationName"].get<std::string>() + " " + body["level"].get<std::string>();
    if (body.contains("statusType")) line += " " + body["statusType"].dump();
    told.push_back(line);
  }
  EXPECT_THAT(told, ElementsAre("deviceConnect Information", "deviceDisconnect Information",
                                "deviceConnect Error 401003"));
}

TEST(ConnectionLog, properties_are_those_of_the_service_with_the_address_masked) {
  const Identity id{"d1", "m"};
  ConnectionFacts connection{{}, id, "iothub-client/1.2", {}, "192.0.2.7", "TLSv1.3"};
  connection.scope = AuthScope::module;
  EXPECT_EQ(connection_properties(connection),
            R"({"deviceId":"d1","moduleId":"m","protocol":"Mqtt",)"
            R"("authType":"{\"scope\":\"module\",\"type\":\"sas\",\"issuer\":\"iothub\"}",)"
            R"("maskedIpAddress":"192.0.2.XXX","sdkVersion":"iothub-client/1.2"})");
}

TEST(ConnectionLog, the_last_part_of_an_address_is_hidden) {
  EXPECT_EQ(masked_address("2001:db8::7"), "2001:db8::XXX");
  EXPECT_EQ(masked_address("::ffff:192.0.2.7"), "::ffff:192.0.2.XXX");
  EXPECT_EQ(masked_address("here"), "XXX");
  EXPECT_EQ(masked_address(""), "");
}

}  // namespace
}  // namespace kyanite::test
