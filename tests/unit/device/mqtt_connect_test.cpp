#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/auth/sas_token.h"
#include "protocol/auth/symmetric_key.h"
#include "protocol/auth/thumbprint.h"
#include "protocol/base/base64.h"
#include "protocol/base/percent_encoding.h"
#include "server/hub/hub_administration.h"
#include "tests/support/sim_device.h"
#include "tests/support/test_certificates.h"

namespace kyanite::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using Packets = std::vector<std::string>;

const Packets kAccepted{"CONNACK 0"};
const Packets kUnauthorized{"CONNACK 5"};
const Packets kUnavailable{"CONNACK 3"};

// CONNECT conversations with d1, a registered and enabled SAS device.
class DeviceMqttConnect : public testing::Test {
 protected:
  Packets connect_as(const std::string& username) {
    return SimDevice::try_connect(hub, d1, {.username = username});
  }
  Packets connect_with(const std::string& token) {
    return SimDevice::try_connect(hub, d1, {.password = token});
  }
  // The fields of a token for a scope as it stands on the wire, in the order asked for.
  std::string fields(const std::string& sr, std::string_view order) {
    const std::string se = std::to_string(in(seconds(60)));
    const std::string sig = encode_base64(hmac_sha256(*decode_base64(d1.primary_key), sr + "\n" + se));
    std::string text;
    for (std::size_t begin = 0; begin < order.size();) {
      const std::string_view name = order.substr(begin, order.find(',', begin) - begin);
      text += (text.empty() ? "" : "&") + std::string(name) + "=";
      text += name == "sr" ? sr : name == "se" ? se : percent_encode(sig);
      begin += name.size() + 1;
    }
    return text;
  }
  std::int64_t in(seconds lifetime) {
    return (std::chrono::duration_cast<seconds>(hub.loop.wall_now().time_since_epoch()) + lifetime).count();
  }

  SimHub hub;
  IdentityRecord d1 = hub.add(device("d1"));
  const std::string h = SimHub::host();
};

TEST_F(DeviceMqttConnect, B5_user_name_with_slash_and_question_mark) {
  EXPECT_EQ(connect_as(h + "/d1/?api-version=2021-04-12"), kAccepted);
}

TEST_F(DeviceMqttConnect, B6_user_name_without_question_mark) {
  EXPECT_EQ(connect_as(h + "/d1/api-version=2016-11-14"), kAccepted);
}

TEST_F(DeviceMqttConnect, B7_user_name_of_host_and_device_alone) {
  EXPECT_EQ(connect_as(h + "/d1"), kAccepted);
}

TEST_F(DeviceMqttConnect, B8_client_type_before_and_after_the_api_version) {
  EXPECT_EQ(connect_as(h + "/d1/?api-version=2021-04-12&DeviceClientType=a%2F1"), kAccepted);
  EXPECT_EQ(connect_as(h + "/d1/?DeviceClientType=a%2F1&api-version=2021-04-12"), kAccepted);
  EXPECT_EQ(connect_as(h + "/d1/api-version=2021-04-12&DeviceClientType=a%2F1"), kAccepted);
  EXPECT_EQ(connect_as(h + "/d1/DeviceClientType=a%2F1&api-version=2021-04-12"), kAccepted);
}

TEST_F(DeviceMqttConnect, B9_client_id_of_another_device_is_refused_and_closed) {
  SimDevice client(hub, d1);
  EXPECT_EQ(client.connect({.client_id = "d2", .username = h + "/d1/?api-version=2021-04-12"}),
            kUnauthorized);
  EXPECT_TRUE(client.closed());
}

TEST_F(DeviceMqttConnect, B10_unknown_host_is_refused_and_aliases_are_not) {
  EXPECT_EQ(connect_as("other.example.test/d1"), kUnauthorized);
  EXPECT_EQ(connect_as("HUB-alias.example.test:8883/d1"), kAccepted);
}

TEST_F(DeviceMqttConnect, any_host_is_accepted_when_strict_host_is_off) {
  SimHub::Options options;
  options.settings.auth.strict_host = false;
  SimHub lax(options);
  const IdentityRecord d2 = lax.add(device("d2"));
  EXPECT_EQ(SimDevice::try_connect(lax, d2, {.username = "localhost/d2"}), kAccepted);
  const std::string token = make_sas_token("localhost/devices/d2", d2.primary_key, in(seconds(60)));
  EXPECT_EQ(SimDevice::try_connect(lax, d2, {.username = "localhost/d2", .password = token}), kAccepted);
}

