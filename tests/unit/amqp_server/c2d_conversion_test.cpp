#include "server/amqp/c2d_conversion.h"

#include <gmock/gmock.h>

#include "protocol/base/limits.h"
#include "server/hub/c2d_message.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;

const WallTime kNow{seconds{1'767'607'200}};

amqp::Message c2d_to(std::string to) {
  amqp::Message message;
  message.properties.to = std::move(to);
  message.body_kind = amqp::BodyKind::data;
  message.data = {"hello"};
  return message;
}

Result<C2dSend> read(const amqp::Message& message) { return read_c2d_send(message, kNow); }

TEST(C2dSend, A24_the_device_is_decoded_and_kept_as_written) {
  for (const char* to :
       {"/devices/dev%201%23x/messages/devicebound", "devices/dev%201%23x/messages/deviceBound",
        "/Devices/dev%201%23x/Messages/DEVICEBOUND"}) {
    const auto send = read(c2d_to(to));
    ASSERT_TRUE(send) << to;
    EXPECT_EQ(send->message.device, "dev 1#x");
    EXPECT_EQ(send->device_as_written, "dev%201%23x");
    EXPECT_EQ(send->message.to, to);
    EXPECT_EQ(send->message.body, "hello");
  }
  EXPECT_EQ(read(c2d_to("/devices/a+b/messages/devicebound"))->message.device, "a+b");
}

TEST(C2dSend, a_module_is_told_apart) {
  const auto send = read(c2d_to("/devices/d1/modules/m%201/messages/deviceBound"));
  ASSERT_TRUE(send);
  EXPECT_EQ(send->module, "m 1");
}

TEST(C2dSend, another_to_is_refused) {
  for (const char* to :
       {"", "/", "/devices/d1", "/devices/d1/messages/events", "/devices//messages/devicebound",
        "/device/d1/messages/devicebound", "/devices/d1/modules/messages/devicebound",
        "/devices/d1/modules//messages/devicebound", "/devices/d1/x/m1/messages/devicebound"}) {
    EXPECT_EQ(read(c2d_to(to)).error().code, Errc::argument_invalid) << to;
  }
  amqp::Message without = c2d_to("");
  without.properties.to.reset();
  EXPECT_EQ(read(without).error().code, Errc::argument_invalid);
}

TEST(C2dSend, A23_ids_become_text) {
  amqp::Message message = c2d_to("/devices/d1/messages/devicebound");
  EXPECT_EQ(read(message)->message.header.message_id, "");
  message.properties.message_id = "m-1";
  EXPECT_EQ(read(message)->message.header.message_id, "m-1");
  message.properties.message_id = *amqp::uuid_from_text("6F9619FF-8B86-D011-B42D-00C04FC964FF");
  message.properties.correlation_id = std::uint64_t{42};
  EXPECT_EQ(read(message)->message.header.message_id, "6f9619ff-8b86-d011-b42d-00c04fc964ff");
  EXPECT_EQ(read(message)->message.correlation_id, "42");
  message.properties.message_id = true;
  EXPECT_EQ(read(message).error().code, Errc::argument_invalid);
  message.properties.message_id = "two words";
  EXPECT_EQ(read(message).error().code, Errc::argument_invalid);
}

TEST(C2dSend, A28_iothub_ack_is_read_in_any_case) {
  amqp::Message message = c2d_to("/devices/d1/messages/devicebound");
  EXPECT_EQ(read(message)->message.header.ack, AckRequest::none);
  const std::pair<const char*, AckRequest> spellings[] = {{"none", AckRequest::none},
                                                          {"Positive", AckRequest::positive},
                                                          {"NEGATIVE", AckRequest::negative},
                                                          {"full", AckRequest::full}};
  for (const auto& [text, ack] : spellings) {
    message.application_properties.entries = {{"iothub-ack", text}};
    const auto send = read(message);
    ASSERT_TRUE(send) << text;
    EXPECT_EQ(send->message.header.ack, ack);
    EXPECT_TRUE(send->message.application.empty());
  }
  for (const amqp::Value& value : {amqp::Value("both"), amqp::Value()}) {
    message.application_properties.entries = {{"iothub-ack", value}};
    EXPECT_EQ(read(message).error().code, Errc::argument_invalid);
  }
}

TEST(C2dSend, application_properties_become_text) {
  amqp::Message message = c2d_to("/devices/d1/messages/devicebound");
  message.application_properties.entries = {
      {"text", "a b"}, {"int", std::int32_t{-7}}, {"yes", true}, {"real", 2.5}, {"iothub-operation", "x"}};
  const auto send = read(message);
  ASSERT_TRUE(send);
  EXPECT_THAT(send->message.application, ElementsAre(Property{"text", "a b"}, Property{"int", "-7"},
                                                     Property{"yes", "true"}, Property{"real", "2.5"}));
  message.application_properties.entries = {{"null", amqp::Value()}};
  EXPECT_EQ(read(message).error().code, Errc::argument_invalid);
  message.application_properties.entries = {{"iothub-messageid", "x"}};
  EXPECT_EQ(read(message).error().code, Errc::argument_invalid);
}

TEST(C2dSend, an_expiry_is_absolute_or_a_time_to_live_and_at_most_two_days_ahead) {
  amqp::Message message = c2d_to("/devices/d1/messages/devicebound");
  EXPECT_FALSE(read(message)->message.header.explicit_expiry);
  message.ttl_ms = 5000;
  EXPECT_EQ(read(message)->message.header.expiry, kNow + seconds{5});
  const auto ms = [](WallTime time) { return amqp::Timestamp{time.time_since_epoch().count()}; };
  message.properties.absolute_expiry_time = ms(kNow + seconds{9});
  EXPECT_EQ(read(message)->message.header.expiry, kNow + seconds{9});
  EXPECT_TRUE(read(message)->message.header.explicit_expiry);
  message.properties.absolute_expiry_time = ms(kNow);
  EXPECT_EQ(read(message).error().code, Errc::message_expired);
  message.properties.absolute_expiry_time = ms(kNow + limits::kC2dExpiryMax);
  EXPECT_TRUE(read(message));
  message.properties.absolute_expiry_time = ms(kNow + limits::kC2dExpiryMax + milliseconds{1});
  EXPECT_EQ(read(message).error().code, Errc::argument_invalid);
}

TEST(C2dSend, a_time_that_nobody_set_is_no_expiry) {
  amqp::Message message = c2d_to("/devices/d1/messages/devicebound");
  constexpr std::int64_t kDotNet = -62'135'596'800'000, kGo = -6'795'364'578'871, kC = 0;
  for (const std::int64_t unset : {kDotNet, kGo, kC}) {
    message.properties.absolute_expiry_time = amqp::Timestamp{unset};
    ASSERT_TRUE(read(message)) << unset;
    EXPECT_FALSE(read(message)->message.header.explicit_expiry) << unset;
  }
  message.properties.absolute_expiry_time = amqp::Timestamp{1};
  EXPECT_EQ(read(message).error().code, Errc::message_expired);
}

TEST(C2dSend, a_body_may_be_a_value_and_is_at_most_64_KiB_with_properties) {
  amqp::Message message = c2d_to("/devices/d1/messages/devicebound");
  message.body_kind = amqp::BodyKind::value;
  message.data.clear();
  message.value = "text";
  EXPECT_EQ(read(message)->message.body, "text");
  message.value = std::int32_t{1};
  EXPECT_EQ(read(message).error().code, Errc::argument_invalid);
  const std::string body(limits::kC2dBytesMax, 'x');
  message.value = body;
  EXPECT_EQ(read(message).error().code, Errc::message_too_large);
}

TEST(WriteC2d, A52_a_device_reads_what_the_service_sent) {
  C2dMessage sent;
  sent.device = "d1";
  sent.header.sequence = 7;
  sent.header.enqueued = kNow;
  sent.header.delivery_count = 2;
  sent.header.ack = AckRequest::full;
  sent.header.message_id = "m-1";
  sent.header.expiry = kNow + seconds{60};
  sent.header.explicit_expiry = true;
  sent.correlation_id = "c-1";
  sent.user_id = "u";
  sent.content_type = "application/json";
  sent.content_encoding = "utf-8";
  sent.application = {{"a", "1"}, {"b", ""}};
  sent.body = "body";
  const std::string bytes = write_c2d(sent);
  const auto read = amqp::read_message(bytes);
  ASSERT_TRUE(read);
  const amqp::Map& annotations = read->message_annotations;
  ASSERT_EQ(annotations.entries.size(), 3u);
  EXPECT_EQ(*annotations.find("x-opt-sequence-number"), amqp::Value(std::uint64_t{7}));
  EXPECT_EQ(*annotations.find("iothub-enqueuedtime"),
            amqp::Value(amqp::Timestamp{kNow.time_since_epoch().count()}));
  EXPECT_EQ(*annotations.find("iothub-deliverycount"), amqp::Value(std::uint8_t{2}));
  const amqp::Properties& properties = read->properties;
  EXPECT_EQ(properties.message_id, amqp::Value("m-1"));
  EXPECT_EQ(properties.correlation_id, amqp::Value("c-1"));
  EXPECT_EQ(properties.user_id, "u");
  EXPECT_EQ(properties.to, "/devices/d1/messages/devicebound");
  EXPECT_EQ(properties.content_type, "application/json");
  EXPECT_EQ(properties.content_encoding, "utf-8");
  EXPECT_EQ(properties.absolute_expiry_time->ms, (kNow + seconds{60}).time_since_epoch().count());
  EXPECT_EQ(*read->application_properties.find("iothub-ack"), amqp::Value("full"));
  EXPECT_EQ(*read->application_properties.find("a"), amqp::Value("1"));
  EXPECT_EQ(*read->application_properties.find("b"), amqp::Value(""));
  EXPECT_THAT(read->data, ElementsAre("body"));
}

TEST(WriteC2d, what_was_not_given_is_not_there) {
  C2dMessage sent;
  sent.device = "d1";
  sent.to = "/devices/d1/messages/deviceBound";
  const std::string bytes = write_c2d(sent);
  const auto read = amqp::read_message(bytes);
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->properties.message_id.is_null());
  EXPECT_TRUE(read->properties.correlation_id.is_null());
  EXPECT_EQ(read->properties.to, sent.to);
  EXPECT_FALSE(read->properties.absolute_expiry_time);
  EXPECT_TRUE(read->application_properties.empty());
  EXPECT_THAT(read->data, ElementsAre(""));  // a data section all the same
}

}  // namespace
}  // namespace kyanite::test
