#include "protocol/topics/device_topic.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

const Identity kDevice{"d1", ""};
const Identity kModule{"d1", "m1"};

template <class Topic>
Topic parse(std::string_view text, const Identity& self = kDevice) {
  const auto topic = parse_device_topic(text, self);
  if (!topic || !std::holds_alternative<Topic>(*topic)) {
    ADD_FAILURE() << text << " is another topic, or refused";
    return {};
  }
  return std::get<Topic>(*topic);
}

bool refused(std::string_view text, const Identity& self = kDevice) {
  const auto topic = parse_device_topic(text, self);
  return !topic && topic.error().code == Errc::topic_not_allowed;
}

TEST(DeviceTopic, B37_reads_telemetry_without_properties) {
  EXPECT_EQ(parse<TelemetryTopic>("devices/d1/messages/events/").bag, "");
}

TEST(DeviceTopic, B38_reads_the_tolerated_forms_of_telemetry) {
  EXPECT_EQ(parse<TelemetryTopic>("devices/d1/messages/events").bag, "");
  EXPECT_EQ(parse<TelemetryTopic>("devices/d1/messages/events//").bag, "/");
  EXPECT_EQ(parse<TelemetryTopic>("devices/d1/messages/events/a=1&b=2/").bag, "a=1&b=2/");
  EXPECT_EQ(parse<TelemetryTopic>("devices/d1/messages/events/?a=1").bag, "?a=1");
}

TEST(DeviceTopic, leaves_the_bag_encoded) {
  EXPECT_EQ(parse<TelemetryTopic>("devices/d1/messages/events/%24.mid=1&url=http://x/y").bag,
            "%24.mid=1&url=http://x/y");
}

TEST(DeviceTopic, B49_reads_module_telemetry) {
  EXPECT_EQ(parse<TelemetryTopic>("devices/d1/modules/m1/messages/events/$.on=out1", kModule).bag,
            "$.on=out1");
}

TEST(DeviceTopic, B44_refuses_topics_of_another_identity) {
  EXPECT_TRUE(refused("devices/d2/messages/events/"));
  EXPECT_TRUE(refused("devices/d11/messages/events/"));
  EXPECT_TRUE(refused("devices/d/messages/events/"));
  EXPECT_TRUE(refused("devices/D1/messages/events/"));
  EXPECT_TRUE(refused("devices/d1/modules/m1/messages/events/"));
  EXPECT_TRUE(refused("devices/d1/messages/events/", kModule));
  EXPECT_TRUE(refused("devices/d1/modules/m2/messages/events/", kModule));
}

TEST(DeviceTopic, B44_refuses_topics_that_are_not_documented) {
  for (const auto topic :
       {"foo/bar", "$iothub/foo", "", "/", "devices/d1", "devices/d1/messages/", "$iothub/",
        "devices/d1/messages/eventsx", "devices/d1/messages/devicebound/", "Devices/d1/messages/events/",
        "devices/d1/Messages/events/", "/devices/d1/messages/events/", "devices//messages/events/"}) {
    EXPECT_TRUE(refused(topic)) << topic;
  }
}

TEST(DeviceTopic, refuses_wildcards_outside_the_own_id) {
  EXPECT_TRUE(refused("devices/d1/messages/events/a=1+1"));
  EXPECT_TRUE(refused("devices/d1/messages/events/#"));
  EXPECT_TRUE(refused("devices/+/messages/events/"));
  EXPECT_TRUE(refused("$iothub/twin/GET/?$rid=a+b"));
  EXPECT_TRUE(refused("$iothub/methods/res/200/?$rid=#"));
}

TEST(DeviceTopic, compares_ids_literally) {
  EXPECT_EQ(parse<TelemetryTopic>("devices/a+b#$%41/messages/events/x=1", {"a+b#$%41", ""}).bag, "x=1");
  EXPECT_TRUE(refused("devices/A/messages/events/", {"%41", ""}));
  EXPECT_TRUE(refused("devices/%41/messages/events/", {"A", ""}));
  EXPECT_TRUE(refused("devices/axb/messages/events/", {"a+b", ""}));
  EXPECT_EQ(parse<TelemetryTopic>("devices/d1/modules/$edge+/messages/events/", {"d1", "$edge+"}).bag, "");
}