TEST_F(DeviceMqttConnect, B11_unregistered_device_is_refused) {
  IdentityRecord unknown = d1;
  unknown.id.device = "nobody";
  EXPECT_EQ(SimDevice::try_connect(hub, unknown), kUnauthorized);
  EXPECT_EQ(hub.actors(), 0u);
}

TEST_F(DeviceMqttConnect, B12_wrong_key_foreign_token_and_expired_token_are_refused) {
  const IdentityRecord d2 = hub.add(device("d2"));
  const std::string resource = h + "/devices/d1";
  EXPECT_EQ(connect_with(make_sas_token(resource, d2.primary_key, in(seconds(60)))), kUnauthorized);
  EXPECT_EQ(connect_with(hub.token_of(d2)), kUnauthorized);
  EXPECT_EQ(connect_with(make_sas_token(resource, d1.primary_key, in(seconds(-301)))), kUnauthorized);
}

TEST_F(DeviceMqttConnect, B13_token_expired_two_minutes_ago_is_within_the_skew) {
  EXPECT_EQ(connect_with(hub.token_of(d1, seconds(-120))), kAccepted);
}

TEST_F(DeviceMqttConnect, B14_disabled_device_is_unavailable_only_to_who_proves_itself) {
  IdentityRecord off = wanted(device("d1"));
  off.status = IdentityStatus::disabled;
  off.primary_key = d1.primary_key;
  off.secondary_key = d1.secondary_key;
  ASSERT_TRUE(hub.put(off, IfMatch{true, {}}));
  EXPECT_EQ(SimDevice::try_connect(hub, d1), kUnavailable);
  EXPECT_EQ(
      connect_with(make_sas_token(h + "/devices/d1", hub.policy("device").primary_key, in(seconds(60)))),
      kUnauthorized);
}

TEST_F(DeviceMqttConnect, B15_other_protocol_levels_are_refused_with_1_and_closed) {
  SimDevice old(hub, d1);
  EXPECT_EQ(old.send(std::string_view("\x10\x10\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x02"
                                      "d1",
                                      18)),
            Packets{"CONNACK 1"});
  EXPECT_TRUE(old.closed());
  SimDevice five(hub, d1);
  EXPECT_EQ(five.send(std::string_view("\x10\x0f\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x02"
                                       "d1",
                                       17)),
            Packets{"CONNACK 1"});
  EXPECT_TRUE(five.closed());
}

TEST_F(DeviceMqttConnect, B16_empty_client_id_is_refused_with_2_and_closed) {
  for (const bool clean : {false, true}) {
    SimDevice client(hub, d1);
    std::string bytes;
    mqtt::append_connect(bytes, {"", h + "/d1", hub.token_of(d1), 60, clean, std::nullopt});
    EXPECT_EQ(client.send(bytes), Packets{"CONNACK 2"});
    EXPECT_TRUE(client.closed());
  }
}

TEST_F(DeviceMqttConnect, B17_a_first_packet_that_is_no_connect_closes) {
  SimDevice client(hub, d1);
  EXPECT_THAT(client.telemetry("", "x"), IsEmpty());
  EXPECT_TRUE(client.closed());
}

TEST_F(DeviceMqttConnect, B17_a_second_connect_closes) {
  SimDevice client(hub, d1);
  ASSERT_EQ(client.connect(), kAccepted);
  EXPECT_THAT(client.connect(), IsEmpty());
  EXPECT_TRUE(client.closed());
}

TEST_F(DeviceMqttConnect, B18_a_module_connects_beside_its_device) {
  const IdentityRecord m1 = hub.add(module("d1", "m1"));
  SimDevice d1_client(hub, d1);
  SimDevice m1_client(hub, m1, 1);
  EXPECT_EQ(d1_client.connect(), kAccepted);
  EXPECT_EQ(m1_client.connect(), kAccepted);
  EXPECT_EQ(d1_client.telemetry("", "x"), Packets{"PUBACK 1"});
  EXPECT_EQ(m1_client.telemetry("", "x"), Packets{"PUBACK 1"});
}

