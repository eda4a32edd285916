#include "protocol/auth/connection_string.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kyanite {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string kKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

std::string refusal_of(const std::string& text) {
  const auto parsed = parse_connection_string(text);
  if (parsed) return "accepted";
  EXPECT_EQ(parsed.error().code, Errc::argument_invalid);
  return parsed.error().detail;
}

TEST(ConnectionString, service_form_is_parsed) {
  const auto parsed = parse_connection_string(
      "HostName=hub.example.test:8443;SharedAccessKeyName=iothubowner;SharedAccessKey=" + kKey);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->host_name, "hub.example.test:8443");
  EXPECT_EQ(parsed->policy, "iothubowner");
  EXPECT_EQ(parsed->key, kKey);
  EXPECT_EQ(parsed->device_id, "");
}

TEST(ConnectionString, device_and_module_forms_are_parsed) {
  const auto parsed =
      parse_connection_string("HostName=h.test;DeviceId=d=1;ModuleId=m1;SharedAccessKey=" + kKey);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->device_id, "d=1");
  EXPECT_EQ(parsed->module_id, "m1");
}

TEST(ConnectionString, names_in_any_case_any_order_and_a_trailing_semicolon_are_accepted) {
  const auto parsed = parse_connection_string("sharedaccesskey=" + kKey +
                                              ";DEVICEID=d1;hostname=h.test;GatewayHostName=gw.test;");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->device_id, "d1");
  EXPECT_EQ(parsed->gateway_host_name, "gw.test");
}

TEST(ConnectionString, x509_needs_no_key) {
  const auto parsed = parse_connection_string("HostName=h.test;DeviceId=d1;x509=true");
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->x509);
  EXPECT_THAT(refusal_of("HostName=h.test;DeviceId=d1;x509=true;SharedAccessKey=" + kKey),
              HasSubstr("excludes"));
  EXPECT_THAT(refusal_of("HostName=h.test;DeviceId=d1;x509=yes"), HasSubstr("true or false"));
  EXPECT_THAT(refusal_of("HostName=h.test;DeviceId=d1;x509=false"), HasSubstr("SharedAccessKey is missing"));
}

TEST(ConnectionString, writing_and_reading_give_the_same_value) {
  for (const std::string& text :
       {"HostName=h.test;SharedAccessKeyName=service;SharedAccessKey=" + kKey,
        "HostName=h.test;DeviceId=d1;SharedAccessKey=" + kKey,
        std::string("HostName=h.test;DeviceId=d1;x509=true"),
        "HostName=h.test;DeviceId=d1;ModuleId=m1;SharedAccessKey=" + kKey + ";GatewayHostName=gw"}) {
    const auto parsed = parse_connection_string(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(to_string(*parsed), text);
  }
}

TEST(ConnectionString, what_is_missing_is_named) {
  EXPECT_THAT(refusal_of(""), HasSubstr("HostName is missing"));
  EXPECT_THAT(refusal_of("DeviceId=d1;SharedAccessKey=" + kKey), HasSubstr("HostName is missing"));
  EXPECT_THAT(refusal_of("HostName=h.test;SharedAccessKey=" + kKey), HasSubstr("SharedAccessKeyName"));
  EXPECT_THAT(refusal_of("HostName=h.test;DeviceId=d1"), HasSubstr("SharedAccessKey is missing"));
  EXPECT_THAT(refusal_of("HostName=h.test;ModuleId=m1;SharedAccessKeyName=p;SharedAccessKey=" + kKey),
              HasSubstr("DeviceId"));
}

TEST(ConnectionString, what_is_wrong_is_named) {
  EXPECT_THAT(refusal_of("HostName=h.test;DeviceId=d1;DeviceId=d2;SharedAccessKey=" + kKey),
              HasSubstr("DeviceId stands twice"));
  EXPECT_THAT(refusal_of("HostName=h.test;DeviceId=;SharedAccessKey=" + kKey),
              HasSubstr("DeviceId is empty"));
  EXPECT_THAT(refusal_of("HostName=h.test;DeviceId=a b;SharedAccessKey=" + kKey),
              HasSubstr("not a device id"));
  EXPECT_THAT(refusal_of("HostName=h test;DeviceId=d;SharedAccessKey=" + kKey), HasSubstr("not a host name"));
  EXPECT_THAT(refusal_of("HostName=h.test;DeviceId=d1;SharedAccessKey=c2hvcnQ="),
              HasSubstr("16 to 64 bytes"));
  EXPECT_THAT(refusal_of("HostName=h.test;Device=d1"), HasSubstr("part 2"));
  EXPECT_THAT(refusal_of("HostName=h.test;DeviceId=d1;SharedAccessSignature=SharedAccessSignature sr=x"),
              HasSubstr("use SharedAccessKey"));
  EXPECT_THAT(refusal_of(std::string(5000, 'a')), HasSubstr("too long"));
}

TEST(ConnectionString, a_refusal_never_quotes_what_may_be_a_key) {
  EXPECT_THAT(refusal_of(kKey), Not(HasSubstr("AAEC")));
  EXPECT_THAT(refusal_of("HostName=h.test;" + kKey), Not(HasSubstr("AAEC")));
  EXPECT_THAT(refusal_of("HostName=h.test;DeviceId=d1;SharedAccessKey=" + kKey + "AAEC"),
              Not(HasSubstr("AAEC")));
}

}  // namespace
}  // namespace kyanite
