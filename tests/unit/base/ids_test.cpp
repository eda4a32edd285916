#include "protocol/base/ids.h"

#include <gtest/gtest.h>

#include <type_traits>

#include "protocol/base/hash.h"

namespace kyanite {
namespace {

TEST(Ids, accept_the_services_characters) {
  EXPECT_TRUE(is_valid_id("azAZ09-:.+%_#*?!(),=@;$'"));
  EXPECT_TRUE(is_valid_id("$edgeAgent"));
}

TEST(Ids, have_1_to_128_characters) {
  EXPECT_FALSE(is_valid_id(""));
  EXPECT_TRUE(is_valid_id("d"));
  EXPECT_TRUE(is_valid_id(std::string(128, 'd')));
  EXPECT_FALSE(is_valid_id(std::string(129, 'd')));
}

TEST(Ids, refuse_other_characters) {
  using namespace std::string_literals;
  for (const auto& id : {"a b"s, "a/b"s, "a\\b"s, "a&b"s, "a\"b"s, "a<b"s, "a[b"s, "a~b"s, "a^b"s, "a\0b"s,
                         "a\nb"s, "\xc3\xa9"s}) {
    EXPECT_FALSE(is_valid_id(id)) << id;
  }
}

TEST(Ids, of_different_meaning_do_not_convert) {
  EXPECT_FALSE((std::is_convertible_v<PacketId, Epoch>));
  EXPECT_FALSE((std::is_convertible_v<Epoch, TelemetryOffset>));
  EXPECT_LT(Epoch{1}, Epoch{2});
}

TEST(Identity, tells_modules_from_devices) {
  EXPECT_FALSE((Identity{"d1", ""}.is_module()));
  EXPECT_TRUE((Identity{"d1", "m1"}.is_module()));
  EXPECT_NE((Identity{"d1", ""}), (Identity{"d1", "m1"}));
}

TEST(ConnectionRef, names_none_by_default) {
  EXPECT_FALSE(ConnectionRef{});
  EXPECT_TRUE((ConnectionRef{ShardIndex{0}, 0, 1}));
}

// Partitions on disk and owner shards depend on these values.
TEST(StableHash, never_changes) {
  EXPECT_EQ(stable_hash(""), 0xecba3df2c3383c52u);
  EXPECT_EQ(stable_hash("d1"), 0x8be01129ea1e0ab5u);
  EXPECT_EQ(stable_hash("device-0001"), 0xd384c6b77055da90u);
}

}  // namespace
}  // namespace kyanite
