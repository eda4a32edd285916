#include "server/net/ticket_keys.h"

#include <gtest/gtest.h>

#include <string>

namespace kyanite {
namespace {

const SteadyTime kStart{seconds(1000)};

std::string name_of(const TicketKeys::Key& key) { return std::string(key.name.begin(), key.name.end()); }

TEST(TicketKeys, one_key_serves_until_it_is_rotated) {
  TicketKeys keys;
  const std::string first = name_of(*keys.current(kStart));
  EXPECT_EQ(name_of(*keys.current(kStart + TicketKeys::kRotation - seconds(1))), first);
  EXPECT_NE(name_of(*keys.current(kStart + TicketKeys::kRotation)), first);
}

TEST(TicketKeys, a_replaced_key_still_opens_tickets_but_is_not_current) {
  TicketKeys keys;
  const auto first = *keys.current(kStart);
  ASSERT_TRUE(keys.find(name_of(first), kStart)->current);
  const auto found = keys.find(name_of(first), kStart + TicketKeys::kRotation);
  ASSERT_TRUE(found.has_value());
  EXPECT_FALSE(found->current);
  EXPECT_EQ(found->key.cipher, first.cipher);
}

TEST(TicketKeys, a_key_is_forgotten_after_its_rotations_even_across_a_long_sleep) {
  TicketKeys keys;
  const std::string first = name_of(*keys.current(kStart));
  EXPECT_TRUE(keys.find(first, kStart + TicketKeys::kRotation * 3 - seconds(1)).has_value());
  EXPECT_FALSE(keys.find(first, kStart + TicketKeys::kRotation * 3).has_value());
}

TEST(TicketKeys, an_unknown_name_finds_nothing) {
  TicketKeys keys;
  EXPECT_FALSE(keys.find(std::string(TicketKeys::kNameBytes, 'x'), kStart).has_value());
  EXPECT_FALSE(keys.find("short", kStart).has_value());
}

}  // namespace
}  // namespace kyanite
