#include "protocol/auth/username.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/limits.h"

namespace kyanite {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

const Identity kDeviceOne{"d1", ""};
const Identity kModuleOne{"d1", "m1"};

MqttUsername accepted(std::string_view username, std::string_view client_id) {
  const auto parsed = parse_mqtt_username(username, client_id);
  EXPECT_TRUE(parsed) << username << ": " << (parsed ? "" : parsed.error().detail);
  return parsed ? *parsed : MqttUsername{};
}

std::string refusal_of(std::string_view username, std::string_view client_id) {
  const auto parsed = parse_mqtt_username(username, client_id);
  if (parsed) return "accepted";
  EXPECT_EQ(parsed.error().code, Errc::unauthorized);
  return parsed.error().detail;
}

TEST(MqttUsername, B05_form_u1_carries_the_api_version) {
  const auto username = accepted("hub.example.test/d1/?api-version=2021-04-12", "d1");
  EXPECT_EQ(username.host, "hub.example.test");
  EXPECT_EQ(username.identity, kDeviceOne);
  EXPECT_EQ(username.api_version, "2021-04-12");
}

TEST(MqttUsername, B06_form_u3_has_no_question_mark) {
  EXPECT_EQ(accepted("H/d1/api-version=2016-11-14", "d1").api_version, "2016-11-14");
}

TEST(MqttUsername, B07_form_u6_is_host_and_device_alone) {
  const auto username = accepted("H/d1", "d1");
  EXPECT_EQ(username.identity, kDeviceOne);
  EXPECT_EQ(username.api_version, "");
}

TEST(MqttUsername, B08_parameters_come_in_either_order_with_and_without_question_mark) {
  for (const char* text : {"H/d1/?api-version=2016-11-14&DeviceClientType=iothubclient%2F1.1.12",
                           "H/d1/?DeviceClientType=iothubclient%2F1.1.12&api-version=2016-11-14",
                           "H/d1/api-version=2016-11-14&DeviceClientType=iothubclient%2F1.1.12",
                           "H/d1/DeviceClientType=iothubclient%2F1.1.12&api-version=2016-11-14"}) {
    const auto username = accepted(text, "d1");
    EXPECT_EQ(username.api_version, "2016-11-14");
    EXPECT_EQ(username.client_type, "iothubclient/1.1.12");
  }
}

TEST(MqttUsername, B09_the_identity_must_equal_the_client_id) {
  EXPECT_THAT(refusal_of("H/d1/?api-version=2021-04-12", "d2"), HasSubstr("differs from the client id"));
  EXPECT_THAT(refusal_of("H/d10/?api-version=2021-04-12", "d1"), HasSubstr("differs"));
  EXPECT_THAT(refusal_of("H/D1/?api-version=2021-04-12", "d1"), HasSubstr("differs"));
  EXPECT_THAT(refusal_of("H/d1/?api-version=2021-04-12", "d1/m1"), HasSubstr("differs"));
}

TEST(MqttUsername, B10_only_accepted_hosts_match_ignoring_case_and_port) {
  const std::vector<std::string> hosts{"Hub.Example.test", "127.0.0.1", "::1"};
  EXPECT_TRUE(is_accepted_host("hub.example.TEST:8883", hosts));
  EXPECT_TRUE(is_accepted_host("127.0.0.1", hosts));
  EXPECT_TRUE(is_accepted_host("[::1]:8883", hosts));
  EXPECT_TRUE(is_accepted_host("::1", hosts));
  EXPECT_FALSE(is_accepted_host("hub.example", hosts));
  EXPECT_FALSE(is_accepted_host("hub.example.test.evil", hosts));
  EXPECT_FALSE(is_accepted_host("", hosts));
  EXPECT_FALSE(is_accepted_host("hub.example.test", {}));
}

TEST(MqttUsername, hosts_are_folded_and_lose_port_and_brackets) {
  EXPECT_EQ(normalize_host("Hub.Test:8883"), "hub.test");
  EXPECT_EQ(normalize_host("[FE80::1]:8883"), "fe80::1");
  EXPECT_EQ(normalize_host("fe80::1"), "fe80::1");
  EXPECT_EQ(normalize_host("hub:port"), "hub:port");
  EXPECT_EQ(normalize_host(""), "");
  EXPECT_EQ(normalize_host("[::1"), "[::1");
}

TEST(MqttUsername, B18_form_u2_names_a_module) {
  const auto username = accepted("H/d1/m1/?api-version=2021-04-12", "d1/m1");
  EXPECT_EQ(username.identity, kModuleOne);
  EXPECT_EQ(accepted("H/d1/$edgeAgent/?api-version=2021-04-12", "d1/$edgeAgent").identity.module,
            "$edgeAgent");
}

TEST(MqttUsername, form_u5_separates_parameters_by_a_slash) {
  const auto username = accepted(
      "H/d1/m1/api-version=2017-06-30/DeviceClientType=Microsoft.Azure.Devices.Client/1.5.1-preview-003",
      "d1/m1");
  EXPECT_EQ(username.api_version, "2017-06-30");
  EXPECT_EQ(username.client_type, "Microsoft.Azure.Devices.Client/1.5.1-preview-003");
}

TEST(MqttUsername, form_u7_ends_with_a_slash) {
  EXPECT_EQ(accepted("H/d1/", "d1").identity, kDeviceOne);
  EXPECT_EQ(accepted("H/d1/m1", "d1/m1").identity, kModuleOne);
  EXPECT_EQ(accepted("H/d1/m1/", "d1/m1").identity, kModuleOne);
}

TEST(MqttUsername, form_u8_has_no_slash_before_the_question_mark) {
  EXPECT_EQ(accepted("H/d1?api-version=2021-04-12", "d1").api_version, "2021-04-12");
}

TEST(MqttUsername, a_question_mark_inside_an_id_belongs_to_the_id) {
  const auto username = accepted("H/what?/?api-version=2021-04-12", "what?");
  EXPECT_EQ(username.identity.device, "what?");
  EXPECT_EQ(username.api_version, "2021-04-12");
  EXPECT_EQ(accepted("H/a?b/m?/?api-version=2021-04-12", "a?b/m?").identity.module, "m?");
}

TEST(MqttUsername, an_id_is_never_percent_decoded) {
  EXPECT_EQ(accepted("H/50%25/?api-version=2021-04-12", "50%25").identity.device, "50%25");
  EXPECT_THAT(refusal_of("H/50%25/?api-version=2021-04-12", "50%"), HasSubstr("differs"));
}

TEST(MqttUsername, values_are_decoded_and_plus_stays_plus) {
  const auto username =
      accepted("H/d1/?DeviceClientType=a%20b+c&model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1", "d1");
  EXPECT_EQ(username.client_type, "a b+c");
  EXPECT_EQ(username.model_id, "dtmi:com:example:Thermostat;1");
}

TEST(MqttUsername, a_raw_model_id_is_accepted) {
  const auto username = accepted(
      "H/d1/"
      "?api-version=2021-04-12&model-id=dtmi:com:example:Thermostat;1&DeviceClientType=azure-iot-device%2F1."
      "18.4",
      "d1");
  EXPECT_EQ(username.model_id, "dtmi:com:example:Thermostat;1");
  EXPECT_EQ(username.client_type, "azure-iot-device/1.18.4");
}

TEST(MqttUsername, the_first_of_two_equal_parameters_wins) {
  EXPECT_EQ(accepted("H/d1/?api-version=2021-04-12&api-version=2016-11-14", "d1").api_version, "2021-04-12");
}

TEST(MqttUsername, unknown_parameters_are_kept_and_otherwise_ignored) {
  const auto username = accepted("H/d1/?x=1&api-version=2021-04-12&auth-chain=leaf%3Bedge", "d1");
  EXPECT_THAT(username.other, ElementsAre(Pair("x", "1"), Pair("auth-chain", "leaf;edge")));
}

TEST(MqttUsername, a_value_that_decodes_to_broken_text_stays_as_written) {
  EXPECT_EQ(accepted("H/d1/?DeviceClientType=%FF", "d1").client_type, "%FF");
}

TEST(MqttUsername, any_api_version_is_accepted) {
  EXPECT_EQ(accepted("H/d1/?api-version=yesterday", "d1").api_version, "yesterday");
}

TEST(MqttUsername, a_module_user_name_does_not_open_its_device) {
  EXPECT_THAT(refusal_of("H/d1/m1/?api-version=2021-04-12", "d1"), HasSubstr("name=value"));
  EXPECT_THAT(refusal_of("H/d1/m1", "d1"), HasSubstr("name=value"));
  EXPECT_THAT(refusal_of("H/d1/m1/?x=1", "d1"), HasSubstr("name=value"));
  EXPECT_THAT(refusal_of("H/d1/m1?x=1", "d1"), HasSubstr("name=value"));
}

TEST(MqttUsername, malformed_user_names_are_refused) {
  EXPECT_THAT(refusal_of("", "d1"), HasSubstr("missing"));
  EXPECT_THAT(refusal_of("d1", "d1"), HasSubstr("host/device"));
  EXPECT_THAT(refusal_of("/d1", "d1"), HasSubstr("host/device"));
  EXPECT_THAT(refusal_of(":8883/d1", "d1"), HasSubstr("host is empty"));
  EXPECT_THAT(refusal_of("H/", "d1"), HasSubstr("differs"));
  EXPECT_THAT(refusal_of("H/d1/\xff", "d1"), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal_of("H/d1/?x=" + std::string(limits::kUsernameBytesMax, 'a'), "d1"),
              HasSubstr("too long"));
}

TEST(MqttUsername, client_ids_that_name_no_identity_are_refused) {
  for (const char* client_id : {"", "a b", "d1/", "/m1", "d1/m1/x", "d1//m1"}) {
    EXPECT_THAT(refusal_of("H/" + std::string(client_id) + "/?api-version=2021-04-12", client_id),
                HasSubstr("client id"));
  }
}

}  // namespace
}  // namespace kyanite
