#include "protocol/auth/sas_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/base/base64.h"
#include "protocol/base/limits.h"
#include "protocol/base/percent_encoding.h"

namespace kyanite {
namespace {

using testing::HasSubstr;
using testing::Not;

// The worked example of the contract (device-mqtt.md 3.7): key bytes 00 to 1f.
const std::string kKey = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const std::string kSr = "sr=hub.example.test%2Fdevices%2Fd1";
const std::string kSig = "sig=bv8ON4ZTZ7n1tMofs0QJ9BTOKLzNOjIrLL1TXWpIkMI%3D";
const std::string kSe = "se=4102444800";

std::string token_of(const std::string& fields) { return "SharedAccessSignature " + fields; }

SasToken accepted(const std::string& text) {
  const auto parsed = parse_sas_token(text);
  EXPECT_TRUE(parsed) << text << ": " << (parsed ? "" : parsed.error().detail);
  return parsed ? *parsed : SasToken{};
}

std::string refusal_of(const std::string& text) {
  const auto parsed = parse_sas_token(text);
  if (parsed) return "accepted";
  EXPECT_EQ(parsed.error().code, Errc::unauthorized);
  return parsed.error().detail;
}

TEST(SasToken, B28_the_worked_example_verifies) {
  const SasToken token = accepted(token_of(kSr + "&" + kSig + "&" + kSe));
  EXPECT_EQ(token.resource_raw, "hub.example.test%2Fdevices%2Fd1");
  EXPECT_EQ(token.expiry, WallTime(seconds(4102444800)));
  EXPECT_EQ(token.policy, "");
  EXPECT_TRUE(sas_signature_matches(token, kKey));
}

TEST(SasToken, B23_the_resource_is_signed_as_written) {
  EXPECT_TRUE(sas_signature_matches(
      accepted(token_of(
          "sr=hub.example.test/devices/d1&sig=il%2B2NF3Iwfhj4GgcfV6cFwUq46FvjdktnSfQgBq8NCg%3D&" + kSe)),
      kKey));
  // The signature of one spelling does not verify another.
  EXPECT_FALSE(sas_signature_matches(
      accepted(token_of("sr=hub.example.test%2fdevices%2fd1&" + kSig + "&" + kSe)), kKey));
}

TEST(SasToken, B24_R16_fields_come_in_any_order) {
  for (const std::string& fields : {kSig + "&" + kSe + "&" + kSr, kSr + "&" + kSig + "&" + kSe,
                                    kSe + "&" + kSr + "&" + kSig, kSr + "&" + kSig + "&skn=&" + kSe}) {
    EXPECT_TRUE(sas_signature_matches(accepted(token_of(fields)), kKey)) << fields;
  }
}

TEST(SasToken, scheme_and_names_ignore_case_and_unknown_fields_are_ignored) {
  const SasToken token = accepted("sharedaccesssignature SR=hub.example.test%2Fdevices%2Fd1&x=1&x=2&S" +
                                  kSig.substr(1) + "&SE=4102444800&SKN=p");
  EXPECT_EQ(token.policy, "p");
  EXPECT_TRUE(sas_signature_matches(token, kKey));
}

TEST(SasToken, the_signature_may_be_encoded_in_any_way_and_plus_stays_plus) {
  for (const char* sig :
       {"il+2NF3Iwfhj4GgcfV6cFwUq46FvjdktnSfQgBq8NCg=", "il%2B2NF3Iwfhj4GgcfV6cFwUq46FvjdktnSfQgBq8NCg%3D",
        "il%2b2NF3Iwfhj4GgcfV6cFwUq46FvjdktnSfQgBq8NCg%3d", "il 2NF3Iwfhj4GgcfV6cFwUq46FvjdktnSfQgBq8NCg="}) {
    const SasToken token = accepted(token_of("sr=hub.example.test/devices/d1&" + kSe + "&sig=" + sig));
    EXPECT_TRUE(sas_signature_matches(token, kKey)) << sig;
  }
}

TEST(SasToken, B12_R18_another_key_or_a_changed_signature_does_not_match) {
  const SasToken token = accepted(token_of(kSr + "&" + kSig + "&" + kSe));
  EXPECT_FALSE(sas_signature_matches(token, encode_base64(std::string(32, 'k'))));
  EXPECT_FALSE(sas_signature_matches(token, ""));
  EXPECT_FALSE(sas_signature_matches(token, "not base64"));
  SasToken changed = token;
  changed.signature[0] = static_cast<char>(changed.signature[0] ^ 1);
  EXPECT_FALSE(sas_signature_matches(changed, kKey));
  changed = token;
  changed.expiry_raw = "4102444801";
  EXPECT_FALSE(sas_signature_matches(changed, kKey));
}

TEST(SasToken, B21_a_token_made_with_a_key_verifies_with_it_alone) {
  const std::string secondary = encode_base64(std::string(32, 's'));
  const SasToken token = accepted(make_sas_token("hub.example.test/devices/my#dev", secondary, 4102444800));
  EXPECT_EQ(token.resource_raw, "hub.example.test%2Fdevices%2Fmy%23dev");
  EXPECT_TRUE(sas_signature_matches(token, secondary));
  EXPECT_FALSE(sas_signature_matches(token, kKey));
}

TEST(SasToken, made_tokens_are_the_worked_example_and_carry_a_policy) {
  EXPECT_EQ(make_sas_token("hub.example.test/devices/d1", kKey, 4102444800),
            token_of(kSr + "&" + kSig + "&" + kSe));
  EXPECT_EQ(accepted(make_sas_token("h", kKey, 1, "registry Read")).policy, "registry Read");
  EXPECT_EQ(make_sas_token("h", "not base64", 1), "");
}

TEST(SasToken, the_policy_name_is_decoded_and_bounded) {
  EXPECT_EQ(accepted(token_of(kSr + "&" + kSig + "&" + kSe + "&skn=my%20policy")).policy, "my policy");
  EXPECT_THAT(refusal_of(token_of(kSr + "&" + kSig + "&" + kSe + "&skn=" + std::string(65, 'p'))),
              HasSubstr("skn"));
  EXPECT_THAT(refusal_of(token_of(kSr + "&" + kSig + "&" + kSe + "&skn=%FF")), HasSubstr("skn"));
}

TEST(SasToken, a_duplicate_field_is_refused) {
  for (const std::string& twice : {kSr, kSig, kSe, std::string("skn=a&SKN=a")}) {
    EXPECT_THAT(refusal_of(token_of(kSr + "&" + kSig + "&" + kSe + "&" + twice)), HasSubstr("twice"))
        << twice;
  }
}

TEST(SasToken, missing_and_empty_fields_are_refused_by_name) {
  EXPECT_THAT(refusal_of(token_of(kSig + "&" + kSe)), HasSubstr("sr is missing"));
  EXPECT_THAT(refusal_of(token_of(kSr + "&" + kSe)), HasSubstr("sig is missing"));
  EXPECT_THAT(refusal_of(token_of(kSr + "&" + kSig)), HasSubstr("se is missing"));
  EXPECT_THAT(refusal_of(token_of("sr=&" + kSig + "&" + kSe)), HasSubstr("sr is missing"));
}

TEST(SasToken, the_expiry_is_digits_only) {
  for (const char* se : {"se=4102444800.5", "se=-1", "se=+1", "se= 1", "se=1e9", "se=0x10", "se=%31",
                         "se=9223372036854775809", "se=99999999999999999999999999"}) {
    EXPECT_THAT(refusal_of(token_of(kSr + "&" + kSig + "&" + se)), HasSubstr("se is not")) << se;
  }
}

TEST(SasToken, a_far_future_expiry_saturates) {
  const SasToken token = accepted(token_of(kSr + "&" + kSig + "&se=9223372036854775808"));
  EXPECT_EQ(token.expiry, kSasExpiryMax);
  EXPECT_EQ(token.expiry_raw, "9223372036854775808");
  EXPECT_EQ(accepted(token_of(kSr + "&" + kSig + "&se=0")).expiry, WallTime{});
}

TEST(SasToken, text_that_is_no_token_is_refused) {
  EXPECT_THAT(refusal_of(""), HasSubstr("missing"));
  EXPECT_THAT(refusal_of("secret"), HasSubstr("SharedAccessSignature "));
  EXPECT_THAT(refusal_of("SharedAccessSignature"), HasSubstr("SharedAccessSignature "));
  EXPECT_THAT(refusal_of("SharedAccessSignature\t" + kSr), HasSubstr("SharedAccessSignature "));
  EXPECT_THAT(refusal_of("Bearer x"), HasSubstr("SharedAccessSignature "));
  EXPECT_THAT(refusal_of(token_of("sr")), HasSubstr("no '='"));
  EXPECT_THAT(refusal_of(token_of(kSr + "&" + kSe + "&sig=AAAA")), HasSubstr("sig is not"));
  EXPECT_THAT(refusal_of(token_of(kSr + "&" + kSe + "&sig=!!!!")), HasSubstr("sig is not"));
  EXPECT_THAT(refusal_of(token_of("sr=" + std::string(limits::kSasTokenBytesMax, 'a'))),
              HasSubstr("too long"));
}

TEST(SasToken, a_connection_string_as_password_is_refused_with_advice) {
  const std::string reason = refusal_of("HostName=h;DeviceId=d1;SharedAccessKey=" + kKey);
  EXPECT_THAT(reason, HasSubstr("connection string"));
  EXPECT_THAT(reason, Not(HasSubstr("AAEC")));
}

}  // namespace
}  // namespace kyanite
