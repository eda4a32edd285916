#include "protocol/auth/symmetric_key.h"

#include <gtest/gtest.h>

#include "protocol/base/base64.h"

namespace kyanite {
namespace {

TEST(SymmetricKey, R33_a_new_key_is_32_random_bytes) {
  const std::string one = make_symmetric_key(), two = make_symmetric_key();
  EXPECT_EQ(decode_base64(one).value().size(), 32u);
  EXPECT_NE(one, two);
  EXPECT_TRUE(is_valid_symmetric_key(one));
}

TEST(SymmetricKey, R38_keys_have_16_to_64_bytes) {
  EXPECT_FALSE(is_valid_symmetric_key(encode_base64(std::string(15, 'k'))));
  EXPECT_TRUE(is_valid_symmetric_key(encode_base64(std::string(16, 'k'))));
  EXPECT_TRUE(is_valid_symmetric_key(encode_base64(std::string(64, 'k'))));
  EXPECT_FALSE(is_valid_symmetric_key(encode_base64(std::string(65, 'k'))));
}

TEST(SymmetricKey, text_that_is_not_base64_is_no_key) {
  EXPECT_FALSE(is_valid_symmetric_key(""));
  EXPECT_FALSE(is_valid_symmetric_key("not base64 at all!!!!!!!"));
  EXPECT_FALSE(is_valid_symmetric_key("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"));
}

// RFC 4231 test cases 1, 2 and 6 (a key longer than the block).
TEST(SymmetricKey, hmac_agrees_with_the_published_vectors) {
  EXPECT_EQ(encode_hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(encode_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(encode_hex(hmac_sha256(std::string(131, '\xaa'),
                                   "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(SymmetricKey, an_empty_key_does_not_reuse_the_former_one) {
  const std::string with_key = hmac_sha256("key", "text");
  EXPECT_NE(hmac_sha256("", "text"), with_key);
  EXPECT_EQ(encode_hex(hmac_sha256({}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(SymmetricKey, comparison_sees_length_and_content) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
}

TEST(SymmetricKey, random_hex_has_two_digits_a_byte) {
  EXPECT_EQ(random_hex(16).size(), 32u);
  EXPECT_NE(random_hex(16), random_hex(16));
}

TEST(RandomGuid, is_a_random_one_of_RFC_4122) {
  for (int i = 0; i < 64; ++i) {
    const std::string id = random_guid();
    ASSERT_EQ(id.size(), 36u);
    EXPECT_EQ(id[14], '4') << id;
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos) << id;
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef-"), std::string::npos) << id;
  }
}

}  // namespace
}  // namespace kyanite
