#include "server/amqp/event_message.h"

#include <gmock/gmock.h>

#include "protocol/amqp/message.h"
#include "protocol/base/iso_time.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;

const WallTime kEventAt = *parse_iso_time("2026-01-05T10:00:00.123Z");
constexpr const char* kEventAuth =
    R"({"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null})";

TelemetryRecord event_record(std::string body = "hello") {
  TelemetryRecord record;
  record.offset.value = 4711;
  record.enqueued = kEventAt;
  record.sender = {"d1", ""};
  record.generation_id = "638000000000000000";
  record.auth_method = kEventAuth;
  record.body = std::move(body);
  return record;
}

std::string encode_event(const TelemetryRecord& record) {
  std::string out;
  append_event(out, record);
  return out;
}

amqp::Message read_event(const std::string& bytes) {
  auto message = amqp::read_message(bytes);
  EXPECT_TRUE(message) << (message ? "" : message.error().detail);
  return message ? std::move(*message) : amqp::Message{};
}

std::vector<std::string> keys(const amqp::Map& map) {
  std::vector<std::string> out;
  for (const amqp::MapEntry& entry : map.entries) {
    const auto* symbol = entry.key.as<amqp::Symbol>();
    out.push_back(symbol ? symbol->text : "string " + std::string(entry.key.text().value_or("?")));
  }
  return out;
}

amqp::Value annotation(const amqp::Map& map, std::string_view key) {
  const amqp::Value* found = map.find(key);
  return found ? *found : amqp::Value();
}

TEST(EventMessage, amqp_43_annotations_have_their_types) {
  const std::string bytes = encode_event(event_record());
  const amqp::Message message = read_event(bytes);
  const amqp::Map& map = message.message_annotations;
  EXPECT_THAT(keys(map), ElementsAre("x-opt-sequence-number", "x-opt-offset", "x-opt-enqueued-time",
                                     "iothub-connection-device-id", "iothub-connection-auth-method",
                                     "iothub-connection-auth-generation-id", "iothub-enqueuedtime",
                                     "iothub-message-source"));
  EXPECT_EQ(annotation(map, "x-opt-sequence-number"), amqp::Value(std::int64_t{4711}));
  EXPECT_EQ(annotation(map, "x-opt-offset"), amqp::Value("4711"));
  EXPECT_EQ(annotation(map, "x-opt-enqueued-time"),
            amqp::Value(amqp::Timestamp{kEventAt.time_since_epoch().count()}));
  EXPECT_EQ(annotation(map, "iothub-connection-device-id"), amqp::Value("d1"));
  EXPECT_EQ(annotation(map, "iothub-connection-auth-method"), amqp::Value(kEventAuth));
  EXPECT_EQ(annotation(map, "iothub-connection-auth-generation-id"), amqp::Value("638000000000000000"));
  EXPECT_EQ(annotation(map, "iothub-enqueuedtime"),
            amqp::Value(amqp::Timestamp{kEventAt.time_since_epoch().count()}));
  EXPECT_EQ(annotation(map, "iothub-message-source"), amqp::Value("Telemetry"));
}

TEST(EventMessage, amqp_43_modules_and_models_are_named) {
  TelemetryRecord record = event_record();
  record.sender.module = "m1";
  record.model_id = "dtmi:example:Thing;1";
  record.system = {{"dt-subject", "part"}, {"iothub-interface-id", "urn:x"}};
  const amqp::Message message = read_event(encode_event(record));
  const amqp::Map& map = message.message_annotations;
  EXPECT_EQ(annotation(map, "iothub-connection-module-id"), amqp::Value("m1"));
  EXPECT_EQ(annotation(map, "dt-dataschema"), amqp::Value("dtmi:example:Thing;1"));
  EXPECT_EQ(annotation(map, "dt-subject"), amqp::Value("part"));
  EXPECT_EQ(annotation(map, "iothub-interface-id"), amqp::Value("urn:x"));
  EXPECT_EQ(message.properties.to, "/devices/d1/modules/m1/messages/events");
}

