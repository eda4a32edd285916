#include "protocol/auth/thumbprint.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

// Digests of "abc" as published with the algorithms; a thumbprint is the digest of the DER bytes.
constexpr const char* kSha1 = "A9993E364706816ABA3E25717850C26C9CD0D89D";
constexpr const char* kSha256 = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";

TEST(Thumbprint, is_the_digest_in_upper_case_hex) {
  EXPECT_EQ(sha1_thumbprint("abc"), kSha1);
  EXPECT_EQ(sha256_thumbprint("abc"), kSha256);
}

TEST(Thumbprint, B19_sha1_and_sha256_both_match_the_certificate) {
  EXPECT_TRUE(thumbprint_matches(kSha1, "abc"));
  EXPECT_TRUE(thumbprint_matches(kSha256, "abc"));
  EXPECT_FALSE(thumbprint_matches(kSha1, "abd"));
  EXPECT_FALSE(thumbprint_matches(kSha256, "abd"));
}

TEST(Thumbprint, case_colons_and_blanks_do_not_matter_when_matching) {
  EXPECT_TRUE(thumbprint_matches("a9:99:3e:36:47:06:81:6a:ba:3e:25:71:78:50:c2:6c:9c:d0:d8:9d", "abc"));
  EXPECT_TRUE(thumbprint_matches(" a9993e36 4706816a ba3e2571 7850c26c 9cd0d89d ", "abc"));
}

TEST(Thumbprint, an_empty_or_cut_thumbprint_matches_nothing) {
  EXPECT_FALSE(thumbprint_matches("", ""));
  EXPECT_FALSE(thumbprint_matches("::", "abc"));
  EXPECT_FALSE(thumbprint_matches(std::string(kSha1).substr(1), "abc"));
}

TEST(Thumbprint, R40_the_registry_takes_plain_hex_only) {
  EXPECT_TRUE(is_valid_thumbprint(kSha1));
  EXPECT_TRUE(is_valid_thumbprint("a9993e364706816aba3e25717850c26c9cd0d89d"));
  EXPECT_TRUE(is_valid_thumbprint(kSha256));
  EXPECT_FALSE(is_valid_thumbprint("A9:99:3E:36:47:06:81:6A:BA:3E:25:71:78:50:C2:6C:9C:D0:D8:9D"));
  EXPECT_FALSE(is_valid_thumbprint(""));
  EXPECT_FALSE(is_valid_thumbprint(std::string(40, 'g')));
  EXPECT_FALSE(is_valid_thumbprint(std::string(41, 'a')));
}

}  // namespace
}  // namespace kyanite
