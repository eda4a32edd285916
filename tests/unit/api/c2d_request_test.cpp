#include "server/api/c2d_request.h"

#include <gtest/gtest.h>

#include "protocol/base/limits.h"

namespace kyanite {
namespace {

const WallTime kNow{seconds{1'767'607'200}};  // 2026-01-05T10:00:00Z
using Headers = std::vector<std::pair<std::string, std::string>>;

Result<C2dMessage> parse(Headers headers, std::string body = "hello") {
  HttpRequest request;
  request.headers = std::move(headers);
  request.body = std::move(body);
  return parse_c2d_request(request, "d1", kNow);
}

Errc refusal_of(Headers headers, std::string body = "hello") {
  const auto parsed = parse(std::move(headers), std::move(body));
  return parsed ? Errc::internal : parsed.error().code;
}

TEST(C2dRequest, R93_headers_become_properties) {
  const C2dMessage message = parse({{"iothub-app-k", "v"},
                                    {"IoTHub-App-Second", "a%20b"},
                                    {"iothub-messageid", "m1"},
                                    {"iothub-correlationid", "c1"},
                                    {"iothub-userid", "u1"},
                                    {"iothub-ack", "Full"},
                                    {"iothub-to", "/devices/other/messages/devicebound"},
                                    {"Content-Type", "application/json"},
                                    {"Content-Encoding", "utf-8"}})
                                 .value();
  EXPECT_EQ(message.device, "d1");
  EXPECT_EQ(message.header.message_id, "m1");
  EXPECT_EQ(message.correlation_id, "c1");
  EXPECT_EQ(message.user_id, "u1");
  EXPECT_EQ(message.header.ack, AckRequest::full);
  EXPECT_EQ(message.content_type, "application/json");
  EXPECT_EQ(message.content_encoding, "utf-8");
  EXPECT_EQ(message.to, "");
  EXPECT_EQ(message.body, "hello");
  const std::vector<Property> application{{"k", "v"}, {"Second", "a%20b"}};
  EXPECT_EQ(message.application, application);
  EXPECT_FALSE(message.header.explicit_expiry);
}

TEST(C2dRequest, the_service_headers_for_the_content_win) {
  const C2dMessage message = parse({{"Content-Type", "text/plain"},
                                    {"iothub-contenttype", "application/json"},
                                    {"iothub-contentencoding", "utf-16"},
                                    {"Content-Encoding", "utf-8"}})
                                 .value();
  EXPECT_EQ(message.content_type, "application/json");
  EXPECT_EQ(message.content_encoding, "utf-16");
}

TEST(C2dRequest, of_names_equal_ignoring_case_the_last_wins) {
  const C2dMessage message = parse({{"iothub-app-Key", "1"}, {"iothub-app-key", "2"}}).value();
  const std::vector<Property> application{{"key", "2"}};
  EXPECT_EQ(message.application, application);
}

TEST(C2dRequest, an_expiry_is_an_iso_8601_time_ahead) {
  const C2dMessage message = parse({{"iothub-expiry", "2026-01-05T10:00:01.5Z"}}).value();
  EXPECT_TRUE(message.header.explicit_expiry);
  EXPECT_EQ(message.header.expiry, kNow + milliseconds{1500});
  EXPECT_EQ(parse({{"iothub-expiry", "2026-01-05T12:30:00+02:00"}})->header.expiry,
            kNow + std::chrono::minutes{30});
  for (const char* text : {"tomorrow", "2026-01-05", "2026-01-05T10:00:01", "2026-13-05T10:00:01Z", "0",
                           "1767607201", "2026-01-05T10:00:01+2:00", "2026-01-05T10:00:01+02:60", "Z"}) {
    EXPECT_EQ(refusal_of({{"iothub-expiry", text}}), Errc::argument_invalid) << text;
  }
  EXPECT_EQ(refusal_of({{"iothub-expiry", "2026-01-05T10:00:00Z"}}), Errc::message_expired);
  EXPECT_EQ(refusal_of({{"iothub-expiry", "2025-01-05T10:00:00Z"}}), Errc::message_expired);
}

TEST(C2dRequest, an_unknown_ack_is_refused) {
  EXPECT_EQ(refusal_of({{"iothub-ack", "maybe"}}), Errc::argument_invalid);
  EXPECT_EQ(parse({{"iothub-ack", "none"}})->header.ack, AckRequest::none);
}

TEST(C2dRequest, ids_have_the_characters_of_the_service) {
  EXPECT_EQ(refusal_of({{"iothub-messageid", "a b"}}), Errc::argument_invalid);
  EXPECT_EQ(refusal_of({{"iothub-messageid", std::string(129, 'a')}}), Errc::argument_invalid);
  EXPECT_EQ(refusal_of({{"iothub-correlationid", "a/b"}}), Errc::argument_invalid);
}

TEST(C2dRequest, names_of_system_properties_are_refused) {
  for (const char* name : {"iothub-app-iothub-messageid", "iothub-app-iothub-connection-device-id",
                           "iothub-app-$.mid", "iothub-app-"}) {
    EXPECT_EQ(refusal_of({{name, "v"}}), Errc::argument_invalid) << name;
  }
}

TEST(C2dRequest, text_that_is_not_utf8_is_refused) {
  EXPECT_EQ(refusal_of({{"iothub-app-k", "\xff"}}), Errc::argument_invalid);
  EXPECT_EQ(refusal_of({{"iothub-userid", "\xff"}}), Errc::argument_invalid);
}

TEST(C2dRequest, a_message_has_64_kib_with_its_properties) {
  const std::string body(limits::kC2dBytesMax, 'x');
  EXPECT_EQ(parse({}, body)->header.bytes, limits::kC2dBytesMax);
  EXPECT_EQ(refusal_of({}, body + "x"), Errc::message_too_large);
  EXPECT_EQ(refusal_of({{"iothub-app-k", ""}}, body), Errc::message_too_large);
  EXPECT_EQ(refusal_of({{"iothub-userid", "u"}}, body), Errc::message_too_large);
}

TEST(C2dRequest, properties_that_no_topic_can_carry_are_refused) {
  EXPECT_EQ(refusal_of({{"iothub-app-k", std::string(22'000, '/')}}), Errc::message_too_large);
  EXPECT_TRUE(parse({{"iothub-app-k", std::string(21'000, '/')}}));
}

}  // namespace
}  // namespace kyanite