TEST(DeviceTopic, reads_twin_get_with_its_request_id_as_it_is) {
  EXPECT_EQ(parse<TwinGetTopic>("$iothub/twin/GET/?$rid=ho").request_id, "ho");
  EXPECT_EQ(parse<TwinGetTopic>("$iothub/twin/GET/?$rid=%20a%2Fb").request_id, "%20a%2Fb");
  EXPECT_EQ(parse<TwinGetTopic>("$iothub/twin/GET?$rid=1").request_id, "1");
  EXPECT_EQ(parse<TwinGetTopic>("$iothub/twin/GET/?x=y&$rid=1&z").request_id, "1");
  EXPECT_EQ(parse<TwinGetTopic>("$iothub/twin/GET/?$rid=a=b", kModule).request_id, "a=b");
}

TEST(DeviceTopic, B69_refuses_twin_get_without_a_request_id) {
  for (const auto topic :
       {"$iothub/twin/GET", "$iothub/twin/GET/", "$iothub/twin/GET/?", "$iothub/twin/GET/?$rid",
        "$iothub/twin/GET/?$rid=", "$iothub/twin/GET/?rid=1", "$iothub/twin/GET/$rid=1",
        "$iothub/twin/GETx?$rid=1", "$iothub/twin/GET/x/?$rid=1"}) {
    EXPECT_TRUE(refused(topic)) << topic;
  }
}

TEST(DeviceTopic, caps_request_ids_at_128_bytes) {
  const std::string longest(128, 'r');
  EXPECT_EQ(parse<TwinGetTopic>("$iothub/twin/GET/?$rid=" + longest).request_id, longest);
  EXPECT_TRUE(refused("$iothub/twin/GET/?$rid=r" + longest));
  EXPECT_TRUE(refused("$iothub/twin/PATCH/properties/reported/?$rid=r" + longest));
  EXPECT_TRUE(refused("$iothub/methods/res/200/?$rid=r" + longest));
}

TEST(DeviceTopic, reads_reported_patches) {
  const auto patch =
      parse<TwinPatchReportedTopic>("$iothub/twin/PATCH/properties/reported/?$rid=1&$version=7");
  EXPECT_EQ(patch.request_id, "1");
  EXPECT_EQ(patch.version, "7");
  EXPECT_EQ(parse<TwinPatchReportedTopic>("$iothub/twin/PATCH/properties/reported?$rid=2").request_id, "2");
}

TEST(DeviceTopic, takes_a_reported_patch_without_a_request_id) {
  const auto patch = parse<TwinPatchReportedTopic>("$iothub/twin/PATCH/properties/reported/");
  EXPECT_EQ(patch.request_id, "");
  EXPECT_EQ(patch.version, "");
}

TEST(DeviceTopic, refuses_other_twin_resources) {
  for (const auto topic :
       {"$iothub/twin/PATCH/properties/desired/?$rid=1", "$iothub/twin/PATCH/tags/?$rid=1",
        "$iothub/twin/PUT/?$rid=1", "$iothub/twin/res/200/?$rid=1",
        "$iothub/twin/PATCH/properties/reportedx?$rid=1", "$iothub/twin/patch/properties/reported/?$rid=1"}) {
    EXPECT_TRUE(refused(topic)) << topic;
  }
}

TEST(DeviceTopic, reads_method_responses) {
  const auto response = parse<MethodResponseTopic>("$iothub/methods/res/200/?$rid=1a&x=y");
  EXPECT_EQ(response.status, "200");
  EXPECT_EQ(response.request_id, "1a");
  EXPECT_EQ(parse<MethodResponseTopic>("$iothub/methods/res/-1/?$rid=1").status, "-1");
  EXPECT_EQ(parse<MethodResponseTopic>("$iothub/methods/res/2147483647/?$rid=1").status, "2147483647");
}

TEST(DeviceTopic, B76_refuses_a_method_status_that_is_not_a_32_bit_integer) {
  for (const auto topic : {"$iothub/methods/res/abc/?$rid=1", "$iothub/methods/res//?$rid=1",
                           "$iothub/methods/res/2x/?$rid=1", "$iothub/methods/res/2147483648/?$rid=1",
                           "$iothub/methods/res/ 200/?$rid=1", "$iothub/methods/res/-/?$rid=1"}) {
    EXPECT_TRUE(refused(topic)) << topic;
  }
}