TEST_F(DeviceMqttConnect, a_module_that_does_not_exist_is_refused) {
  IdentityRecord m9 = hub.add(module("d1", "m1"));
  m9.id.module = "m9";
  EXPECT_EQ(SimDevice::try_connect(hub, m9), kUnauthorized);
}

TEST_F(DeviceMqttConnect, a_device_key_does_not_open_a_module) {
  const IdentityRecord m1 = hub.add(module("d1", "m1"));
  EXPECT_EQ(SimDevice::try_connect(hub, m1, {.password = hub.token_of(d1)}), kUnauthorized);
}

TEST_F(DeviceMqttConnect, B21_tokens_of_both_keys_are_accepted) {
  EXPECT_EQ(connect_with(make_sas_token(h + "/devices/d1", d1.primary_key, in(seconds(60)))), kAccepted);
  EXPECT_EQ(connect_with(make_sas_token(h + "/devices/d1", d1.secondary_key, in(seconds(60)))), kAccepted);
}

TEST_F(DeviceMqttConnect, B22_policies_with_device_connect_open_the_hub_scope) {
  EXPECT_EQ(connect_with(hub.policy_token("device")), kAccepted);
  EXPECT_EQ(connect_with(hub.policy_token("iothubowner")), kAccepted);
  EXPECT_EQ(connect_with(hub.policy_token("service")), kUnauthorized);
  EXPECT_EQ(connect_with(make_sas_token(h, hub.policy("device").primary_key, in(seconds(60)), "nosuch")),
            kUnauthorized);
}

TEST_F(DeviceMqttConnect, a_policy_token_does_not_replace_registration) {
  IdentityRecord unknown = wanted(device("nobody"));
  EXPECT_EQ(SimDevice::try_connect(hub, unknown, {.password = hub.policy_token("device")}), kUnauthorized);
}

TEST_F(DeviceMqttConnect, a_devices_own_key_does_not_open_the_hub_scope) {
  EXPECT_EQ(connect_with(make_sas_token(h, d1.primary_key, in(seconds(60)))), kUnauthorized);
  EXPECT_EQ(connect_with(make_sas_token(h + "/devices", d1.primary_key, in(seconds(60)))), kUnauthorized);
}

TEST_F(DeviceMqttConnect, B23_a_scope_is_signed_as_it_stands) {
  for (const std::string& sr : {h + "/devices/d1", h + "%2Fdevices%2Fd1", h + "%2fdevices%2fd1"}) {
    EXPECT_EQ(connect_with("SharedAccessSignature " + fields(sr, "sr,sig,se")), kAccepted) << sr;
  }
}

TEST_F(DeviceMqttConnect, B24_the_fields_of_a_token_come_in_any_order) {
  for (const char* order : {"sig,se,sr", "sr,sig,se", "se,sr,sig"}) {
    EXPECT_EQ(connect_with("SharedAccessSignature " + fields(h + "%2Fdevices%2Fd1", order)), kAccepted)
        << order;
  }
}

TEST_F(DeviceMqttConnect, B25_a_scope_with_an_api_version_is_accepted) {
  EXPECT_EQ(
      connect_with(make_sas_token(h + "/devices/d1/api-version=2016-11-14", d1.primary_key, in(seconds(60)))),
      kAccepted);
}

TEST_F(DeviceMqttConnect, B26_a_scope_is_a_prefix_by_segments) {
  EXPECT_EQ(connect_with(hub.policy_token("device", h + "/devices/d")), kUnauthorized);
  EXPECT_EQ(connect_with(hub.policy_token("device", h + "/devices")), kAccepted);
}

TEST_F(DeviceMqttConnect, a_password_that_is_no_token_is_refused) {
  EXPECT_EQ(connect_with("HostName=h;DeviceId=d1;SharedAccessKey=AAAA"), kUnauthorized);
  EXPECT_EQ(connect_with("secret"), kUnauthorized);
  EXPECT_EQ(connect_with(std::string(5000, 'x')), kUnauthorized);
}

TEST_F(DeviceMqttConnect, a_connect_without_user_name_is_refused) {
  SimDevice client(hub, d1);
  const std::string_view bytes(
      "\x10\x0e\x00\x04MQTT\x04\x02\x00\x3c\x00\x02"
      "d1",
      16);
  EXPECT_EQ(client.send(bytes), kUnauthorized);
  EXPECT_TRUE(client.closed());
}

