#include "server/amqp/telemetry_conversion.h"

#include <gmock/gmock.h>

#include "protocol/base/limits.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

std::string plain(std::string_view body) {
  std::string out;
  amqp::append_data(out, body);
  return out;
}

Errc error_of(std::uint32_t format, std::string_view payload) {
  const auto items = read_telemetry(format, payload);
  return items ? Errc::internal : items.error().code;
}

TEST(ReadTelemetry, properties_are_those_that_other_protocols_give) {
  std::string bytes;
  amqp::Map annotations;
  annotations.entries = {{amqp::Symbol{"iothub-interface-id"}, "if"},
                         {amqp::Symbol{"dt-subject"}, "thermostat1"},
                         {amqp::Symbol{"Diagnostic-Id"}, "trace"},
                         {amqp::Symbol{"Correlation-Context"}, "creationtime=1"},
                         {amqp::Symbol{"x-other"}, "no"}};
  amqp::append_message_annotations(bytes, annotations);
  amqp::Properties properties;
  properties.message_id = "m1";
  properties.correlation_id = std::uint64_t{5};
  properties.user_id = "u";
  properties.to = "/devices/d1/messages/events";
  properties.content_type = "application/json";
  properties.content_encoding = "utf-8";
  properties.absolute_expiry_time = amqp::Timestamp{1'767'607'200'123};
  amqp::append_properties(bytes, properties);
  amqp::Map application;
  application.entries = {{"a", "1"},
                         {"n", std::int64_t{-3}},
                         {"A", "2"},
                         {"nothing", amqp::Value()},
                         {"iothub-creation-time-utc", "2026-01-05T10:00:00Z"},
                         {"iothub-outputname", "out"},
                         {"iothub-ack", "full"}};
  amqp::append_application_properties(bytes, application);
  amqp::append_data(bytes, "{}");

  const auto items = read_telemetry(amqp::kFormatStandard, bytes);
  ASSERT_TRUE(items);
  ASSERT_EQ(items->size(), 1u);
  const TelemetryItem& item = items->front();
  EXPECT_EQ(item.body, "{}");
  EXPECT_THAT(item.properties.application,
              ElementsAre(Property{"A", "2"}, Property{"n", "-3"}, Property{"nothing", std::nullopt}));
  EXPECT_THAT(
      item.properties.system,
      UnorderedElementsAre(
          Property{"message-id", "m1"}, Property{"correlation-id", "5"}, Property{"user-id", "u"},
          Property{"to", "/devices/d1/messages/events"}, Property{"content-type", "application/json"},
          Property{"content-encoding", "utf-8"},
          Property{"absolute-expiry-time", "2026-01-05T10:00:00.1230000Z"},
          Property{"iothub-creation-time-utc", "2026-01-05T10:00:00Z"}, Property{"iothub-outputname", "out"},
          Property{"iothub-interface-id", "if"}, Property{"dt-subject", "thermostat1"},
          Property{"iothub-diag-id", "trace"}, Property{"diag-correlation-context", "creationtime=1"}));
  EXPECT_EQ(item.properties.size_bytes, counted_property_bytes(item.properties));
}

TEST(ReadTelemetry, A46_a_batch_is_its_messages) {
  std::string first;
  amqp::Map application;
  application.entries = {{"p", "1"}};
  amqp::append_application_properties(first, application);
  amqp::append_data(first, "one");
  std::string batch;
  amqp::append_data(batch, first);
  amqp::append_data(batch, plain("two"));
  const auto items = read_telemetry(amqp::kFormatBatch, batch);
  ASSERT_TRUE(items);
  ASSERT_EQ(items->size(), 2u);
  EXPECT_EQ((*items)[0].body, "one");
  EXPECT_THAT((*items)[0].properties.application, ElementsAre(Property{"p", "1"}));
  EXPECT_EQ((*items)[1].body, "two");
  EXPECT_EQ(read_telemetry(amqp::kFormatStandard, batch)->size(), 1u);
}

TEST(ReadTelemetry, a_batch_with_one_bad_message_is_refused_as_a_whole) {
  std::string batch;
  amqp::append_data(batch, plain("one"));
  amqp::append_data(batch, "no message");
  EXPECT_EQ(error_of(amqp::kFormatBatch, batch), Errc::malformed_packet);
  EXPECT_EQ(error_of(amqp::kFormatBatch, ""), Errc::malformed_packet);
}

TEST(ReadTelemetry, A47_more_than_256_KiB_is_refused) {
  EXPECT_TRUE(read_telemetry(amqp::kFormatStandard, plain(std::string(limits::kTelemetryBytesMax, 'x'))));
  EXPECT_EQ(error_of(amqp::kFormatStandard, plain(std::string(limits::kTelemetryBytesMax + 1, 'x'))),
            Errc::message_too_large);
  std::string batch;
  for (int i = 0; i < 3; ++i) {
    amqp::append_data(batch, plain(std::string(limits::kTelemetryBytesMax / 3 + 1, 'x')));
  }
  EXPECT_EQ(error_of(amqp::kFormatBatch, batch), Errc::message_too_large);
}

TEST(ReadTelemetry, A47_a_batch_of_nothing_is_measured_as_it_came) {
  std::string batch;
  const std::string nothing = plain("");
  while (batch.size() + 16 <= limits::kTelemetryBytesMax) amqp::append_data(batch, nothing);
  EXPECT_TRUE(read_telemetry(amqp::kFormatBatch, batch));
  while (batch.size() <= limits::kTelemetryBytesMax) amqp::append_data(batch, nothing);
  EXPECT_EQ(error_of(amqp::kFormatBatch, batch), Errc::message_too_large);
}

TEST(ReadTelemetry, a_body_that_is_no_bytes_and_text_that_is_no_UTF8_are_refused) {
  std::string bytes;
  amqp::append_amqp_value(bytes, true);
  EXPECT_EQ(error_of(amqp::kFormatStandard, bytes), Errc::argument_invalid);
  bytes.clear();
  amqp::append_amqp_value(bytes, "text");
  EXPECT_EQ(read_telemetry(amqp::kFormatStandard, bytes)->front().body, "text");
  bytes.clear();
  amqp::Map application;
  application.entries = {{"p", amqp::Binary{"\xff"}}};
  amqp::append_application_properties(bytes, application);
  EXPECT_EQ(error_of(amqp::kFormatStandard, bytes), Errc::argument_invalid);
}

}  // namespace
}  // namespace kyanite::test
