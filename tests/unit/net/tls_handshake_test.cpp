#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include "protocol/base/limits.h"
#include "tests/unit/net/net_fixture.h"

namespace kyanite::test {
namespace {

// What the server learned of the peer.
PeerInfo peer_of(TestConnection& connection) {
  PeerInfo peer;
  run_on(connection.shard, [&] { peer = connection.channel->peer(); });
  return peer;
}

// One echoed byte: the handshake is through on both sides, and a TLS 1.3 ticket has arrived.
void exchange(TlsTestClient& client) {
  ASSERT_TRUE(client.write("x"));
  ASSERT_EQ(client.read_exactly(1), "x");
}

class TlsHandshake : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(versions, TlsHandshake, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_2_VERSION ? "tls12" : "tls13";
                         });

TEST_P(TlsHandshake, tells_version_server_name_and_address_of_the_peer) {
  TestServer server;
  TlsTestClient client(server.port(), {.version = GetParam(), .server_name = "Kyanite.test"});
  ASSERT_TRUE(client.connected());
  const PeerInfo peer = peer_of(server.connection());
  EXPECT_EQ(peer.tls_version, GetParam() == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
  EXPECT_EQ(peer.server_name, "Kyanite.test");
  EXPECT_EQ(peer.address, "127.0.0.1");
  EXPECT_NE(peer.port, 0);
  EXPECT_TRUE(peer.certificate_chain.empty());
}

TEST_P(TlsHandshake, gives_the_whole_presented_chain_of_an_unknown_ca_and_lists_no_issuers) {
  TestServer server;
  const auto root = make_ca("Device root");
  const auto intermediate = make_ca("Device intermediate", &root);
  const auto leaf = make_leaf(intermediate, {"d1"});
  TlsTestClient client(server.port(),
                       {.version = GetParam(), .certificate_chain = {leaf, intermediate, root}});
  ASSERT_TRUE(client.connected());
  EXPECT_EQ(client.acceptable_issuers(), 0);
  EXPECT_EQ(peer_of(server.connection()).certificate_chain,
            (std::vector{leaf.certificate_der, intermediate.certificate_der, root.certificate_der}));
}

TEST_P(TlsHandshake, takes_self_signed_and_expired_client_certificates_for_connect_to_judge) {
  TestServer server;
  const auto expired = make_self_signed("d1", {.valid_from_seconds = -7200, .valid_for_seconds = -3600});
  TlsTestClient client(server.port(), {.version = GetParam(), .certificate_chain = {expired}});
  ASSERT_TRUE(client.connected());
  TestConnection& connection = server.connection();
  EXPECT_EQ(peer_of(connection).certificate_chain, std::vector{expired.certificate_der});
  run_on(connection.shard, [&] { connection.channel->release_certificates(); });
  EXPECT_TRUE(peer_of(connection).certificate_chain.empty());
}

TEST_P(TlsHandshake, refuses_a_chain_longer_than_the_limit) {
  TestServer server;
  auto issuer = make_ca("CA 0");
  std::vector<TestCertificate> chain{issuer};
  for (std::size_t i = 1; i < limits::kCertificateChainMax; ++i) {
    issuer = make_ca("CA " + std::to_string(i), &issuer);
    chain.insert(chain.begin(), issuer);
  }
  chain.insert(chain.begin(), make_leaf(issuer, {"d1"}));
  ASSERT_EQ(chain.size(), limits::kCertificateChainMax + 1);
  TlsTestClient client(server.port(), {.version = GetParam(), .certificate_chain = chain});
  EXPECT_TRUE(!client.connected() || client.read_some().empty());
  EXPECT_TRUE(eventually([&] { return server.counters().failed_by(TlsFailure::client_certificate) == 1; }));
}

TEST_P(TlsHandshake, resumes_by_ticket_and_still_knows_the_server_name) {
  TestServer server(echo);
  TlsTestClient first(server.port(), {.version = GetParam(), .server_name = "kyanite.test"});
  ASSERT_TRUE(first.connected());
  exchange(first);
  ASSERT_TRUE(first.session());
  TlsTestClient second(server.port(),
                       {.version = GetParam(), .server_name = "kyanite.test", .session = first.session()});
  ASSERT_TRUE(second.connected());
  EXPECT_TRUE(second.resumed());
  exchange(second);
  EXPECT_EQ(server.counters().handshakes, 2U);
  EXPECT_EQ(server.counters().resumed, 1U);
  EXPECT_EQ(peer_of(server.connection(1)).server_name, "kyanite.test");
}

TEST_P(TlsHandshake, a_session_with_a_client_certificate_is_not_resumed_so_the_chain_is_always_whole) {
  TestServer server(echo);
  const auto ca = make_ca("Device CA");
  const auto leaf = make_leaf(ca, {"d1"});
  TlsClientOptions options{.version = GetParam(), .certificate_chain = {leaf, ca}};
  TlsTestClient first(server.port(), options);
  ASSERT_TRUE(first.connected());
  exchange(first);
  options.session = first.session();  // TLS 1.3 gives none, TLS 1.2 one that is refused
  TlsTestClient second(server.port(), options);
  ASSERT_TRUE(second.connected());
  EXPECT_FALSE(second.resumed());
  exchange(second);
  EXPECT_EQ(peer_of(server.connection(1)).certificate_chain,
            (std::vector{leaf.certificate_der, ca.certificate_der}));
}

TEST_P(TlsHandshake, tickets_stay_good_over_a_reload_of_the_certificate) {
  const auto keys = std::make_shared<TicketKeys>();
  TlsContextSettings tls;
  tls.ticket_keys = keys;
  TestServer server(echo, tls);
  TlsTestClient first(server.port(), {.version = GetParam()});
  ASSERT_TRUE(first.connected());
  exchange(first);
  const auto renewed = make_leaf(server.ca, {"kyanite.test"});
  tls.certificate = {renewed.certificate_pem, renewed.key_pem};
  server.contexts->replace(make_context(tls));
  TlsTestClient second(server.port(), {.version = GetParam(), .session = first.session()});
  EXPECT_TRUE(second.connected());
  EXPECT_TRUE(second.resumed());
  exchange(first);  // and the old connection lives on
}

TEST(TlsServer, a_reload_gives_new_connections_the_new_certificate) {
  TestServer server(echo);
  TlsTestClient before(server.port());
  EXPECT_EQ(before.server_certificate_der(), server.certificate.certificate_der);
  const auto renewed = make_leaf(server.ca, {"kyanite.test"});
  TlsContextSettings tls;
  tls.certificate = {renewed.certificate_pem, renewed.key_pem};
  server.contexts->replace(make_context(tls));
  TlsTestClient after(server.port());
  EXPECT_EQ(after.server_certificate_der(), renewed.certificate_der);
}

TEST(TlsServer, refuses_tls_1_1) {
  TestServer server;
  TlsTestClient client(server.port(), {.version = TLS1_1_VERSION, .cipher_list = "ALL:@SECLEVEL=0"});
  EXPECT_FALSE(client.connected());
}

TEST(TlsServer, offers_the_cbc_suites_that_old_devices_need_with_rsa) {
  const auto ca = make_ca();
  const auto rsa = make_leaf(ca, {"kyanite.test"}, {.key = KeyKind::rsa_2048});
  TlsContextSettings tls;
  tls.certificate = {rsa.certificate_pem, rsa.key_pem};
  TestServer server(echo, tls);
  for (const char* cipher :
       {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA256",
        "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"}) {
    TlsTestClient client(server.port(), {.version = TLS1_2_VERSION, .cipher_list = cipher});
    ASSERT_TRUE(client.connected()) << cipher;
    EXPECT_EQ(client.cipher(), cipher);
    exchange(client);
  }
  TlsTestClient no_forward_secrecy(server.port(),
                                   {.version = TLS1_2_VERSION, .cipher_list = "AES128-GCM-SHA256"});
  EXPECT_FALSE(no_forward_secrecy.connected());
}

TEST(TlsServer, serves_each_client_the_certificate_it_can_use) {
  const auto ca = make_ca();
  const auto rsa = make_leaf(ca, {"kyanite.test"}, {.key = KeyKind::rsa_2048});
  TlsContextSettings tls;
  tls.second = TlsCertificate{rsa.certificate_pem, rsa.key_pem};
  TestServer server(echo, tls);
  TlsTestClient only_rsa(server.port(),
                         {.version = TLS1_2_VERSION, .cipher_list = "ECDHE-RSA-AES128-GCM-SHA256"});
  ASSERT_TRUE(only_rsa.connected());
  EXPECT_EQ(only_rsa.server_certificate_der(), rsa.certificate_der);
  TlsTestClient any(server.port(), {.version = TLS1_2_VERSION});
  EXPECT_EQ(any.server_certificate_der(), server.certificate.certificate_der);
}

TEST(TlsServer, alpn_is_ignored_unless_http_is_served_and_never_fails) {
  TestServer mqtt(echo);
  TlsTestClient on_mqtt(mqtt.port(), {.alpn = {"mqtt", "http/1.1"}});
  EXPECT_TRUE(on_mqtt.connected());
  EXPECT_EQ(on_mqtt.alpn(), "");

  TlsContextSettings tls;
  tls.select_http_1_1 = true;
  TestServer http(echo, tls);
  TlsTestClient modern(http.port(), {.alpn = {"h2", "http/1.1"}});
  EXPECT_TRUE(modern.connected());
  EXPECT_EQ(modern.alpn(), "http/1.1");
  TlsTestClient only_h2(http.port(), {.alpn = {"h2"}});
  EXPECT_TRUE(only_h2.connected());
  EXPECT_EQ(only_h2.alpn(), "");
  TlsTestClient without(http.port());
  EXPECT_TRUE(without.connected());
}

}  // namespace
}  // namespace kyanite::test