TEST_F(DeviceMqttConnect, device_sas_can_be_switched_off_and_policies_stay) {
  SimHub::Options options;
  options.settings.auth.disable_device_sas = true;
  SimHub strict(options);
  const IdentityRecord d2 = strict.add(device("d2"));
  const IdentityRecord m1 = strict.add(module("d2", "m1"));
  EXPECT_EQ(SimDevice::try_connect(strict, d2), kUnauthorized);
  EXPECT_EQ(SimDevice::try_connect(strict, m1), kAccepted);
  EXPECT_EQ(SimDevice::try_connect(strict, d2, {.password = strict.policy_token("device")}), kAccepted);
}

TEST_F(DeviceMqttConnect, without_local_auth_no_token_connects) {
  SimHub::Options options;
  options.settings.auth.disable_local_auth = true;
  SimHub strict(options);
  const IdentityRecord d2 = strict.add(device("d2"));
  const IdentityRecord m1 = strict.add(module("d2", "m1"));
  EXPECT_EQ(SimDevice::try_connect(strict, d2), kUnauthorized);
  EXPECT_EQ(SimDevice::try_connect(strict, m1), kUnauthorized);
  EXPECT_EQ(SimDevice::try_connect(strict, d2, {.password = strict.policy_token("device")}), kUnauthorized);
}

// X.509: these certificates are made in the real present, so the hub's clock stands there too.
class DeviceCertificates : public testing::Test {
 protected:
  static SimHub::Options at_present() {
    SimHub::Options options;
    options.wall = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
    return options;
  }
  static PeerInfo presenting(std::vector<std::string> chain) {
    PeerInfo peer;
    peer.certificate_chain = std::move(chain);
    return peer;
  }
  Packets connect(const IdentityRecord& identity, std::vector<std::string> chain) {
    SimDevice client(hub, identity, 0, presenting(std::move(chain)));
    Packets answer = client.connect();
    EXPECT_EQ(client.link().certificates(), 0u) << "the chain is not needed after the verdict";
    return answer;
  }
  SimHub hub{at_present()};
};

TEST(DeviceCertificatesOnly, without_local_auth_certificates_go_on) {
  const TestCertificate own = make_self_signed("anything");
  SimHub::Options options;
  options.wall = std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
  options.settings.auth.disable_local_auth = true;
  SimHub hub(options);
  IdentityRecord x = wanted(device("x"));
  x.auth_type = AuthenticationType::self_signed;
  x.primary_thumbprint = sha256_thumbprint(own.certificate_der);
  ASSERT_TRUE(hub.put(x));
  PeerInfo peer;
  peer.certificate_chain = {own.certificate_der};
  SimDevice client(hub, x, 0, peer);
  EXPECT_EQ(client.connect(), kAccepted);
}

TEST_F(DeviceCertificates, B19_thumbprint_device_needs_its_certificate) {
  const TestCertificate own = make_self_signed("anything");
  const TestCertificate other = make_self_signed("anything");
  for (const std::string& thumbprint :
       {sha1_thumbprint(own.certificate_der), sha256_thumbprint(own.certificate_der)}) {
    IdentityRecord x = wanted(device("x-" + std::to_string(thumbprint.size())));
    x.auth_type = AuthenticationType::self_signed;
    x.secondary_thumbprint = to_lower_ascii(thumbprint);
    ASSERT_TRUE(hub.put(x));
    EXPECT_EQ(connect(x, {own.certificate_der}), kAccepted);
    EXPECT_EQ(connect(x, {other.certificate_der}), kUnauthorized);
    EXPECT_EQ(connect(x, {}), kUnauthorized);
  }
}