TEST(DeviceTopic, refuses_other_method_topics) {
  for (const auto topic : {"$iothub/methods/res/200", "$iothub/methods/res/200/",
                           "$iothub/methods/res/200/?$rid=", "$iothub/methods/POST/x/?$rid=1",
                           "$iothub/streams/res/200/?$rid=1", "$iothub/credentials/POST/?$rid=1"}) {
    EXPECT_TRUE(refused(topic)) << topic;
  }
}

FilterKind filter(std::string_view text, const Identity& self) {
  return parse_device_filter(text, self).value();
}

bool filter_refused(std::string_view text, const Identity& self) {
  const auto kind = parse_device_filter(text, self);
  return !kind && kind.error().code == Errc::topic_not_allowed;
}

TEST(DeviceFilter, B78_reads_the_filters_of_a_device) {
  EXPECT_EQ(filter("devices/d1/messages/devicebound/#", kDevice), FilterKind::c2d);
  EXPECT_EQ(filter("$iothub/twin/res/#", kDevice), FilterKind::twin_responses);
  EXPECT_EQ(filter("$iothub/twin/PATCH/properties/desired/#", kDevice), FilterKind::twin_desired);
  EXPECT_EQ(filter("$iothub/methods/POST/#", kDevice), FilterKind::methods);
}

TEST(DeviceFilter, reads_the_filters_of_a_module) {
  EXPECT_EQ(filter("devices/d1/modules/m1/#", kModule), FilterKind::module_inputs);
  EXPECT_EQ(filter("devices/d1/modules/m1/inputs/#", kModule), FilterKind::module_inputs);
  EXPECT_EQ(filter("devices/d1/modules/m1/messages/devicebound/#", kModule), FilterKind::module_c2d);
  EXPECT_EQ(filter("$iothub/twin/res/#", kModule), FilterKind::twin_responses);
  EXPECT_EQ(filter("$iothub/methods/POST/#", kModule), FilterKind::methods);
}

TEST(DeviceFilter, B77_refuses_everything_else) {
  for (const auto text : {"#",
                          "+",
                          "",
                          "devices/#",
                          "devices/d2/messages/devicebound/#",
                          "devices/d1/#",
                          "devices/d1/messages/#",
                          "devices/+/messages/devicebound/#",
                          "devices/d1/messages/events/#",
                          "devices/d1/messages/devicebound/x/#",
                          "devices/d1/messages/devicebound",
                          "devices/d1/messages/devicebound/",
                          "devices/d1/inputs/#",
                          "devices/d1/modules/m1/#",
                          "$iothub/#",
                          "$SYS/#",
                          "a/#/b",
                          "$iothub/twin/res",
                          "$iothub/twin/res/",
                          "$iothub/twin/res/+",
                          "$iothub/twin/#",
                          "$iothub/methods/#",
                          "$iothub/twin/PATCH/properties/reported/#"}) {
    EXPECT_TRUE(filter_refused(text, kDevice)) << text;
  }
  for (const auto text :
       {"devices/d1/messages/devicebound/#", "devices/d1/modules/m2/#", "devices/d1/modules/#",
        "devices/d1/modules/m1/inputs", "devices/d1/modules/m1/outputs/#", "devices/d1/modules/m1"}) {
    EXPECT_TRUE(filter_refused(text, kModule)) << text;
  }
}

TEST(DeviceFilter, takes_wildcard_characters_of_the_own_id_literally) {
  EXPECT_EQ(filter("devices/a+b/messages/devicebound/#", {"a+b", ""}), FilterKind::c2d);
  EXPECT_EQ(filter("devices/#/messages/devicebound/#", {"#", ""}), FilterKind::c2d);
  EXPECT_TRUE(filter_refused("devices/+/messages/devicebound/#", {"a", ""}));
  EXPECT_TRUE(filter_refused("devices/a/messages/devicebound/#", {"+", ""}));
}

}  // namespace
}  // namespace kyanite
