#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "protocol/base/error_catalog.h"
#include "protocol/http/response.h"

namespace kyanite {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

const std::string kTracking = "0123456789abcdef0123456789abcdef";
const std::string kTime = "07/29/2026 10:11:12";

HttpResponse response_of(const Error& error) { return error_response(error, kTracking, kTime); }

std::string message_of(const Error& error) {
  const auto body = nlohmann::json::parse(response_of(error).body);
  return body.at("Message").get<std::string>();
}

TEST(ErrorResponse, R14_an_unauthorized_request_gets_exactly_the_reply_of_the_service) {
  const HttpResponse response = response_of({Errc::unauthorized, "SAS token: sig is missing"});
  EXPECT_EQ(response.status, 401);
  EXPECT_THAT(response.headers, Contains(Pair("iothub-errorcode", "IotHubUnauthorizedAccess")));
  EXPECT_EQ(response.content_type, "application/json; charset=utf-8");
  EXPECT_EQ(
      response.body,
      "{\"Message\":\"ErrorCode:IotHubUnauthorizedAccess;Unauthorized\",\"ExceptionMessage\":\"Tracking ID:"
      "0123456789abcdef0123456789abcdef-G:0-TimeStamp:07/29/2026 10:11:12\"}");
}

TEST(ErrorResponse, R27_R28_every_error_names_itself_twice_with_one_semicolon) {
  for (int i = 0; i <= static_cast<int>(Errc::io_failed); ++i) {
    const auto code = static_cast<Errc>(i);
    const std::string name(error_row(code).name);
    for (const char* detail : {"", "first; second; third"}) {
      const std::string message = message_of({code, detail});
      EXPECT_EQ(std::count(message.begin(), message.end(), ';'), 1) << message;
      EXPECT_TRUE(message.starts_with("ErrorCode:" + name + ";")) << message;
      EXPECT_GT(message.size(), name.size() + 11) << "the text must not be empty";
      EXPECT_THAT(response_of({code, detail}).headers, Contains(Pair("iothub-errorcode", name)));
    }
  }
}

TEST(ErrorResponse, shows_the_detail_of_a_bad_argument) {
  EXPECT_EQ(message_of({Errc::argument_invalid, "The device ID is too long"}),
            "ErrorCode:ArgumentInvalid;The device ID is too long");
  EXPECT_THAT(message_of({Errc::device_not_found, "Device none not registered"}), HasSubstr("none"));
}

TEST(ErrorResponse, hides_details_of_the_hub_and_of_credentials) {
  for (const Errc code : {Errc::unauthorized, Errc::device_disabled, Errc::internal, Errc::storage_failed,
                          Errc::busy, Errc::io_failed, Errc::config_invalid}) {
    EXPECT_THAT(message_of({code, "secret detail"}), Not(HasSubstr("secret"))) << static_cast<int>(code);
  }
}

TEST(ErrorResponse, R30_bytes_of_any_kind_in_a_detail_still_give_json) {
  const std::string message = message_of({Errc::device_not_found, std::string("id \xff\x01\n\0 end", 11)});
  EXPECT_THAT(message, HasSubstr("end"));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST(ErrorResponse, a_long_detail_is_cut) {
  EXPECT_LT(message_of({Errc::argument_invalid, std::string(100'000, 'x')}).size(), 1000u);
}

TEST(ErrorResponse, times_have_the_form_of_the_service) {
  EXPECT_EQ(to_error_time(WallTime(seconds(1785319872))), "07/29/2026 10:11:12");
  EXPECT_EQ(to_error_time(WallTime{}), "01/01/1970 00:00:00");
}

TEST(ErrorResponse, R29_a_direct_method_fails_with_a_flat_document_inside_the_message) {
  const WallTime now(seconds(1'767'607'200));
  const HttpResponse response = nested_error_response(
      {Errc::device_not_online, "Timed out waiting for device to subscribe."}, kTracking, now);
  EXPECT_EQ(response.status, 404);
  EXPECT_THAT(response.headers, Contains(Pair("iothub-errorcode", "DeviceNotOnline")));
  const auto body = nlohmann::json::parse(response.body);
  EXPECT_EQ(body.size(), 2u);
  EXPECT_EQ(body.at("ExceptionMessage"), "");
  const auto inner = nlohmann::json::parse(body.at("Message").get<std::string>());
  EXPECT_EQ(inner.at("errorCode"), 404103);
  EXPECT_EQ(inner.at("message"), "DeviceNotOnline: Timed out waiting for device to subscribe.");
  EXPECT_EQ(inner.at("timestampUtc"), "2026-01-05T10:00:00.0000000Z");
  EXPECT_EQ(inner.at("trackingId"), kTracking + "-G:0-TimeStamp:2026-01-05T10:00:00.0000000Z");
  for (const auto& member : inner) EXPECT_FALSE(member.is_structured()) << member;
}

TEST(ErrorResponse, the_nested_form_names_every_error_once_and_hides_what_concerns_the_hub) {
  for (int i = 0; i <= static_cast<int>(Errc::io_failed); ++i) {
    const auto code = static_cast<Errc>(i);
    const auto body = nlohmann::json::parse(nested_error_response({code, ""}, kTracking, kNever).body);
    const auto inner = nlohmann::json::parse(body.at("Message").get<std::string>());
    EXPECT_EQ(inner.at("errorCode"), error_row(code).number);
    EXPECT_THAT(inner.at("message").get<std::string>(),
                testing::StartsWith(std::string(error_row(code).name)));
  }
  EXPECT_THAT(nested_error_response({Errc::storage_failed, "/data/000012.log"}, kTracking, kNever).body,
              Not(HasSubstr("000012")));
}

}  // namespace
}  // namespace kyanite