TEST_F(DeviceCertificates, B20_ca_device_needs_a_chain_to_a_known_ca_and_its_name) {
  const TestCertificate ca = make_ca("Factory");
  const TestCertificate stranger = make_ca("Stranger");
  ASSERT_TRUE(hub.ask<CaCertificateRecord>([&](Reply<CaCertificateRecord> reply) {
    hub.administration().add_ca_certificate("factory", ca.certificate_pem,
                                            HubAdministration::CaTrust::at_once, std::move(reply));
  }));
  IdentityRecord c = wanted(device("c1"));
  c.auth_type = AuthenticationType::certificate_authority;
  ASSERT_TRUE(hub.put(c));
  EXPECT_EQ(connect(c, {make_leaf(ca, {"c1"}).certificate_der}), kAccepted);
  EXPECT_EQ(connect(c, {make_leaf(ca, {"c2"}).certificate_der}), kUnauthorized);
  EXPECT_EQ(connect(c, {make_leaf(stranger, {"c1"}).certificate_der}), kUnauthorized);
  EXPECT_EQ(
      connect(
          c,
          {make_leaf(ca, {"c1"}, {.valid_from_seconds = -7200, .valid_for_seconds = -3600}).certificate_der}),
      kUnauthorized);
  ASSERT_TRUE(hub.ask<void>([&](Reply<void> reply) {
    hub.administration().erase_ca_certificate("factory", std::nullopt, std::move(reply));
  }));
  EXPECT_EQ(connect(c, {make_leaf(ca, {"c1"}).certificate_der}), kUnauthorized);
}

TEST_F(DeviceCertificates, the_registered_type_decides_when_both_are_presented) {
  const IdentityRecord s = hub.add(device("s1"));
  EXPECT_EQ(connect(s, {make_self_signed("s1").certificate_der}), kAccepted);
}

// The order of checks and what the operator is told

TEST_F(DeviceMqttConnect, B80_refusals_connections_and_ends_are_told_once_each) {
  SimDevice::try_connect(hub, d1, {.password = "secret"});
  IdentityRecord unknown = wanted(device("nobody"));
  unknown.primary_key = d1.primary_key;
  SimDevice::try_connect(hub, unknown);
  SimDevice client(hub, d1);
  client.connect();
  client.disconnect();
  EXPECT_THAT(hub.observer.take(), ElementsAre("refused d1 401003", "refused nobody 404001", "connected d1",
                                               "disconnected d1 device_disconnected"));
}

TEST_F(DeviceMqttConnect, packets_sent_right_behind_connect_are_handled_after_it) {
  SimDevice client(hub, d1);
  std::string bytes = client.connect_bytes({});
  mqtt::append_client_publish(bytes, client.events_topic(), "x", mqtt::QoS::at_least_once, false, false,
                              PacketId{7});
  mqtt::append_pingreq(bytes);
  EXPECT_THAT(client.send(bytes), ElementsAre("CONNACK 0", "PINGRESP", "PUBACK 7"));
}

TEST_F(DeviceMqttConnect, connect_may_arrive_a_byte_at_a_time) {
  SimDevice client(hub, d1);
  client.link().send_in_pieces(client.connect_bytes({}), 1);
  hub.loop.run();
  EXPECT_EQ(client.packets(), kAccepted);
}

TEST_F(DeviceMqttConnect, a_peer_without_connect_is_closed_after_the_connect_timeout) {
  SimDevice silent(hub, d1);
  SimDevice slow(hub, d1);
  hub.loop.advance(seconds(50));
  slow.send("\x10");
  hub.loop.advance(seconds(9));
  EXPECT_FALSE(silent.closed());
  hub.loop.advance(seconds(2));
  EXPECT_TRUE(silent.closed());
  EXPECT_TRUE(slow.closed()) << "a trickle of bytes does not extend it";
  EXPECT_EQ(hub.open_connections(), 0u);
}

TEST_F(DeviceMqttConnect, a_client_that_leaves_while_it_is_judged_is_not_counted_as_connected) {
  SimDevice client(hub, d1);
  client.link().send(client.connect_bytes({}));
  client.link().drop();
  hub.loop.run();
  EXPECT_FALSE(hub.get(device("d1"))->connected);
  EXPECT_EQ(hub.open_connections(), 0u);
}

TEST_F(DeviceMqttConnect, a_flood_of_unknown_devices_leaves_nothing_behind) {
  const std::size_t before = hub.actors();
  for (int i = 0; i < 500; ++i) {
    IdentityRecord unknown = wanted(device("ghost-" + std::to_string(i)));
    unknown.primary_key = d1.primary_key;
    EXPECT_EQ(SimDevice::try_connect(hub, unknown), kUnauthorized);
  }
  EXPECT_EQ(hub.actors(), before);
  EXPECT_EQ(hub.open_connections(), 0u);
}

}  // namespace
}  // namespace kyanite::test
