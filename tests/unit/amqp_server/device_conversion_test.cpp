#include <gmock/gmock.h>

#include <limits>

#include "protocol/base/iso_time.h"
#include "server/amqp/feedback_conversion.h"
#include "server/amqp/method_conversion.h"
#include "server/amqp/property_text.h"
#include "server/amqp/twin_conversion.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using namespace std::string_literals;
using Kind = TwinRequest::Kind;

amqp::Message twin_message(amqp::Value operation, amqp::Value resource, std::string_view body = {}) {
  amqp::Message message;
  message.message_annotations.entries = {{amqp::Symbol{"operation"}, std::move(operation)},
                                         {amqp::Symbol{"resource"}, std::move(resource)}};
  message.body_kind = amqp::BodyKind::data;
  message.data = {body};
  return message;
}

TEST(ReadTwinRequest, A50_the_four_requests) {
  EXPECT_EQ(read_twin_request(twin_message("GET", amqp::Value(), " "))->kind, Kind::get);
  const char* const desired = "/notifications/twin/properties/desired";
  EXPECT_EQ(read_twin_request(twin_message("PUT", desired))->kind, Kind::subscribe);
  EXPECT_EQ(read_twin_request(twin_message("DELETE", amqp::Symbol{desired}, " "))->kind, Kind::unsubscribe);
  const auto patch = read_twin_request(twin_message("PATCH", "/properties/reported", R"({"a":1})"));
  ASSERT_TRUE(patch);
  EXPECT_EQ(patch->kind, Kind::patch_reported);
  EXPECT_EQ(patch->patch["a"], 1);
  EXPECT_FALSE(patch->expected_version);
}

TEST(ReadTwinRequest, a_patch_may_expect_a_version) {
  amqp::Message message = twin_message("PATCH", "/properties/reported", "{}");
  const auto version = [&](amqp::Value value) {
    message.message_annotations.entries.resize(2);
    message.message_annotations.entries.push_back({amqp::Symbol{"version"}, std::move(value)});
    return read_twin_request(message);
  };
  EXPECT_FALSE(version({})->expected_version);
  EXPECT_EQ(version(std::int64_t{4})->expected_version, 4u);
  EXPECT_EQ(version(std::uint32_t{5})->expected_version, 5u);
  EXPECT_EQ(version("6")->expected_version, 6u);
  EXPECT_EQ(version("x").error().code, Errc::argument_invalid);
  EXPECT_EQ(version(std::int32_t{-1}).error().code, Errc::argument_invalid);
}

TEST(ReadTwinRequest, others_are_refused) {
  for (const auto& message :
       {twin_message("POST", amqp::Value()), twin_message("PATCH", "/properties/desired", "{}"),
        twin_message("PATCH", "/properties/reported", "no JSON"), twin_message(amqp::Value(), amqp::Value()),
        twin_message("PUT", "/properties/reported"), amqp::Message{}}) {
    EXPECT_EQ(read_twin_request(message).error().code, Errc::argument_invalid);
  }
}

TEST(WriteTwin, A50_answers_keep_the_type_of_the_correlation_and_notifications_have_none) {
  for (const amqp::Value& id : {amqp::Value("text"), amqp::Value(std::uint64_t{7}),
                                amqp::Value(*amqp::uuid_from_text("6f9619ff-8b86-4011-b42d-00c04fc964ff"))}) {
    const std::string bytes = write_twin_answer(id, 204, 5, {});
    const auto answer = amqp::read_message(bytes);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->properties.correlation_id, id);
    EXPECT_EQ(*answer->message_annotations.find("status"), amqp::Value(std::int32_t{204}));
    EXPECT_EQ(*answer->message_annotations.find("version"), amqp::Value(std::int64_t{5}));
    EXPECT_THAT(answer->data, ElementsAre(""));
  }
  const std::string bytes = write_desired_notification(9, R"({"a":1,"$version":9})");
  const auto notification = amqp::read_message(bytes);
  ASSERT_TRUE(notification);
  EXPECT_TRUE(notification->properties.correlation_id.is_null());
  EXPECT_EQ(*notification->message_annotations.find("resource"), amqp::Value("/properties/desired"));
  EXPECT_EQ(*notification->message_annotations.find("version"), amqp::Value(std::int64_t{9}));
  EXPECT_THAT(notification->data, ElementsAre(R"({"a":1,"$version":9})"));
}

TEST(Methods, A51_a_call_has_a_uuid_and_a_name) {
  const auto uuid = *amqp::uuid_from_text("6f9619ff-8b86-4011-b42d-00c04fc964ff");
  const std::string bytes = write_method_request(uuid, "reboot", "null");
  const auto call = amqp::read_message(bytes);
  ASSERT_TRUE(call);
  EXPECT_EQ(call->properties.correlation_id, amqp::Value(uuid));
  EXPECT_EQ(*call->application_properties.find("IoThub-methodname"), amqp::Value("reboot"));
  EXPECT_THAT(call->data, ElementsAre("null"));
}