TEST(EventMessage, amqp_43_properties_have_their_fields_and_types) {
  TelemetryRecord record = event_record();
  record.system = {{"message-id", "m-1"},
                   {"correlation-id", "c-1"},
                   {"user-id", "u-1"},
                   {"to", "/elsewhere"},
                   {"content-type", "application/json"},
                   {"content-encoding", "utf-8"},
                   {"absolute-expiry-time", "2026-01-06T10:00:00Z"},
                   {"iothub-creation-time-utc", "2026-01-05T09:59:00Z"}};
  record.application = {{"a", "1"}, {"empty", std::nullopt}};
  const std::string bytes = encode_event(record);
  const amqp::Message message = read_event(bytes);
  EXPECT_EQ(message.properties.message_id, amqp::Value("m-1"));
  EXPECT_EQ(message.properties.correlation_id, amqp::Value("c-1"));
  EXPECT_EQ(message.properties.user_id, "u-1");
  EXPECT_EQ(message.properties.to, "/elsewhere");
  EXPECT_EQ(message.properties.content_type, "application/json");
  EXPECT_EQ(message.properties.content_encoding, "utf-8");
  ASSERT_TRUE(message.properties.absolute_expiry_time);
  EXPECT_EQ(message.properties.absolute_expiry_time->ms,
            parse_iso_time("2026-01-06T10:00:00Z")->time_since_epoch().count());
  EXPECT_NE(bytes.find(std::string("\xa3\x10") + "application/json"), std::string::npos) << "a symbol";
  EXPECT_NE(bytes.find(std::string("\xa0\x03") + "u-1"), std::string::npos) << "binary";
  EXPECT_THAT(keys(message.application_properties),
              ElementsAre("string a", "string empty", "string iothub-creation-time-utc"));
  EXPECT_EQ(annotation(message.application_properties, "empty"), amqp::Value(""));
  EXPECT_EQ(annotation(message.application_properties, "iothub-creation-time-utc"),
            amqp::Value("2026-01-05T09:59:00Z"));
}

TEST(EventMessage, amqp_6_5_the_creation_time_stands_once) {
  TelemetryRecord record = event_record();
  record.system = {{"iothub-creation-time-utc", "system"}};
  record.application = {{"iothub-creation-time-utc", "own"}};
  const amqp::Message message = read_event(encode_event(record));
  ASSERT_EQ(message.application_properties.entries.size(), 1u);
  EXPECT_EQ(annotation(message.application_properties, "iothub-creation-time-utc"), amqp::Value("own"));
}

TEST(EventMessage, an_expiry_that_is_no_time_is_not_lost) {
  TelemetryRecord record = event_record();
  record.system = {{"absolute-expiry-time", "soon"}};
  const amqp::Message message = read_event(encode_event(record));
  EXPECT_FALSE(message.properties.absolute_expiry_time);
  EXPECT_EQ(annotation(message.message_annotations, "absolute-expiry-time"), amqp::Value("soon"));
}

TEST(EventMessage, amqp_43_the_body_is_one_data_section_with_the_bytes_of_the_sender) {
  std::string every;
  for (int i = 0; i < 256; ++i) every.push_back(static_cast<char>(i));
  for (const std::string& body : {std::string(), every, std::string(256 * 1024, 'x')}) {
    const std::string bytes = encode_event(event_record(body));
    const amqp::Message message = read_event(bytes);
    ASSERT_EQ(message.body_kind, amqp::BodyKind::data);
    ASSERT_EQ(message.data.size(), 1u);
    EXPECT_EQ(message.data[0], body);
  }
}

TEST(EventMessage, events_of_the_hub_have_what_their_record_has) {
  TelemetryRecord record = event_record("{}");
  record.source = MessageSource::twin_change;
  record.auth_method.clear();
  record.generation_id.clear();
  record.application = {{"opType", "updateTwin"}};
  const amqp::Message message = read_event(encode_event(record));
  EXPECT_EQ(annotation(message.message_annotations, "iothub-message-source"),
            amqp::Value("twinChangeEvents"));
  EXPECT_FALSE(message.message_annotations.find("iothub-connection-auth-method"));
  EXPECT_FALSE(message.properties.to);
  EXPECT_EQ(annotation(message.application_properties, "opType"), amqp::Value("updateTwin"));
}

TEST(EventMessage, amqp_44_runtime_metric) {
  std::string bytes;
  append_runtime_metric(bytes, {TelemetryOffset{2}, TelemetryOffset{10}, kEventAt}, kEventAt + seconds(1));
  append_event(bytes, event_record());
  const amqp::Message message = read_event(bytes);
  const amqp::Map& map = message.delivery_annotations;
  EXPECT_THAT(keys(map), ElementsAre("last_enqueued_sequence_number", "last_enqueued_offset",
                                     "last_enqueued_time_utc", "runtime_info_retrieval_time_utc"));
  EXPECT_EQ(annotation(map, "last_enqueued_sequence_number"), amqp::Value(std::int64_t{9}));
  EXPECT_EQ(annotation(map, "last_enqueued_offset"), amqp::Value("9"));
  EXPECT_EQ(annotation(map, "last_enqueued_time_utc"),
            amqp::Value(amqp::Timestamp{kEventAt.time_since_epoch().count()}));
  EXPECT_EQ(annotation(map, "runtime_info_retrieval_time_utc"),
            amqp::Value(amqp::Timestamp{(kEventAt + seconds(1)).time_since_epoch().count()}));
  EXPECT_EQ(message.data.at(0), "hello");
}

}  // namespace
}  // namespace kyanite::test
