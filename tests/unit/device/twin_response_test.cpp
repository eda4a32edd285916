#include "server/device/twin_response.h"

#include <gtest/gtest.h>

#include "protocol/base/json_limits.h"

namespace kyanite {
namespace {

const WallTime kNow{milliseconds{1767607201123}};  // 2026-01-05T10:00:01.123Z

TEST(TwinResponse, B61_echoes_the_request_id_and_shows_both_sections) {
  TwinRecord twin;
  twin.desired = R"({"a":1})";
  twin.desired_version = 12;
  const TwinResponse response = twin_read_response("a%20b&", twin);
  EXPECT_EQ(response.topic, "$iothub/twin/res/200/?$rid=a%20b&");
  EXPECT_EQ(response.body, R"({"desired":{"a":1,"$version":12},"reported":{"$version":1}})");
}

TEST(TwinResponse, B63_an_accepted_patch_is_204_with_the_version_second_and_no_body) {
  const TwinResponse response = reported_accepted_response("7", 124);
  EXPECT_EQ(response.topic, "$iothub/twin/res/204/?$rid=7&$version=124");
  EXPECT_EQ(response.body, "");
}

TEST(TwinResponse, B64_a_refusal_has_a_status_and_an_error_code_in_its_body) {
  const TwinResponse response =
      twin_refused_response("7", Error(Errc::argument_invalid, "reported.a.b: the key contains '.'"), kNow);
  EXPECT_EQ(response.topic, "$iothub/twin/res/400/?$rid=7");
  const Json body = *parse_json(response.body);
  EXPECT_EQ(body["errorCode"], 400004);
  EXPECT_EQ(body["message"], "reported.a.b: the key contains '.'");
  EXPECT_EQ(body["timestampUtc"], "2026-01-05T10:00:01.1230000Z");
  EXPECT_EQ(body["info"], Json::object());
}

TEST(TwinResponse, every_refusal_carries_the_code_of_its_status) {
  const auto code_of = [](Errc code) {
    return (*parse_json(twin_refused_response("1", Error(code), kNow).body))["errorCode"].get<int>();
  };
  EXPECT_EQ(code_of(Errc::precondition_failed), 412001);
  EXPECT_EQ(code_of(Errc::message_too_large), 413001);
  EXPECT_EQ(code_of(Errc::throttled), 429001);
  EXPECT_EQ(code_of(Errc::storage_failed), 503001);
  EXPECT_EQ(code_of(Errc::device_not_found), 404001);
  EXPECT_EQ(code_of(Errc::module_not_found), 404010);
}

TEST(TwinResponse, what_is_wrong_inside_the_hub_stays_there) {
  const TwinResponse response =
      twin_refused_response("1", Error(Errc::storage_failed, "/var/lib/data is full"), kNow);
  EXPECT_EQ(response.body.find("/var"), std::string::npos);
}

TEST(TwinResponse, B66_a_notification_has_its_version_in_the_topic) {
  EXPECT_EQ(desired_notification_topic(8), "$iothub/twin/PATCH/properties/desired/?$version=8");
}

}  // namespace
}  // namespace kyanite