TEST(Methods, A51_an_answer_is_matched_by_text_whatever_the_type) {
  amqp::Message message;
  message.properties.correlation_id = *amqp::uuid_from_text("6f9619ff-8b86-4011-b42d-00c04fc964ff");
  message.application_properties.entries = {{"IoThub-status", std::int32_t{-4}}};
  message.body_kind = amqp::BodyKind::data;
  message.data = {"{}"};
  auto answer = read_method_answer(message);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->correlation_id, "6f9619ff-8b86-4011-b42d-00c04fc964ff");
  EXPECT_EQ(answer->status, -4);
  EXPECT_EQ(answer->body, "{}");
  message.properties.correlation_id = "6F9619FF-8B86-4011-B42D-00C04FC964FF";
  message.application_properties.entries = {{"iothub-status", 200.0}};
  answer = read_method_answer(message);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->correlation_id, "6f9619ff-8b86-4011-b42d-00c04fc964ff");
  EXPECT_EQ(answer->status, 200);
}

TEST(Methods, an_answer_without_status_or_correlation_is_refused) {
  amqp::Message message;
  message.application_properties.entries = {{"IoThub-status", std::int32_t{200}}};
  EXPECT_EQ(read_method_answer(message).error().code, Errc::argument_invalid);
  message.properties.correlation_id = "x";
  EXPECT_TRUE(read_method_answer(message));
  for (const amqp::Value& status :
       {amqp::Value(), amqp::Value("ok"), amqp::Value(2.5), amqp::Value(std::int64_t{1} << 40)}) {
    message.application_properties.entries = {{"IoThub-status", status}};
    EXPECT_EQ(read_method_answer(message).error().code, Errc::argument_invalid);
  }
}

TEST(Feedback, A29_a_batch_is_one_section_of_ASCII_JSON) {
  FeedbackRecord record;
  record.original_message_id = "m-1";
  record.time = WallTime(seconds{1'767'607'200});
  record.device = "d1";
  record.generation_id = "638";
  const WallTime now(seconds{1'767'607'201});
  const std::string bytes = write_feedback({record, record}, "hub", now);
  const auto message = amqp::read_message(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->properties.content_type, "application/vnd.microsoft.iothub.feedback.json");
  EXPECT_EQ(message->properties.user_id, "hub");
  EXPECT_EQ(*message->message_annotations.find("iothub-enqueuedtime"),
            amqp::Value(amqp::Timestamp{1'767'607'201'000}));
  ASSERT_EQ(message->data.size(), 1u);
  const auto json = parse_json(message->data.front());
  ASSERT_TRUE(json && json->is_array());
  ASSERT_EQ(json->size(), 2u);
  EXPECT_EQ(dump_json((*json)[0]),
            R"({"originalMessageId":"m-1","enqueuedTimeUtc":"2026-01-05T10:00:00.0000000Z",)"
            R"("statusCode":"Success","description":"Success","deviceId":"d1","deviceGenerationId":"638"})");
}

TEST(Feedback, a_file_notification_has_whole_seconds_and_no_byte_beyond_ASCII) {
  FileNotification notification;
  notification.device = "d1";
  notification.blob = "d1/\xc3\xa4.txt";
  notification.blob_uri = "https://hub/c/d1/%C3%A4.txt";
  notification.last_updated = WallTime(milliseconds{1'767'607'200'987});
  notification.enqueued = WallTime(milliseconds{1'767'607'201'500});
  notification.blob_bytes = 12;
  const std::string bytes = write_file_notification(notification, "hub");
  const auto message = amqp::read_message(bytes);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->properties.content_type, "application/vnd.microsoft.iothub.filenotification.json");
  ASSERT_EQ(message->data.size(), 1u);
  EXPECT_EQ(message->data.front(),
            R"({"deviceId":"d1","blobUri":"https://hub/c/d1/%C3%A4.txt","blobName":"d1/\u00e4.txt",)"
            R"("lastUpdatedTime":"2026-01-05T10:00:00+00:00","blobSizeInBytes":12,)"
            R"("enqueuedTimeUtc":"2026-01-05T10:00:01.5000000Z"})");
}

TEST(PropertyText, is_what_a_reader_expects) {
  EXPECT_EQ(property_text("text"), "text");
  EXPECT_EQ(property_text(amqp::Symbol{"symbol"}), "symbol");
  EXPECT_EQ(property_text(false), "false");
  EXPECT_EQ(property_text(std::uint8_t{200}), "200");
  EXPECT_EQ(property_text(std::int64_t{-9}), "-9");
  EXPECT_EQ(property_text(0.1), "0.1");
  EXPECT_EQ(property_text(amqp::Timestamp{1'767'607'200'000}), "2026-01-05T10:00:00.0000000Z");
  EXPECT_EQ(property_text(amqp::Described{{std::uint64_t{1}, "inner"}}), "inner");
  EXPECT_EQ(property_text(amqp::Timestamp{253'402'300'799'999}), "9999-12-31T23:59:59.9990000Z");
  EXPECT_EQ(property_text(amqp::Timestamp{-62'135'596'800'000}), "0001-01-01T00:00:00.0000000Z");
  for (const std::int64_t ms : {std::numeric_limits<std::int64_t>::min(), -62'135'596'800'001L,
                                253'402'300'800'000L, std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_EQ(property_text(amqp::Timestamp{ms}), std::nullopt) << ms;
  }
  EXPECT_EQ(property_text(amqp::Value()), std::nullopt);
  EXPECT_EQ(property_text(amqp::List{}), std::nullopt);
  EXPECT_EQ(guid_bytes("00112233-4455-6677-8899-aabbccddeeff"),
            "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"s.substr(0, 16));
}

}  // namespace
}  // namespace kyanite::test
