#include "protocol/base/base64.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

using namespace std::string_literals;

TEST(Base64, encodes_the_examples_of_the_standard) {  // RFC 4648 section 10
  EXPECT_EQ(encode_base64(""), "");
  EXPECT_EQ(encode_base64("f"), "Zg==");
  EXPECT_EQ(encode_base64("fo"), "Zm8=");
  EXPECT_EQ(encode_base64("foo"), "Zm9v");
  EXPECT_EQ(encode_base64("foob"), "Zm9vYg==");
  EXPECT_EQ(encode_base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(encode_base64("foobar"), "Zm9vYmFy");
}

TEST(Base64, decodes_what_it_encodes) {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    EXPECT_EQ(decode_base64(encode_base64(all)), all);
    all += static_cast<char>(i);
  }
}

TEST(Base64, uses_plus_and_slash) {
  EXPECT_EQ(encode_base64("\xfb\xef\xff"), "++//");
  EXPECT_EQ(decode_base64("++//"), "\xfb\xef\xff");
}

TEST(Base64, decodes_zero_bytes) { EXPECT_EQ(decode_base64("AAA="), "\0\0"s); }

TEST(Base64, refuses_wrong_lengths) {
  for (const auto text : {"A", "AA", "AAA", "AAAAA", "Zg=", "Zg"}) EXPECT_FALSE(decode_base64(text)) << text;
}

TEST(Base64, refuses_characters_outside_the_alphabet) {
  for (const auto text : {"AA A", "AA\nA", "AA-A", "AA_A", "AA.A", "\xc3\xa9\x41\x41"}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
}

TEST(Base64, refuses_padding_in_the_wrong_place) {
  for (const auto text : {"====", "A===", "AA=A", "=AAA", "Zg==Zg==", "Zm8=Zm8="}) {
    EXPECT_FALSE(decode_base64(text)) << text;
  }
}

TEST(Base64, refuses_a_second_spelling_of_the_same_bytes) {
  EXPECT_FALSE(decode_base64("Zh=="));
  EXPECT_FALSE(decode_base64("Zm9="));
}

TEST(Hex, encodes_in_lower_case) { EXPECT_EQ(encode_hex("\x00\x0f\xab\xff"s), "000fabff"); }

TEST(Hex, decodes_both_cases) { EXPECT_EQ(decode_hex("000fABff"), "\x00\x0f\xab\xff"s); }

TEST(Hex, refuses_odd_lengths_and_other_characters) {
  for (const auto text : {"a", "abc", "0g", "g0", " 0", "0x"}) EXPECT_FALSE(decode_hex(text)) << text;
}

}  // namespace
}  // namespace kyanite
