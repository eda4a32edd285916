#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/limits.h"
#include "server/api/method_api.h"

namespace kyanite {
namespace {

using testing::HasSubstr;

std::string fault(std::string_view body) {
  const auto invoke = parse_method_body(body);
  if (invoke) return "accepted";
  EXPECT_TRUE(invoke.error().code == Errc::argument_invalid || invoke.error().code == Errc::format_error);
  return invoke.error().detail;
}

TEST(MethodBody, the_defaults_are_thirty_seconds_and_no_wait_for_a_connection) {
  const InvokeMethod invoke = parse_method_body(R"({"methodName":"reboot"})").value();
  EXPECT_EQ(invoke.method, "reboot");
  EXPECT_EQ(invoke.payload, std::nullopt);
  EXPECT_EQ(invoke.response_timeout, seconds(30));
  EXPECT_EQ(invoke.connect_timeout, seconds(0));
}

TEST(MethodBody, R92_the_payload_is_taken_as_it_was_written) {
  for (const char* payload : {"null", "\"text\"", "[1]", "1.50", "1E2", "{ \"a\" : 1 ,\"a\":2}",
                              "\"\\u00e9\"", "123456789012345678901234567890"}) {
    const auto invoke = parse_method_body(std::string(R"({"methodName":"m","payload": )") + payload + " }");
    ASSERT_TRUE(invoke) << payload;
    EXPECT_EQ(invoke->payload, payload);
  }
}

TEST(MethodBody, the_old_name_of_the_response_timeout_counts_unless_the_new_one_is_there) {
  EXPECT_EQ(parse_method_body(R"({"methodName":"m","timeoutInSeconds":7})").value().response_timeout,
            seconds(7));
  EXPECT_EQ(parse_method_body(R"({"methodName":"m","timeoutInSeconds":7,"responseTimeoutInSeconds":8})")
                .value()
                .response_timeout,
            seconds(8));
  EXPECT_EQ(parse_method_body(R"({"methodName":"m","timeoutInSeconds":7,"responseTimeoutInSeconds":null})")
                .value()
                .response_timeout,
            seconds(7));
}

TEST(MethodBody, of_members_with_one_name_the_last_counts) {
  const auto invoke =
      parse_method_body(R"({"methodName":"a","payload":1,"METHODNAME":"b","Payload":{"x":2}})");
  ASSERT_TRUE(invoke);
  EXPECT_EQ(invoke->method, "b");
  EXPECT_EQ(invoke->payload, R"({"x":2})");
}

TEST(MethodBody, names_of_members_ignore_case) {
  const auto invoke = parse_method_body(R"({"MethodName":"M","ResponseTimeoutInSeconds":9,"Payload":1})");
  ASSERT_TRUE(invoke);
  EXPECT_EQ(invoke->method, "M");
  EXPECT_EQ(invoke->payload, "1");
}

TEST(MethodBody, R90_timeouts_out_of_range_are_refused) {
  for (const char* value : {"4", "301", "-5", "5.5", "\"30\"", "1e2", "true", "99999999999999999999"}) {
    EXPECT_THAT(fault(std::string(R"({"methodName":"m","responseTimeoutInSeconds":)") + value + "}"),
                HasSubstr("responseTimeoutInSeconds must be a whole number from 5 to 300"))
        << value;
  }
  for (const char* value : {"-1", "301", "\"0\""}) {
    EXPECT_THAT(fault(std::string(R"({"methodName":"m","connectTimeoutInSeconds":)") + value + "}"),
                HasSubstr("connectTimeoutInSeconds must be a whole number from 0 to 300"))
        << value;
  }
  EXPECT_THAT(fault(R"({"methodName":"m","connectTimeoutInSeconds":60,"responseTimeoutInSeconds":30})"),
              HasSubstr("must not be larger"));
  EXPECT_EQ(fault(R"({"methodName":"m","connectTimeoutInSeconds":300,"responseTimeoutInSeconds":300})"),
            "accepted");
}

TEST(MethodBody, a_method_needs_a_name_of_printable_characters) {
  EXPECT_THAT(fault("{}"), HasSubstr("methodName is missing"));
  EXPECT_THAT(fault(R"({"methodName":null})"), HasSubstr("methodName is missing"));
  EXPECT_THAT(fault(R"({"methodName":""})"), HasSubstr("methodName is empty"));
  EXPECT_THAT(fault(R"({"methodName":5})"), HasSubstr("must be a text"));
  EXPECT_THAT(fault(R"({"methodName":"a\u0000b"})"), HasSubstr("control character"));
  EXPECT_THAT(fault(R"({"methodName":")" + std::string(limits::kMethodNameBytesMax + 1, 'm') + R"("})"),
              HasSubstr("longer than"));
}

TEST(MethodBody, a_body_that_is_no_JSON_object_is_refused) {
  EXPECT_THAT(fault(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(fault("{\"methodName\":\"m\""), HasSubstr("not valid JSON"));
  EXPECT_THAT(fault("[]"), HasSubstr("not a JSON object"));
}

TEST(MethodBody, a_payload_of_128_KB_passes_and_a_larger_one_is_refused) {
  const auto with = [](std::size_t bytes) {
    return R"({"methodName":"m","payload":")" + std::string(bytes - 2, 'x') + "\"}";
  };
  EXPECT_TRUE(parse_method_body(with(limits::kMethodPayloadBytesMax)));
  const auto larger = parse_method_body(with(limits::kMethodPayloadBytesMax + 1));
  ASSERT_FALSE(larger);
  EXPECT_EQ(larger.error().code, Errc::message_too_large);
}

}  // namespace
}  // namespace kyanite
