#include "server/amqp/claims.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/auth/sas_token.h"
#include "server/amqp/token_judge.h"

// What tokens open on a connection (spec amqp.md 3).
namespace kyanite {
namespace {

constexpr WallTime kNow{seconds{1'800'000'000}};
constexpr std::int64_t kLater = 1'800'003'600;
constexpr const char* kKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

HubSecurity security_of_policies() {
  HubSecurity security;
  security.host_names = {"hub.test"};
  security.policies = {{"device", kKey, kKey, Right::device_connect},
                       {"service", kKey, kKey, Right::service_connect}};
  return security;
}

Result<Claim> plain(const std::string& user, const std::string& resource, const std::string& policy) {
  const std::string token = make_sas_token(resource, kKey, kLater, policy);
  return judge_plain(std::string(1, '\0') + user + '\0' + token, security_of_policies(), kNow);
}

Claim policy_claim(const std::string& resource, const std::string& policy, std::string_view audience = {}) {
  const std::string token = make_sas_token(resource, kKey, kLater, policy);
  Result<Claim> claim = judge_token(token, audience, security_of_policies(), kNow);
  EXPECT_TRUE(claim) << resource;
  return claim ? *claim : Claim();
}

Claim own_claim(const std::string& device, const std::string& audience) {
  Claim claim;
  claim.only = Identity{device, ""};
  claim.audience = audience;
  return claim;
}

TEST(Claims, APolicysTokenForOneDeviceIsNoPasswordOfAnother_3_5) {
  EXPECT_TRUE(plain("d1@sas.hub", "hub.test/devices/d1", "device"));
  EXPECT_TRUE(plain("d1/modules/m@sas.hub", "hub.test/devices/d1", "device"));
  EXPECT_TRUE(plain("d1@sas.hub", "hub.test", "device"));
  EXPECT_FALSE(plain("d2@sas.hub", "hub.test/devices/d1", "device"));
  EXPECT_FALSE(plain("d10@sas.hub", "hub.test/devices/d1", "device"));
  EXPECT_FALSE(plain("d1@sas.hub", "hub.test/devices/d1", "service"));
}

TEST(Claims, TheScopeOfAPolicysTokenIsJudgedAsOverMqtt_3_2) {
  Claims claims;
  claims.put(policy_claim("hub.test/devices/Dev1", "device"));
  EXPECT_TRUE(claims.find_device({"Dev1", ""}));
  EXPECT_TRUE(claims.find_device({"Dev1", "m"}));
  EXPECT_TRUE(claims.find_device({"dev1", ""})) << "some tools fold the whole sr";
  EXPECT_FALSE(claims.find_device({"Dev10", ""}));
  EXPECT_FALSE(claims.find_right(Right::service_connect, "messages/devicebound"));
}

TEST(Claims, ATokenWithOtherRightsDoesNotProlongWhatTheFirstOpened_3_4) {
  Claims claims;
  Claim first = policy_claim("hub.test", "device");
  first.expiry = kNow + seconds(10);
  claims.put(first);
  claims.put(policy_claim("hub.test", "service"));
  ASSERT_TRUE(claims.find_device({"d1", ""}));
  EXPECT_EQ(claims.take_expired(kNow + seconds(11)).size(), 1u);
  EXPECT_FALSE(claims.find_device({"d1", ""}));
  EXPECT_TRUE(claims.find_right(Right::service_connect, "messages/devicebound"));
}

TEST(Claims, ARenewalKeepsTheNameOfTheClaim_3_4) {
  Claims claims;
  claims.put(policy_claim("hub.test", "service"));
  const std::uint64_t before = claims.find_any(Right::service_connect)->id;
  claims.put(policy_claim("hub.test", "service"));
  EXPECT_EQ(claims.find_any(Right::service_connect)->id, before);
  claims.put(own_claim("d1", "devices/d1"));
  const std::uint64_t own = claims.find_device({"d1", ""})->id;
  Claim renewed = own_claim("d1", "devices/d1/messages/events");
  renewed.expiry = kNow;
  claims.put(renewed);
  EXPECT_EQ(claims.find_device({"d1", ""})->id, own) << "an identity has one claim, whatever the audience";
  EXPECT_EQ(claims.find_device({"d1", ""})->expiry, kNow);
}

TEST(Claims, TheOneThatGivesWayIsToldOf) {
  Claims claims;
  Claim first = own_claim("first", "");
  first.expiry = kNow;
  EXPECT_FALSE(claims.put(first));
  const std::uint64_t id = claims.find_device({"first", ""})->id;
  for (std::size_t i = 1; i < Claims::kClaimsMax; ++i) {
    EXPECT_FALSE(claims.put(own_claim("d" + std::to_string(i), "")));
  }
  const std::optional<Claim> displaced = claims.put(own_claim("one more", ""));
  ASSERT_TRUE(displaced);
  EXPECT_EQ(displaced->id, id);
}

TEST(Claims, TokensAndAudiencesWithoutEndAreRefused) {
  const std::string token = make_sas_token("hub.test", kKey, kLater, "service");
  EXPECT_TRUE(judge_token(token, "hub.test/" + std::string(1'000, 'a'), security_of_policies(), kNow));
  EXPECT_FALSE(judge_token(token, "hub.test/" + std::string(3'000, 'a'), security_of_policies(), kNow));
  EXPECT_FALSE(judge_token(token + "&x=" + std::string(20'000, 'a'), {}, security_of_policies(), kNow));
}

}  // namespace
}  // namespace kyanite
