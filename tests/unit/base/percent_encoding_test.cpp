#include "protocol/base/percent_encoding.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

using namespace std::string_literals;

TEST(PercentDecode, reads_hex_of_both_cases) { EXPECT_EQ(percent_decode("%2F%2f%41z"), "//Az"); }

TEST(PercentDecode, leaves_plus_alone) { EXPECT_EQ(percent_decode("a+b"), "a+b"); }

TEST(PercentDecode, leaves_a_percent_sign_that_encodes_nothing) {
  EXPECT_EQ(percent_decode("100%"), "100%");
  EXPECT_EQ(percent_decode("%4"), "%4");
  EXPECT_EQ(percent_decode("%zz%4g%g4"), "%zz%4g%g4");
  EXPECT_EQ(percent_decode("%%41"), "%A");
}

TEST(PercentDecode, decodes_once) { EXPECT_EQ(percent_decode("%2541"), "%41"); }

TEST(PercentDecode, gives_any_byte) { EXPECT_EQ(percent_decode("%00%ff"), "\0\xff"s); }

TEST(PercentEncode, leaves_only_unreserved_characters) {
  EXPECT_EQ(percent_encode("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(percent_encode(" +/=&?%$#:\x7f\xc3\xa9"), "%20%2B%2F%3D%26%3F%25%24%23%3A%7F%C3%A9");
  EXPECT_EQ(percent_encode("\0"s), "%00");
}

TEST(PercentEncode, is_undone_by_decoding) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(percent_decode(percent_encode(all)), all);
}

TEST(Utf8, accepts_the_first_and_last_of_each_length) {
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8("\0\x7f"s));
  EXPECT_TRUE(is_valid_utf8("\xc2\x80\xdf\xbf"));
  EXPECT_TRUE(is_valid_utf8("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"));
  EXPECT_TRUE(is_valid_utf8("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
}

TEST(Utf8, refuses_overlong_forms) {
  EXPECT_FALSE(is_valid_utf8("\xc0\x80"));
  EXPECT_FALSE(is_valid_utf8("\xc1\xbf"));
  EXPECT_FALSE(is_valid_utf8("\xe0\x9f\xbf"));
  EXPECT_FALSE(is_valid_utf8("\xf0\x8f\xbf\xbf"));
}

TEST(Utf8, refuses_surrogates_and_what_is_beyond_unicode) {
  EXPECT_FALSE(is_valid_utf8("\xed\xa0\x80"));
  EXPECT_FALSE(is_valid_utf8("\xed\xbf\xbf"));
  EXPECT_FALSE(is_valid_utf8("\xf4\x90\x80\x80"));
  EXPECT_FALSE(is_valid_utf8("\xf8\x88\x80\x80\x80"));
  EXPECT_FALSE(is_valid_utf8("\xff"));
}

TEST(Utf8, refuses_cut_and_stray_bytes) {
  EXPECT_FALSE(is_valid_utf8("\x80"));
  EXPECT_FALSE(is_valid_utf8("\xc3"));
  EXPECT_FALSE(is_valid_utf8("\xe2\x82"));
  EXPECT_FALSE(is_valid_utf8("\xf0\x9f\x9a"));
  EXPECT_FALSE(is_valid_utf8("\xc3\x41"));
}

TEST(AsciiCase, compares_without_case) {
  EXPECT_TRUE(equals_ignoring_case("Content-TYPE", "content-type"));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
  EXPECT_FALSE(equals_ignoring_case("[", "{"));
  EXPECT_FALSE(equals_ignoring_case("\xc3\x89", "\xc3\xa9"));  // ASCII only
}

TEST(AsciiCase, lowers_ascii_only) { EXPECT_EQ(to_lower_ascii("AZ[\xc3\x89"), "az[\xc3\x89"); }

}  // namespace
}  // namespace kyanite
