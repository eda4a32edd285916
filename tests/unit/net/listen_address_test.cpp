#include "server/net/listen_address.h"

#include <gtest/gtest.h>

namespace kyanite {
namespace {

TEST(ListenAddress, takes_ipv4_and_bracketed_ipv6_with_a_port) {
  const auto v4 = parse_listen_address("0.0.0.0:8883");
  ASSERT_TRUE(v4.has_value());
  EXPECT_TRUE(v4->address().is_unspecified());
  EXPECT_EQ(v4->port(), 8883);
  const auto v6 = parse_listen_address("[::]:443");
  ASSERT_TRUE(v6.has_value());
  EXPECT_TRUE(v6->address().is_v6());
  EXPECT_EQ(parse_listen_address("127.0.0.1:0")->port(), 0);
}

TEST(ListenAddress, refuses_anything_else_and_says_what_is_expected) {
  for (const char* text :
       {"", "8883", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:88x",
        "127.0.0.1: 88", "localhost:8883", "::1:8883", "[127.0.0.1]:8883", "[::1:8883", ":8883"}) {
    const auto parsed = parse_listen_address(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().code, Errc::config_invalid);
    EXPECT_NE(parsed.error().detail.find("expected ADDRESS:PORT"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace kyanite
