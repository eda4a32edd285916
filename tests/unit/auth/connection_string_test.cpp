#include "protocol/auth/connection_string.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kyanite {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kDeviceKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

std::string refusal_of_string(const std::string& text) {
  const auto parsed = parse_connection_string(text);
  if (parsed) return "accepted";
  EXPECT_EQ(parsed.error().code, Errc::argument_invalid);
  return parsed.error().detail;
}

TEST(ConnectionString, service_form_is_parsed) {
  const auto parsed = parse_connection_string(
      "HostName=hub.example.test:8443;SharedAccessKeyName=iothubowner;SharedAccessKey=" + kDeviceKey);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->host_name, "hub.example.test:8443");
  EXPECT_EQ(parsed->policy, "iothubowner");
  EXPECT_EQ(parsed->key, kDeviceKey);
  EXPECT_EQ(parsed->device_id, "");
}

TEST(ConnectionString, device_and_module_forms_are_parsed) {
  const auto parsed =
      parse_connection_string("HostName=h.test;DeviceId=d=1;ModuleId=m1;SharedAccessKey=" + kDeviceKey);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->device_id, "d=1");
  EXPECT_EQ(parsed->module_id, "m1");
}

TEST(ConnectionString, names_in_any_case_any_order_and_a_trailing_semicolon_are_accepted) {
  const auto parsed = parse_connection_string("sharedaccesskey=" + kDeviceKey +
                                              ";DEVICEID=d1;hostname=h.test;GatewayHostName=gw.test;");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->device_id, "d1");
  EXPECT_EQ(parsed->gateway_host_name, "gw.test");
}

TEST(ConnectionString, x509_needs_no_key) {
  const auto parsed = parse_connection_string("HostName=h.test;DeviceId=d1;x509=true");
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->x509);
  EXPECT_THAT(refusal_of_string("HostName=h.test;DeviceId=d1;x509=true;SharedAccessKey=" + kDeviceKey),
              HasSubstr("excludes"));
  EXPECT_THAT(refusal_of_string("HostName=h.test;DeviceId=d1;x509=yes"), HasSubstr("true or false"));
  EXPECT_THAT(refusal_of_string("HostName=h.test;DeviceId=d1;x509=false"),
              HasSubstr("SharedAccessKey is missing"));
}

TEST(ConnectionString, writing_and_reading_give_the_same_value) {
  for (const std::string& text :
       {"HostName=h.test;SharedAccessKeyName=service;SharedAccessKey=" + kDeviceKey,
        "HostName=h.test;DeviceId=d1;SharedAccessKey=" + kDeviceKey,
        std::string("HostName=h.test;DeviceId=d1;x509=true"),
        "HostName=h.test;DeviceId=d1;ModuleId=m1;SharedAccessKey=" + kDeviceKey + ";GatewayHostName=gw"}) {
    const auto parsed = parse_connection_string(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(to_string(*parsed), text);
  }
}

TEST(ConnectionString, what_is_missing_is_named) {
  EXPECT_THAT(refusal_of_string(""), HasSubstr("HostName is missing"));
  EXPECT_THAT(refusal_of_string("DeviceId=d1;SharedAccessKey=" + kDeviceKey),
              HasSubstr("HostName is missing"));
  EXPECT_THAT(refusal_of_string("HostName=h.test;SharedAccessKey=" + kDeviceKey),
              HasSubstr("SharedAccessKeyName"));
  EXPECT_THAT(refusal_of_string("HostName=h.test;DeviceId=d1"), HasSubstr("SharedAccessKey is missing"));
  EXPECT_THAT(
      refusal_of_string("HostName=h.test;ModuleId=m1;SharedAccessKeyName=p;SharedAccessKey=" + kDeviceKey),
      HasSubstr("DeviceId"));
}

TEST(ConnectionString, what_is_wrong_is_named) {
  EXPECT_THAT(refusal_of_string("HostName=h.test;DeviceId=d1;DeviceId=d2;SharedAccessKey=" + kDeviceKey),
              HasSubstr("DeviceId stands twice"));
  EXPECT_THAT(refusal_of_string("HostName=h.test;DeviceId=;SharedAccessKey=" + kDeviceKey),
              HasSubstr("DeviceId is empty"));
  EXPECT_THAT(refusal_of_string("HostName=h.test;DeviceId=a b;SharedAccessKey=" + kDeviceKey),
              HasSubstr("not a device id"));
  EXPECT_THAT(refusal_of_string("HostName=h test;DeviceId=d;SharedAccessKey=" + kDeviceKey),
              HasSubstr("not a host name"));
  EXPECT_THAT(refusal_of_string("HostName=h.test;DeviceId=d1;SharedAccessKey=c2hvcnQ="),
              HasSubstr("16 to 64 bytes"));
  EXPECT_THAT(refusal_of_string("HostName=h.test;Device=d1"), HasSubstr("part 2"));
  EXPECT_THAT(
      refusal_of_string("HostName=h.test;DeviceId=d1;SharedAccessSignature=SharedAccessSignature sr=x"),
      HasSubstr("use SharedAccessKey"));
  EXPECT_THAT(refusal_of_string(std::string(5000, 'a')), HasSubstr("too long"));
}

TEST(ConnectionString, a_refusal_never_quotes_what_may_be_a_key) {
  EXPECT_THAT(refusal_of_string(kDeviceKey), Not(HasSubstr("AAEC")));
  EXPECT_THAT(refusal_of_string("HostName=h.test;" + kDeviceKey), Not(HasSubstr("AAEC")));
  EXPECT_THAT(refusal_of_string("HostName=h.test;DeviceId=d1;SharedAccessKey=" + kDeviceKey + "AAEC"),
              Not(HasSubstr("AAEC")));
}

TEST(ConnectionString, amqp_6_1_connection_strings_have_only_keys_that_every_client_knows) {
  const AccessPolicy policy{"service", "a2V5", "b3RoZXI=", Right::service_connect};
  EXPECT_EQ(events_connection_string("hub.example.test", 5671, "iothub-ehub-hub", policy),
            "Endpoint=sb://hub.example.test/;SharedAccessKeyName=service;SharedAccessKey=a2V5;"
            "EntityPath=iothub-ehub-hub");
  EXPECT_EQ(events_connection_string("hub.example.test", 15671, "iothub-ehub-hub", policy),
            "Endpoint=sb://hub.example.test:15671/;SharedAccessKeyName=service;SharedAccessKey=a2V5;"
            "EntityPath=iothub-ehub-hub");
  EXPECT_EQ(emulator_connection_string("127.0.0.1", 5672, "e", policy),
            "Endpoint=sb://127.0.0.1/;SharedAccessKeyName=service;SharedAccessKey=a2V5;EntityPath=e;"
            "UseDevelopmentEmulator=true");
  EXPECT_EQ(emulator_connection_string("fd00::1", 1234, "e", policy),
            "Endpoint=sb://[fd00::1]:1234/;SharedAccessKeyName=service;SharedAccessKey=a2V5;EntityPath=e;"
            "UseDevelopmentEmulator=true");
}

}  // namespace
}  // namespace kyanite
