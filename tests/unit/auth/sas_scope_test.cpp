#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/auth/sas_token.h"

namespace kyanite {
namespace {

using testing::ElementsAre;

const std::vector<std::string> kHosts{"hub.example.test", "localhost"};
const Identity kD1{"d1", ""};
const Identity kD1M1{"d1", "m1"};

SasResource resource_of(std::string_view raw) {
  const auto parsed = parse_sas_resource(raw);
  EXPECT_TRUE(parsed) << raw;
  return parsed ? *parsed : SasResource{};
}

bool covers(std::string_view raw, const Identity& identity) {
  return sas_scope_covers(resource_of(raw), identity, kHosts);
}

bool opens(std::string_view raw, const std::vector<std::string>& path) {
  return sas_scope_covers_path(resource_of(raw), path, kHosts);
}

TEST(SasScope, is_decoded_once_without_scheme_port_and_trailing_slash) {
  EXPECT_THAT(resource_of("Hub.Example.test%3a8883%2Fdevices%2fd1%2f").segments,
              ElementsAre("hub.example.test", "devices", "d1"));
  EXPECT_THAT(resource_of("sb://h/devices/d1").segments, ElementsAre("h", "devices", "d1"));
  EXPECT_THAT(resource_of("https://h").segments, ElementsAre("h"));
  EXPECT_THAT(resource_of("AMQPS://h/").segments, ElementsAre("h"));
  EXPECT_THAT(resource_of("h/devices/my%2523dev").segments, ElementsAre("h", "devices", "my%23dev"));
}

TEST(SasScope, without_a_host_or_text_is_refused) {
  EXPECT_FALSE(parse_sas_resource(""));
  EXPECT_FALSE(parse_sas_resource("/devices/d1"));
  EXPECT_FALSE(parse_sas_resource("sb://"));
  EXPECT_FALSE(parse_sas_resource("h/devices/%FF"));
}

TEST(SasScope, B23_every_spelling_covers_the_device) {
  EXPECT_TRUE(covers("hub.example.test/devices/d1", kD1));
  EXPECT_TRUE(covers("hub.example.test%2Fdevices%2Fd1", kD1));
  EXPECT_TRUE(covers("HUB.example.test%2fDEVICES%2fD1", kD1));
  EXPECT_TRUE(covers("localhost:8883/devices/d1", kD1));
}

TEST(SasScope, B22_R15_R26_the_host_alone_is_the_whole_hub) {
  EXPECT_TRUE(sas_scope_is_hub(resource_of("hub.example.test"), kHosts));
  EXPECT_TRUE(sas_scope_is_hub(resource_of("Hub.Example.test%3A8443"), kHosts));
  EXPECT_FALSE(sas_scope_is_hub(resource_of("other.test"), kHosts));
  EXPECT_FALSE(sas_scope_is_hub(resource_of("hub.example.test/devices"), kHosts));
  EXPECT_TRUE(covers("hub.example.test", kD1));
  EXPECT_TRUE(covers("hub.example.test/devices", kD1M1));
}

TEST(SasScope, only_scopes_below_devices_name_an_identity) {
  EXPECT_FALSE(sas_scope_names_identity(resource_of("h")));
  EXPECT_FALSE(sas_scope_names_identity(resource_of("h/devices")));
  EXPECT_FALSE(sas_scope_names_identity(resource_of("h/devices/")));
  EXPECT_FALSE(sas_scope_names_identity(resource_of("h/twins/d1")));
  EXPECT_TRUE(sas_scope_names_identity(resource_of("h/devices/d1")));
  EXPECT_TRUE(sas_scope_names_identity(resource_of("h/devices/d1/modules/m1")));
}

TEST(SasScope, B25_an_api_version_at_the_end_is_dropped) {
  EXPECT_TRUE(covers("hub.example.test%2Fdevices%2Fd1%2Fapi-version%3D2016-11-14", kD1));
  EXPECT_TRUE(covers("hub.example.test/devices/d1/?api-version=2016-11-14", kD1));
  EXPECT_TRUE(covers("hub.example.test/devices/d1/modules/m1/?api-version=2016-11-14", kD1M1));
}

TEST(SasScope, an_id_that_looks_like_an_api_version_does_not_widen_the_scope) {
  EXPECT_FALSE(covers("hub.example.test/devices/api-version=1", kD1));
  EXPECT_FALSE(covers("hub.example.test/api-version=1", kD1));
  EXPECT_FALSE(covers("hub.example.test/devices/d1/modules/api-version=1", kD1M1));
  EXPECT_TRUE(covers("hub.example.test/devices/api-version=1", Identity{"api-version=1", ""}));
}

TEST(SasScope, B26_the_prefix_is_of_whole_segments) {
  EXPECT_FALSE(covers("hub.example.test/devices/d", kD1));
  EXPECT_FALSE(covers("hub.example.test/devices/d10", kD1));
  EXPECT_FALSE(covers("hub.example.test/dev", kD1));
}

TEST(SasScope, B12_another_device_or_hub_is_not_covered) {
  EXPECT_FALSE(covers("hub.example.test/devices/d2", kD1));
  EXPECT_FALSE(covers("other.test/devices/d1", kD1));
  EXPECT_FALSE(covers("other.test", kD1));
}

TEST(SasScope, a_scope_below_the_identity_does_not_cover_its_connection) {
  EXPECT_FALSE(covers("hub.example.test/devices/d1/messages/events", kD1));
  EXPECT_FALSE(covers("hub.example.test/devices/d1/modules/m1", kD1));
  EXPECT_FALSE(covers("hub.example.test//devices/d1", kD1));
}

TEST(SasScope, a_device_covers_its_modules_and_a_module_itself) {
  EXPECT_TRUE(covers("hub.example.test/devices/d1", kD1M1));
  EXPECT_TRUE(covers("hub.example.test/devices/d1/modules/m1", kD1M1));
  EXPECT_FALSE(covers("hub.example.test/devices/d1/modules/m2", kD1M1));
  EXPECT_FALSE(covers("hub.example.test/devices/d2/modules/m1", kD1M1));
}

TEST(SasScope, an_id_segment_may_be_encoded_twice) {
  const Identity strange{"my#dev", ""}, literal{"my%23dev", ""};
  EXPECT_TRUE(covers("hub.example.test/devices/my#dev", strange));
  EXPECT_TRUE(covers("hub.example.test/devices/my%23dev", strange));
  EXPECT_TRUE(covers("hub.example.test%2Fdevices%2Fmy%2523dev", strange));
  EXPECT_TRUE(covers("hub.example.test%2Fdevices%2Fmy%2523dev", literal));
}

TEST(SasScope, R22_a_device_scope_opens_that_device_on_rest_only) {
  const char* scope = "hub.example.test/devices/dev1";
  EXPECT_TRUE(opens(scope, {"devices", "dev1"}));
  EXPECT_TRUE(opens(scope, {"devices", "dev1", "messages", "events"}));
  EXPECT_FALSE(opens(scope, {"devices", "dev10", "messages", "events"}));
  EXPECT_FALSE(opens(scope, {"devices"}));
  EXPECT_FALSE(opens(scope, {"twins", "dev1"}));
}

TEST(SasScope, other_rest_resources_match_by_prefix) {
  EXPECT_TRUE(opens("hub.example.test/twins", {"twins", "d1"}));
  EXPECT_TRUE(opens("hub.example.test", {"statistics", "devices"}));
  EXPECT_TRUE(opens("hub.example.test", {}));
  EXPECT_FALSE(opens("hub.example.test/messages", {"twins", "d1"}));
  EXPECT_FALSE(opens("other.test", {"twins", "d1"}));
}

}  // namespace
}  // namespace kyanite
