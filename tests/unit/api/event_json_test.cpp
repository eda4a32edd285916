#include "server/api/event_json.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>

#include "protocol/base/iso_time.h"
#include "protocol/base/json_limits.h"

namespace kyanite {
namespace {

// Of this thread, whatever else the machine does meanwhile.
std::chrono::nanoseconds processor_time() {
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return std::chrono::seconds(spent.tv_sec) + std::chrono::nanoseconds(spent.tv_nsec);
}

TelemetryRecord sample() {
  TelemetryRecord record;
  record.offset = {7};
  record.enqueued = *parse_iso_time("2026-01-05T10:00:01Z");
  record.sender = {"d1", ""};
  record.generation_id = "637375045610235418";
  record.auth_method = R"({"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})";
  record.system = {{"message-id", "m1"}, {"content-type", "text/plain"}};
  record.application = {{"level", "high"}, {"flag", std::nullopt}};
  record.body = "{id=123}";
  return record;
}

TEST(EventJson, an_event_has_all_its_members_in_order) {
  EXPECT_EQ(
      event_to_json(sample(), {2}),
      R"({"deviceId":"d1","moduleId":null,"partition":2,"offset":7,"sequenceNumber":7,)"
      R"("enqueuedTime":"2026-01-05T10:00:01.0000000Z","systemProperties":{"message-id":"m1",)"
      R"("content-type":"text/plain","iothub-connection-device-id":"d1","iothub-connection-auth-method":)"
      R"("{\"scope\":\"device\",\"type\":\"sas\",\"issuer\":\"iothub\",\"acceptingIpFilterRule\":null}",)"
      R"("iothub-connection-auth-generation-id":"637375045610235418",)"
      R"("iothub-enqueuedtime":"2026-01-05T10:00:01.0000000Z","iothub-message-source":"Telemetry"},)"
      R"("properties":{"level":"high","flag":null},"body":"{id=123}"})");
}

TEST(EventJson, a_module_and_a_model_are_stamped) {
  TelemetryRecord record = sample();
  record.sender.module = "m";
  record.model_id = "dtmi:x;1";
  const Json json = *parse_json(event_to_json(record, {0}));
  EXPECT_EQ(json["moduleId"], "m");
  EXPECT_EQ(json["systemProperties"]["iothub-connection-module-id"], "m");
  EXPECT_EQ(json["systemProperties"]["dt-dataschema"], "dtmi:x;1");
}

TEST(EventJson, a_body_that_is_not_utf8_is_base64) {
  TelemetryRecord record = sample();
  record.body = std::string("\xff\x00\x01", 3);
  const Json json = *parse_json(event_to_json(record, {0}));
  EXPECT_EQ(json["bodyEncoding"], "base64");
  EXPECT_EQ(json["body"], "/wAB");
  record.body = "gr\xc3\xbc\xc3\x9f \n\"";
  const Json text = *parse_json(event_to_json(record, {0}));
  EXPECT_FALSE(text.contains("bodyEncoding"));
  EXPECT_EQ(text["body"], record.body);
}

TEST(EventJson, an_event_of_the_hub_names_its_source_and_no_credential) {
  TelemetryRecord record = sample();
  record.source = MessageSource::twin_change;
  record.generation_id.clear();
  record.auth_method.clear();
  const Json json = *parse_json(event_to_json(record, {0}));
  EXPECT_EQ(json["systemProperties"]["iothub-message-source"], "twinChangeEvents");
  EXPECT_EQ(json["systemProperties"]["iothub-connection-device-id"], "d1");
  EXPECT_FALSE(json["systemProperties"].contains("iothub-connection-auth-method"));
  EXPECT_FALSE(json["systemProperties"].contains("iothub-connection-auth-generation-id"));
  EXPECT_TRUE(frame_event(record, {2}, EventFormat::server_sent_events)
                  .starts_with("id: 2/7\nevent: twinChangeEvents\ndata: "));
}

TEST(EventJson, properties_of_the_device_never_replace_those_of_the_hub) {
  TelemetryRecord record = sample();
  record.system.push_back({"iothub-connection-device-id", "evil"});
  record.application.push_back({"iothub-connection-device-id", "evil"});
  const Json json = *parse_json(event_to_json(record, {0}));
  EXPECT_EQ(json["systemProperties"]["iothub-connection-device-id"], "d1");
  EXPECT_EQ(json["properties"]["iothub-connection-device-id"], "evil");
}

TEST(EventJson, property_names_of_any_bytes_make_valid_json) {
  TelemetryRecord record = sample();
  record.application.push_back({"\xff\n\"", "\xfe"});
  EXPECT_TRUE(parse_json(event_to_json(record, {0})));
}

// A topic has room for so many; comparing each name with all before it took the shard for seconds.
TEST(EventJson, many_properties_cost_no_more_than_their_number) {
  TelemetryRecord record = sample();
  for (int i = 0; i < 20'000; ++i) record.application.push_back({std::to_string(10'000 + i), std::nullopt});
  const auto before = processor_time();
  const std::string json = event_to_json(record, {0});
  EXPECT_LT(processor_time() - before, std::chrono::seconds(2));
  EXPECT_NE(json.find(R"("10000":null,"10001":null,)"), std::string::npos);
}

TEST(EventJson, a_frame_is_one_line_or_one_server_sent_event) {
  TelemetryRecord record = sample();
  record.body = "a\nb";
  const std::string line = frame_event(record, {2}, EventFormat::json_lines);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  const std::string event = frame_event(record, {2}, EventFormat::server_sent_events);
  EXPECT_TRUE(event.starts_with("id: 2/7\nevent: telemetry\ndata: {\"deviceId\""));
  EXPECT_TRUE(event.ends_with("}\n\n"));
  EXPECT_EQ(std::count(event.begin(), event.end(), '\n'), 4);
}

}  // namespace
}  // namespace kyanite
