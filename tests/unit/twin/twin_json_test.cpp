#include "protocol/twin/twin_json.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

const WallTime kNow{milliseconds{1767607201123}};
constexpr const char* kStamp = R"("$lastUpdated":"2026-01-05T10:00:01.1230000Z")";

TEST(TwinJson, R62_the_etag_is_the_counter_in_eight_bytes) {
  EXPECT_EQ(twin_etag(1), "AAAAAAAAAAE=");
  EXPECT_EQ(twin_etag(0x102030405060708), "AQIDBAUGBwg=");
}

TEST(TwinJson, B66_a_notification_is_the_patch_with_its_version) {
  EXPECT_EQ(notification_body(*parse_json(R"({"x":1,"y":null})"), 8), R"({"x":1,"y":null,"$version":8})");
  EXPECT_EQ(notification_body(Json::object(), 2), R"({"$version":2})");
}

TEST(TwinJson, B62_a_new_device_reads_two_versions) {
  EXPECT_EQ(device_twin_body("{}", 1, "{}", 1), R"({"desired":{"$version":1},"reported":{"$version":1}})");
}

TEST(TwinJson, B61_a_device_reads_its_sections_with_versions) {
  EXPECT_EQ(device_twin_body(R"({"a":1})", 12, R"({"b":{"c":2}})", 123),
            R"({"desired":{"a":1,"$version":12},"reported":{"b":{"c":2},"$version":123}})");
}

TEST(TwinJson, a_section_shows_the_time_of_creation_until_it_is_written) {
  EXPECT_EQ(dump_json(section_to_json(Json::object(), nullptr, 1, kNow)),
            std::string("{\"$metadata\":{") + kStamp + "},\"$version\":1}");
  EXPECT_EQ(dump_json(section_to_json(Json::object(), nullptr, 1, kNever)),
            R"({"$metadata":{"$lastUpdated":"0001-01-01T00:00:00Z"},"$version":1})");
}

TEST(TwinJson, an_update_event_holds_only_what_changed) {
  TwinDocument twin;
  ASSERT_TRUE(twin.patch_reported(*parse_json(R"({"other":1})"), kNow));
  const auto change = twin.patch_reported(*parse_json(R"({"batteryLevel":60,"old":null})"), kNow);
  ASSERT_TRUE(change);
  EXPECT_EQ(
      dump_json(update_event_body(twin, *change)),
      std::string(R"({"version":4,"properties":{"reported":{"batteryLevel":60,"old":null,"$metadata":{)") +
          kStamp + R"(,"batteryLevel":{)" + kStamp + R"(}},"$version":3}}})");
}

TEST(TwinJson, an_update_event_of_tags_has_no_properties) {
  TwinDocument twin;
  const auto change = twin.merge({*parse_json(R"({"t":1})"), std::nullopt}, kNow);
  EXPECT_EQ(dump_json(update_event_body(twin, *change)), R"({"version":3,"tags":{"t":1}})");
}

TEST(TwinJson, a_replacement_event_holds_the_whole_twin) {
  TwinDocument twin;
  ASSERT_TRUE(twin.replace({*parse_json(R"({"t":1})"), *parse_json(R"({"d":1})")}, kNow));
  const Json body = replace_event_body(twin, kNow);
  EXPECT_EQ(body["version"], 3);
  EXPECT_EQ(body["tags"]["t"], 1);
  EXPECT_EQ(body["properties"]["desired"]["$metadata"]["d"]["$lastUpdatedVersion"], 2);
  EXPECT_EQ(body["properties"]["reported"]["$version"], 1);
}

}  // namespace
}  // namespace kyanite
