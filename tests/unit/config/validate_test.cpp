#include "config/validate.h"

#include <gmock/gmock.h>

namespace kyanite {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST(ListenAddress, forms_are_read_and_written_back) {
  for (const std::string text : {"0.0.0.0:8883", "127.0.0.1:0", "[::]:443", "[::1]:65535",
                                 "[fd00:1:2:3:4:5:6:7]:1", "[::ffff:10.0.0.1]:1", "[fe80::]:9"}) {
    const auto parsed = listen_address_from_text(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(to_string(*parsed), text);
  }
  EXPECT_EQ(to_string(*listen_address_from_text("*:1")), "[::]:1");
}

TEST(ListenAddress, only_an_address_that_names_no_family_gives_way_to_ipv4) {
  EXPECT_TRUE(listen_address_from_text("*:1")->or_ipv4);
  EXPECT_FALSE(listen_address_from_text("[::]:1")->or_ipv4);
  EXPECT_FALSE(listen_address_from_text("0.0.0.0:1")->or_ipv4);
  const Settings::Listeners defaults;
  EXPECT_TRUE(defaults.mqtts.or_ipv4 && defaults.https.or_ipv4 && defaults.amqps->or_ipv4);
  EXPECT_FALSE(defaults.admin->or_ipv4);
}

TEST(ListenAddress, what_is_no_address_is_refused) {
  for (const std::string text : {"",
                                 ":",
                                 "8883",
                                 ":8883",
                                 "localhost:1",
                                 "127.0.0.1",
                                 "127.0.0.1:",
                                 "127.0.0.1:65536",
                                 "127.0.0.1:-1",
                                 "127.0.0.1:1x",
                                 "256.0.0.1:1",
                                 "1.2.3:1",
                                 "1.2.3.4.5:1",
                                 "::1:8883",
                                 "[::1]",
                                 "[::1:1",
                                 "[:::]:1",
                                 "[1::2::3]:1",
                                 "[12345::]:1",
                                 "[1:2:3:4:5:6:7]:1",
                                 "[1:2:3:4:5:6:7:8:9]:1",
                                 "[g::]:1",
                                 "0001.1.1.1:1"}) {
    EXPECT_FALSE(listen_address_from_text(text)) << text;
  }
}

TEST(HostName, names_and_addresses_are_accepted) {
  for (const std::string name : {"hub", "hub.example.test", "127.0.0.1", "fd00::1", "a-b.c_d"}) {
    EXPECT_FALSE(host_name_fault(name)) << name;
  }
}

TEST(HostName, what_no_certificate_may_name_is_refused_with_a_reason) {
  EXPECT_THAT(host_name_fault("https://hub")->what, HasSubstr("page"));
  EXPECT_THAT(host_name_fault("hub:8883")->what, HasSubstr("port"));
  EXPECT_THAT(host_name_fault("a..b")->what, HasSubstr("part"));
  EXPECT_THAT(host_name_fault("*.test")->remedy, HasSubstr("wildcard"));
  EXPECT_TRUE(host_name_fault(""));
  EXPECT_TRUE(host_name_fault("hub."));
  EXPECT_TRUE(host_name_fault("a b"));
  EXPECT_TRUE(host_name_fault("[::1]"));
  EXPECT_TRUE(host_name_fault(std::string(64, 'a')));
}

TEST(CheckSettings, certificate_and_key_go_together) {
  Settings settings;
  settings.tls.certificate_file = "hub.pem";
  EXPECT_THAT(to_text(check_settings(settings)), HasSubstr("tls.keyFile is missing"));
  settings.tls.key_file = "hub.key";
  EXPECT_THAT(check_settings(settings), IsEmpty());
  settings.tls.certificate_file.clear();
  EXPECT_THAT(to_text(check_settings(settings)), HasSubstr("tls.certificateFile is missing"));
}

TEST(CheckSettings, the_event_hub_has_a_name_that_addresses_can_hold) {
  Settings settings;
  for (const char* good : {"", "telemetry", "iothub-ehub-hub-1-ab.c_d", "7"}) {
    settings.events.entity = good;
    EXPECT_THAT(check_settings(settings), IsEmpty()) << good;
  }
  for (const char* bad : {"a/b", "-a", "a-", "a b", "messages", "devices", "$cbs"}) {
    settings.events.entity = bad;
    EXPECT_THAT(to_text(check_settings(settings)), HasSubstr("events.entity is no name")) << bad;
  }
}

TEST(CheckSettings, a_ca_file_needs_a_certificate) {
  Settings settings;
  settings.tls.ca_file = "ca.pem";
  EXPECT_THAT(check_settings(settings), SizeIs(1));
}

TEST(CheckSettings, one_port_cannot_serve_both_protocols) {
  Settings settings;
  settings.listen.https = {"127.0.0.1", 8883};
  EXPECT_THAT(check_settings(settings), SizeIs(1));
  settings.listen.mqtts = {"127.0.0.2", 8883};
  EXPECT_THAT(check_settings(settings), IsEmpty());
  settings.listen.mqtts.port = settings.listen.https.port = 0;
  settings.listen.mqtts.address = settings.listen.https.address;
  EXPECT_THAT(check_settings(settings), IsEmpty());
}

TEST(CheckSettings, a_published_owner_key_needs_private_addresses_or_test_control) {
  Settings settings;
  settings.auth.owner_key = "a3lhbml0ZS10ZXN0LXN1aXRlLWtleS1vbmx5IQ==";
  EXPECT_THAT(to_text(check_settings(settings)), HasSubstr("[::]:8883 is not a private address"));
  settings.test_control = true;
  EXPECT_THAT(check_settings(settings), IsEmpty());
  settings.test_control = false;
  settings.listen.mqtts.address = "127.0.0.1";
  settings.listen.https.address = "10.1.2.3";
  settings.listen.amqps->address = "fd00::1";
  EXPECT_THAT(check_settings(settings), IsEmpty());
  settings.listen.amqp = ListenAddress{"203.0.113.7", 5672};
  EXPECT_THAT(check_settings(settings), SizeIs(1));
  settings.auth.owner_key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
  EXPECT_THAT(check_settings(settings), IsEmpty());
}

TEST(ListenAddress, private_ones_are_told_from_those_that_strangers_reach) {
  for (const char* address :
       {"127.0.0.1", "127.9.9.9", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.0.1",
        "::1", "fc00::1", "FD12:3456::1", "fe80::1", "febf::1", "::ffff:10.0.0.1"})
    EXPECT_TRUE(is_private({address, 1})) << address;
  for (const char* address : {"0.0.0.0", "::", "8.8.8.8", "172.15.0.1", "172.32.0.1", "192.169.0.1",
                              "11.0.0.1", "2001:db8::1", "fec0::1", "fc::1", "::ffff:8.8.8.8", "126.0.0.1"})
    EXPECT_FALSE(is_private({address, 1})) << address;
}

}  // namespace
}  // namespace kyanite
